"""Presidio's PhoneRecognizer, run on the pieces of a text that can hold a number instead of on all of it."""

from __future__ import annotations

import hashlib
import inspect
from functools import lru_cache
from typing import TYPE_CHECKING

from gate.checks.presidio.phones import PIECE, Regions, regions_of

if TYPE_CHECKING:
    from presidio_analyzer import RecognizerResult
    from presidio_analyzer.nlp_engine import NlpArtifacts
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

KNOWN = {"57e778a8a5b1303d"}
"""Fingerprints of the code that the argument in `phones` was made for."""

_BEFORE, _AFTER = 12, 4
"""Characters around a piece that its candidates reach into or that the matcher looks at: two times a bracket or plus
with four of punctuation, and one more; a hash and one more, or the `:00` that tells a time of day."""
_LONGEST_REMEMBERED = 64
"""Characters; the same short numbers come again and again, long pieces do not."""


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Of the candidate pattern and the code that applies it: a change there calls for a fresh look at `phones`."""
    from phonenumbers import phonenumbermatcher
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    code = (
        phonenumbermatcher._PATTERN.pattern,
        inspect.getsource(phonenumbermatcher.PhoneNumberMatcher),
        inspect.getsource(PhoneRecognizer.analyze),
    )
    return hashlib.sha256("\x00".join(code).encode()).hexdigest()[:16]


def windowed(recognizer: PhoneRecognizer) -> tuple[PhoneRecognizer, Regions] | None:
    """A stand-in with the same findings, and what it knows of where numbers can be; None where that is not certain."""
    from presidio_analyzer import EntityRecognizer, RecognizerResult
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    if type(recognizer) is not PhoneRecognizer or fingerprint() not in KNOWN:
        return None
    known = regions_of(recognizer.supported_regions)
    if known is None:
        return None
    regions: Regions = known
    entity = recognizer.supported_entities[0]
    by_region = {
        region: PhoneRecognizer(
            supported_language=recognizer.supported_language,
            supported_entity=entity,
            supported_regions=(region,),
            leniency=recognizer.leniency,
        )
        for region in recognizer.supported_regions
    }

    def spans(around: str, possible: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
        # One region after the other, as the recogniser itself does.
        results = [result for region in possible for result in by_region[region].analyze(around, [entity])]
        return tuple((result.start, result.end) for result in EntityRecognizer.remove_duplicates(results))

    regions_of_piece = lru_cache(maxsize=1 << 16)(regions.of)
    remembered = lru_cache(maxsize=1 << 16)(spans)

    class WindowedPhoneRecognizer(PhoneRecognizer):  # type: ignore[misc]  # presidio has no types
        """Each piece with the characters on either side that the matcher looks at, but no other piece's digits."""

        def analyze(
            self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
        ) -> list[RecognizerResult]:
            results = []
            pieces = [match.span() for match in PIECE.finditer(text)]
            for position, (start, end) in enumerate(pieces):
                short = end - start <= _LONGEST_REMEMBERED
                possible = (regions_of_piece if short else regions.of)(text[start:end])
                if not possible:
                    continue
                first = max(start - _BEFORE, pieces[position - 1][1] if position else 0)
                last = end + _AFTER
                if text[end : end + 1] != ":" and position + 1 < len(pieces):
                    last = min(last, pieces[position + 1][0])
                for found, found_end in (remembered if short else spans)(text[first:last], possible):
                    results.append(
                        RecognizerResult(
                            entity_type=entity,
                            start=first + found,
                            end=first + found_end,
                            score=self.SCORE,
                            analysis_explanation=self._get_analysis_explanation(None),
                            recognition_metadata={
                                RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
                                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
                            },
                        )
                    )
            return EntityRecognizer.remove_duplicates(results)  # type: ignore[no-any-return]

    stand_in = WindowedPhoneRecognizer(
        context=recognizer.context,
        supported_language=recognizer.supported_language,
        supported_entity=entity,
        supported_regions=recognizer.supported_regions,
        leniency=recognizer.leniency,
        name=recognizer.name,
    )
    return stand_in, regions
