"""What two nearly identical texts have in common and what not, word by word, for showing them side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Scripts written without spaces (Thai to Khmer, kana, Han): each character counts as a word."""
_WORD = re.compile(rf"\s+|(?:[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s])\s*")
_CONTEXT = 12  # words of common text shown on either side of a difference
_MIDDLE = 400  # words compared between the common beginning and the common end; difflib is quadratic


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
    """The words are the same; the space between them need not be."""


def word_diff(left: str, right: str) -> WordDiff:
    """Compare by words with difflib, white space aside. Long common stretches are left out and counted, and so is what
    lies beyond the first 400 words that are not in common."""
    a, b = _WORD.findall(left), _WORD.findall(right)
    words_a, words_b = [token.strip() for token in a], [token.strip() for token in b]
    shorter = min(len(a), len(b))
    # Loops over words up to the first difference: linear, and they spare difflib the quadratic part.
    head = next((i for i in range(shorter) if words_a[i] != words_b[i]), shorter)
    tail = next((i for i in range(shorter - head) if words_a[-1 - i] != words_b[-1 - i]), shorter - head)
    end_a, end_b = len(a) - tail, len(b) - tail
    stop_a, stop_b = min(end_a, head + _MIDDLE), min(end_b, head + _MIDDLE)
    identical = words_a == words_b
    sides: tuple[list[Run], list[Run]] = ([], [])

    def same(a1: int, a2: int, b1: int, b2: int, *, before: int = _CONTEXT, after: int = _CONTEXT) -> None:
        _same(sides[0], a[a1:a2], before, after)
        _same(sides[1], b[b1:b2], before, after)

    same(0, head, 0, head, before=8 * _CONTEXT if identical else 0, after=0 if identical else _CONTEXT)
    matcher = SequenceMatcher(None, words_a[head:stop_a], words_b[head:stop_b], autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        a1, a2, b1, b2 = a1 + head, a2 + head, b1 + head, b2 + head
        if tag == "equal":
            same(a1, a2, b1, b2)
        else:
            _append(sides[0], "differs", a[a1:a2])
            _append(sides[1], "differs", b[b1:b2])
    _left_out(sides[0], a[stop_a:end_a], "more")
    _left_out(sides[1], b[stop_b:end_b], "more")
    same(end_a, len(a), end_b, len(b), after=0)
    return WordDiff(tuple(sides[0]), tuple(sides[1]), identical)


def _same(side: list[Run], tokens: list[str], before: int, after: int) -> None:
    """Put a common stretch on a side, its inside left out where it is long."""
    if len(tokens) <= before + after + _CONTEXT:
        _append(side, "same", tokens)
        return
    _append(side, "same", tokens[:before])
    _left_out(side, tokens[before : len(tokens) - after], "the same")
    _append(side, "same", tokens[len(tokens) - after :])


def _append(side: list[Run], kind: Literal["same", "differs"], tokens: list[str]) -> None:
    if tokens:
        side.append(Run(kind, "".join(tokens)))


def _left_out(side: list[Run], tokens: list[str], what: str) -> None:
    count = sum(token[0].isalnum() for token in tokens)
    if tokens:
        side.append(Run("left_out", f"{count:,} word{'' if count == 1 else 's'} {what}"))
