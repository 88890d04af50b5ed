"""What runs in the worker process: an analyzer per set of parameters, what it needs to look at, and its findings.

What is found is what `AnalyzerEngine.analyze(text, language, entities=[entity], score_threshold=score)` finds for
each entity, together. One call with all entities and the weakest threshold, filtered afterwards, gives the same,
because Presidio judges duplicates per entity and drops a result only for one that scores at least as high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gate.checks.presidio.engine import LazyArtifacts, Setup, build
from gate.checks.presidio.imports import SwallowedFailures, import_presidio
from gate.checks.presidio.phone_recognizer import windowed
from gate.checks.presidio.phones import Regions
from gate.checks.presidio.prefilter import attainable, patterns_of

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerResult

LANE = "presidio"
"""The worker that runs the default engine. Engines with a model have one of their own, since they import torch; so the
imports of this one may begin before anything else is known."""

LONG = 10_000
"""Characters from which a text is looked through in windows: Presidio compares each finding of a text with each other
one, so that 100 kB of addresses would take minutes."""
MARGIN = 1_000
"""Characters on each side that a window sees beyond its own: longer than any value and the words that it is told by."""

Span = tuple[int, int, int, str, float]
"""Which text, first character, character behind the last, entity, score."""


@dataclass(frozen=True, slots=True)
class Filter:
    """In which texts an entity can be found at all."""

    everywhere: bool = False
    """Nothing is known: look at every text."""
    patterns: tuple[str, ...] = ()
    """Rust regexes, at least one of which matches wherever a recogniser finds something."""
    phones: Regions | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the caller needs to know before it sends texts."""

    filters: dict[str, Filter]
    """Per entity."""
    unsupported: tuple[str, ...]
    """Entities that no recogniser of this engine and language looks for."""
    supported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Analyzer:
    """An engine that has its stand-ins in place, and the plan for it."""

    engine: AnalyzerEngine
    failures: SwallowedFailures
    plan: Plan
    floors: dict[str, float]

    def spans(self, text: str, language: str, entities: Sequence[str]) -> list[tuple[int, int, str, float]]:
        """Findings in one text, in Presidio's order; in a long one, window by window."""
        if len(text) <= LONG:
            return self._spans(text, language, entities)
        found = []
        for core in range(0, len(text), LONG):
            start, end = max(0, core - MARGIN), min(len(text), core + LONG + MARGIN)
            found += [
                (first + start, last + start, entity, score)
                for first, last, entity, score in self._spans(text[start:end], language, entities)
                if core <= first + start < core + LONG
            ]
        return found

    def _spans(self, text: str, language: str, entities: Sequence[str]) -> list[tuple[int, int, str, float]]:
        results: list[RecognizerResult] = self.engine.analyze(
            text,
            language,
            entities=list(entities),
            score_threshold=0.0,
            nlp_artifacts=LazyArtifacts(self.engine.nlp_engine, text, language),
        )
        return [
            (result.start, result.end, result.entity_type, float(result.score))
            for result in results
            if result.score >= self.floors.get(result.entity_type, 2.0)  # an entity nobody asked for has no floor
        ]


@lru_cache(maxsize=4)
def _analyzer(setup: Setup) -> Analyzer:
    engine, failures = build(setup)  # first: it imports Presidio, without torch where no model is asked for
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

    floors = dict(setup.scores)

    class PatientEnhancer(LemmaContextAwareEnhancer):  # type: ignore[misc]  # presidio has no types
        """Looks for context words only where they decide: not for a result that is certain, nor for one that stays
        below its floor with them."""

        def enhance_using_context(  # type: ignore[no-untyped-def]
            self, text, raw_results, nlp_artifacts, recognizers, context=None
        ):
            certain = [result for result in raw_results if result.score >= self.MAX_SCORE]
            open_ = [
                result
                for result in raw_results
                if result.score < self.MAX_SCORE
                and attainable(result.score, self) >= floors.get(result.entity_type, 2.0)
            ]
            if not open_:
                return certain
            return certain + super().enhance_using_context(text, open_, nlp_artifacts, recognizers, context)

    engine.context_aware_enhancer = enhancer = PatientEnhancer()
    recognizers: list[EntityRecognizer] = engine.registry.recognizers
    regions: dict[int, Regions] = {}
    for position, recognizer in enumerate(recognizers):
        stand_in = windowed(recognizer)
        if stand_in is not None:
            recognizers[position], regions[position] = stand_in
    filters: dict[str, Filter] = {}
    for entity, floor in setup.scores:
        everywhere, patterns, phones = False, [], None
        for position, recognizer in enumerate(recognizers):
            if entity not in recognizer.supported_entities or recognizer.supported_language != setup.language:
                continue
            if position in regions:
                if attainable(recognizer.SCORE, enhancer) >= floor:
                    phones = regions[position]
                continue
            known = patterns_of(recognizer, enhancer, floor)
            everywhere |= known is None
            patterns += known or []
        filters[entity] = Filter(everywhere, tuple(patterns), phones)
    supported = {
        entity
        for recognizer in recognizers
        if recognizer.supported_language == setup.language
        for entity in recognizer.supported_entities
    }
    unsupported = tuple(sorted(floors.keys() - supported))
    return Analyzer(engine, failures, Plan(filters, unsupported, tuple(sorted(supported))), floors)


def begin() -> None:
    """Import Presidio."""
    import_presidio(with_models=False)


def plan(setup: Setup) -> Plan:
    """Which entities can be found where; builds the analyzer."""
    return _analyzer(setup).plan


def analyze(
    setup: Setup, texts: Sequence[str], entities: Sequence[Sequence[str]]
) -> tuple[list[Span], list[tuple[int, str]]]:
    """Findings in some texts, each looked through for its own entities.

    Returns:
        the findings, and (text, entity) where Presidio failed: what it would have found there nobody knows.
    """
    analyzer = _analyzer(setup)
    found: list[Span] = []
    failed: list[tuple[int, str]] = []
    # Row by row because Presidio works on one text; only those that the prefilter let through come here.
    for position, (text, wanted) in enumerate(zip(texts, entities, strict=True)):
        spans = _guarded(analyzer, text, setup.language, wanted)
        if spans is None:
            spans = []
            for entity in wanted:  # so that the others are still looked for
                alone = _guarded(analyzer, text, setup.language, [entity])
                if alone is None:
                    failed.append((position, entity))
                spans += alone or []
        found += [(position, *span) for span in spans]
    return found, failed


def _guarded(
    analyzer: Analyzer, text: str, language: str, entities: Sequence[str]
) -> list[tuple[int, int, str, float]] | None:
    """Findings, or None where Presidio raised or swallowed a failure."""
    analyzer.failures.taken()
    try:
        spans = analyzer.spans(text, language, entities)
    except Exception:  # noqa: BLE001  # a recogniser may raise anything on odd text, and its message may quote the text
        return None
    return None if analyzer.failures.taken() else spans
