"""Scorer of answers that are to be JSON: whether it is JSON at all, and whether it says the same as the right one."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from gate.evaluation.scorers_text import output_of
from gate.evaluation.task import Sample, Scorer
from gate.evaluation.task_document import Metric

NAME = "json@1"


def json_match(sample: Sample) -> Mapping[str, float]:
    """`json_equal`: what was said is JSON, and the same value as the right answer (whatever the order of keys and the
    spacing; 1 is 1.0); `json_valid`: it is JSON and nothing else (text around it, or a code fence, is not)."""
    valid, said = parsed(output_of(sample))
    known, wanted = parsed(sample.target)
    return {"json_equal": float(valid and known and equal(said, wanted)), "json_valid": float(valid)}


def parsed(text: str) -> tuple[bool, object]:
    """Whether a text is JSON, and its value."""
    try:
        return True, orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return False, None


def is_structure(text: str) -> bool:
    """Whether a text is a JSON object or list: a bare number or word is JSON too, and nobody means it."""
    return text.lstrip()[:1] in ("{", "[") and parsed(text)[0]


def equal(first: object, second: object) -> bool:
    """Whether two values of JSON are the same; True is not 1. Without recursion: depth comes from a model."""
    left: list[tuple[object, object]] = [(first, second)]
    while left:
        one, other = left.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            left += [(one[key], other[key]) for key in one]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            left += zip(one, other, strict=True)
        elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
            return False
    return True


JSON_SCORERS: Mapping[str, tuple[Scorer, tuple[Metric, ...]]] = {
    NAME: (
        json_match,
        (
            Metric(name="json_equal", binary=True, scorer=NAME),
            Metric(name="json_valid", binary=True, scorer=NAME),
        ),
    )
}
"""By name and version: what computes it, and its metrics."""
