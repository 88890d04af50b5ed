"""Which regular expressions decide whether a recogniser can find anything in a text.

For a recogniser that does nothing but apply its patterns, the relaxed patterns do. For any other, and for code that
has changed since this was written, the answer is that nothing is known, and it runs on every text.
"""

from __future__ import annotations

import hashlib
import inspect
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

from gate.checks.presidio.relax import relaxed

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer

KNOWN = {"pattern": {"08c6e93041dc70a3"}, "iban": {"b685880df025d97c"}}
"""Fingerprints of the code that applies patterns and was read for this: every finding is a match of a pattern, or the
beginning of one."""


@lru_cache(maxsize=1)
def fingerprints() -> dict[str, str]:
    """Of the installed code, to compare with `KNOWN`."""
    from presidio_analyzer import PatternRecognizer
    from presidio_analyzer.predefined_recognizers import IbanRecognizer

    return {
        name: _digest(kind.analyze, getattr(kind, f"_{kind.__name__}__analyze_patterns"))
        for name, kind in (("pattern", PatternRecognizer), ("iban", IbanRecognizer))
    }


def _digest(*functions: object) -> str:
    code = "\x00".join(inspect.getsource(function) for function in functions)  # type: ignore[arg-type]
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def attainable(score: float, enhancer: ContextAwareEnhancer) -> float:
    """The most that context words make of a score (LemmaContextAwareEnhancer.enhance_using_context)."""
    raised = max(score + enhancer.context_similarity_factor, enhancer.min_score_with_context_similarity)
    return float(min(raised, enhancer.MAX_SCORE))


def patterns_of(recognizer: EntityRecognizer, enhancer: ContextAwareEnhancer, floor: float) -> list[str] | None:
    """Rust regexes, one of which matches every text in which the recogniser finds something that scores `floor`.

    Returns:
        none at all where no pattern can score as much; None where nothing is known of the recogniser.
    """
    from presidio_analyzer import EntityRecognizer, PatternRecognizer
    from presidio_analyzer.predefined_recognizers import IbanRecognizer

    kind = type(recognizer)
    found = fingerprints()
    if not isinstance(recognizer, PatternRecognizer) or kind.enhance_using_context is not (
        EntityRecognizer.enhance_using_context
    ):
        return None
    applies = {PatternRecognizer.analyze: "pattern", IbanRecognizer.analyze: "iban"}.get(kind.analyze)
    if applies is None or found[applies] not in KNOWN[applies]:
        return None
    validates = kind.validate_result is not PatternRecognizer.validate_result  # a valid match scores 1
    patterns = []
    for pattern in recognizer.patterns:
        best = 1.0 if validates else attainable(pattern.score, enhancer) if recognizer.context else pattern.score
        if best < floor:
            continue
        rust = relaxed(pattern.regex, int(recognizer.global_regex_flags))
        if rust is None or not _compiles(rust):
            return None
        patterns.append(rust)
    return patterns


def _compiles(pattern: str) -> bool:
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError:
        return False
    return True
