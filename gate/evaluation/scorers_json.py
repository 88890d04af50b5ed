"""Scorers of answers that are to be JSON, or calls of tools: whether it is, and whether it says the right thing."""

from __future__ import annotations

import json
from collections.abc import Mapping

import orjson

from gate.evaluation.scorers_text import output_of
from gate.evaluation.task import Sample, Scorer
from gate.evaluation.task_document import Metric

NAME = "json@1"
CALLS = "calls@1"


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


def calls_match(sample: Sample) -> Mapping[str, float]:
    """`calls_equal`: the calls in what was said are those of the right answer, in their order, by name and arguments;
    `calls_names`: their names are."""
    said, wanted = calls_in(output_of(sample)), calls_in(sample.target)
    names = [name for name, _ in wanted]
    return {
        "calls_equal": float(bool(wanted) and equal([list(each) for each in said], [list(each) for each in wanted])),
        "calls_names": float(bool(wanted) and [name for name, _ in said] == names),
    }


def calls_in(text: str) -> list[tuple[str, object]]:
    """Name and arguments of every call of a tool in a text, whatever stands around the JSON: templates mark calls
    differently. Arguments that came as the JSON text of an object count as that object."""
    decoder = json.JSONDecoder()
    found: list[tuple[str, object]] = []
    at, tried = 0, 0
    while (start := next((place for place in range(at, len(text)) if text[place] in "{["), None)) is not None:
        try:
            value, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            at, tried = start + 1, tried + 1
            if tried == _MOST_TRIES:
                break
            continue
        found += [call for each in (value if isinstance(value, list) else [value]) if (call := _call(each))]
    return found


def _call(value: object) -> tuple[str, object] | None:
    if isinstance(value, dict) and isinstance(inner := value.get("function"), dict):
        value = inner
    if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        valid, read = parsed(arguments)
        arguments = read if valid else arguments
    return name, arguments


_MOST_TRIES = 200
"""Brackets that begin nothing: what has more of them is no call, and would take time that grows with its square."""

JSON_SCORERS: Mapping[str, tuple[Scorer, tuple[Metric, ...]]] = {
    NAME: (
        json_match,
        (
            Metric(name="json_equal", binary=True, scorer=NAME),
            Metric(name="json_valid", binary=True, scorer=NAME),
        ),
    ),
    CALLS: (
        calls_match,
        (
            Metric(name="calls_equal", binary=True, scorer=CALLS),
            Metric(name="calls_names", binary=True, scorer=CALLS),
        ),
    ),
}
"""By name and version: what computes it, and its metrics."""
