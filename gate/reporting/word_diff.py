"""What two nearly identical texts have in common and what not, word by word, for showing them side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_CONTEXT = 24  # tokens (words, spaces and marks) of common text shown on either side of a difference
_MIDDLE = 600  # tokens compared between the common beginning and the common end; difflib is quadratic


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one side of a diff."""

    kind: Literal["same", "differs", "left_out"]
    text: str
    """For `left_out`: how much was left out, in words."""


@dataclass(frozen=True, slots=True)
class WordDiff:
    """Two texts in stretches."""

    left: tuple[Run, ...]
    right: tuple[Run, ...]
    identical: bool


def word_diff(left: str, right: str) -> WordDiff:
    """Compare by words with difflib; long common stretches and what lies beyond 600 differing tokens are left out,
    and counted."""
    a, b = _WORD.findall(left), _WORD.findall(right)
    shorter = min(len(a), len(b))
    # Loops over tokens up to the first difference: linear, and they spare difflib the quadratic part.
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    middle_a, middle_b = a[head : len(a) - tail], b[head : len(b) - tail]
    sides: tuple[list[Run], list[Run]] = ([], [])
    _same(sides, a[:head], opens=True, closes=not (middle_a or middle_b or tail))
    matcher = SequenceMatcher(None, middle_a[:_MIDDLE], middle_b[:_MIDDLE], autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag == "equal":
            _same(sides, middle_a[a1:a2])
        else:
            _append(sides[0], "differs", middle_a[a1:a2])
            _append(sides[1], "differs", middle_b[b1:b2])
    for side, middle in zip(sides, (middle_a, middle_b), strict=True):
        if len(middle) > _MIDDLE:
            side.append(Run("left_out", _words(middle[_MIDDLE:], "more")))
    _same(sides, a[len(a) - tail :] if tail else [], closes=True)
    return WordDiff(tuple(sides[0]), tuple(sides[1]), identical=a == b)


def _same(sides: tuple[list[Run], list[Run]], tokens: list[str], *, opens: bool = False, closes: bool = False) -> None:
    """Put a common stretch on both sides, its inside left out where it is long."""
    before = 0 if opens and not closes else _CONTEXT
    after = 0 if closes and not opens else _CONTEXT
    if opens and closes:
        before, after = 4 * _CONTEXT, 0
    for side in sides:
        if len(tokens) <= before + after + _CONTEXT:
            _append(side, "same", tokens)
            continue
        _append(side, "same", tokens[:before])
        side.append(Run("left_out", _words(tokens[before : len(tokens) - after], "the same")))
        _append(side, "same", tokens[len(tokens) - after :] if after else [])


def _append(side: list[Run], kind: Literal["same", "differs"], tokens: list[str]) -> None:
    if tokens:
        side.append(Run(kind, "".join(tokens)))


def _words(tokens: list[str], what: str) -> str:
    count = sum(token[0].isalnum() for token in tokens)
    return f"{count:,} word{'' if count == 1 else 's'} {what}"
