"""Scorer of instructions about form: whether an answer has so many words, is in upper case, ends with a given text.

An item says in `checks` what has to hold, a list of objects: `{"check": "words", "at_least": 3, "at_most": 5}`. Fields
that are null count as not there. What an answer is worth is decided by the form alone, never by what it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gate.evaluation.scorers_json import is_structure
from gate.evaluation.scorers_text import output_of
from gate.evaluation.task import Sample, Scorer
from gate.evaluation.task_document import Metric

NAME = "format@1"
FIELD = "checks"

_SENTENCE = re.compile(r"[^.!?…。！？]*[^\W_][^.!?…。！？]*")
_BULLET = re.compile(r"^\s*[-*•]\s+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*\d{1,3}[.)]\s+\S", re.MULTILINE)

Counted = Literal["words", "characters", "lines", "sentences", "paragraphs", "bullets", "numbered"]
_COUNTS: Mapping[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "characters": lambda text: len(text.strip()),
    "lines": lambda text: sum(1 for line in text.splitlines() if line.strip()),
    "sentences": lambda text: len(_SENTENCE.findall(text)),
    "paragraphs": lambda text: sum(1 for part in re.split(r"\n\s*\n", text) if part.strip()),
    "bullets": lambda text: len(_BULLET.findall(text)),
    "numbered": lambda text: len(_NUMBERED.findall(text)),
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "starts_with": lambda text, part: text.strip().startswith(part),
    "ends_with": lambda text, part: text.strip().endswith(part),
    "contains": lambda text, part: part in text,
    "omits": lambda text, part: part not in text,
    "equals": lambda text, part: text.strip() == part,
    "matches": lambda text, part: matches(text.strip(), part),
}
_WHOLE: Mapping[str, Callable[[str], bool]] = {
    "uppercase": lambda text: text.isupper(),
    "lowercase": lambda text: text.islower(),
    "digits": lambda text: text.strip().isdecimal(),
    "ascii": lambda text: text.isascii(),
    "json": lambda text: is_structure(text),
    "quoted": lambda text: len(text.strip()) > 1 and text.strip()[0] == text.strip()[-1] == '"',
}
CHECKS = frozenset({*_COUNTS, *_TEXTS, *_WHOLE})


class Check(BaseModel):
    """What has to hold of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    check: str
    exactly: int | None = Field(None, ge=0)
    at_least: int | None = Field(None, ge=0)
    at_most: int | None = Field(None, ge=0)
    text: str | None = None
    """Of `starts_with`, `ends_with`, `contains`, `omits`, `equals`; of `matches` a regular expression (Rust's, which
    takes linear time) that the whole answer has to match."""

    @model_validator(mode="after")
    def _fits(self) -> Check:
        if self.check not in CHECKS:
            raise PydanticCustomError("check", "there is no check of that name; the checks are {known}",
                                      {"known": ", ".join(sorted(CHECKS))})  # fmt: skip
        counted = any(each is not None for each in (self.exactly, self.at_least, self.at_most))
        if counted is not (self.check in _COUNTS):
            raise PydanticCustomError("count", "`exactly`, `at_least` and `at_most` go with what is counted")
        if (self.text is not None) is not (self.check in _TEXTS):
            raise PydanticCustomError("text", "`text` goes with checks that look for one")
        if self.check in _TEXTS and not self.text:
            raise PydanticCustomError("text", "`text` is empty")
        if self.check == "matches":
            matches("", self.text or "")
        return self

    def holds(self, text: str) -> bool:
        """Of an answer; of an empty one nothing holds."""
        if not text.strip():
            return False
        if self.check in _COUNTS:
            count = _COUNTS[self.check](text)
            least = self.exactly if self.exactly is not None else self.at_least or 0
            most = self.exactly if self.exactly is not None else self.at_most
            return count >= least and (most is None or count <= most)
        if self.check in _TEXTS:
            return _TEXTS[self.check](text, self.text or "")
        return _WHOLE[self.check](text)


def matches(text: str, pattern: str) -> bool:
    """Whether a pattern matches the whole of a text. Rust's expressions: linear time, whatever a model says.

    Raises:
        ValueError: it is no regular expression.
    """
    import polars as pl

    try:
        return bool(pl.Series([text]).str.contains(rf"\A(?:{pattern})\z", strict=True)[0])
    except pl.exceptions.PolarsError:
        raise ValueError("it is no regular expression (Rust's: without look-around)") from None


def checks_of(doc: Mapping[str, object]) -> list[Check]:
    """What an item demands.

    Raises:
        ValueError: it demands nothing, or something that there is not.
    """
    found = doc.get(FIELD)
    if not isinstance(found, list) or not found:
        raise ValueError(f"`{FIELD}` is no list of checks")
    made = []
    for each in found:
        if not isinstance(each, Mapping):
            raise ValueError(f"`{FIELD}` holds something that is no object")
        try:
            made.append(Check.model_validate({key: value for key, value in each.items() if value is not None}))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (FIELD, *first["loc"]))
            raise ValueError(f"{place}: {first['msg']}") from None
    return made


def form(sample: Sample) -> Mapping[str, float]:
    """`followed`: all that the item's `checks` demand holds of the answer; `followed_share`: the share that does (as
    Zhou et al. 2023, IFEval, section 2.2: prompt-level and instruction-level, strict).

    Raises:
        ValueError: the item demands nothing, or something that there is not.
    """
    held = [check.holds(output_of(sample)) for check in checks_of(sample.doc)]
    return {"followed": float(all(held)), "followed_share": sum(held) / len(held)}


FORMAT_SCORERS: Mapping[str, tuple[Scorer, tuple[Metric, ...]]] = {
    NAME: (
        form,
        (
            Metric(name="followed", binary=True, scorer=NAME),
            Metric(name="followed_share", binary=False, scorer=NAME),
        ),
    )
}
"""By name and version: what computes it, and its metrics."""
