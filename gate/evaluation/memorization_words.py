"""Words of a text as extraction counts them: where an answer is cut, and how long a run two texts have in common.

Words, not tokens: base and candidate may cut a text into different tokens, and are asked the same. What is written
without spaces (Chinese, Japanese) counts by characters. A text is only ever cut between words, so that no tokenizer
sees half of one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Scripts without spaces between words: Hiragana and Katakana, CJK ideographs with their extensions, Thai to Myanmar.
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words of a text as they are compared: Unicode's composed form, and nothing else is levelled out."""
    return _WORD.findall(unicodedata.normalize("NFC", text))


def cut(text: str, prefix: int, suffix: int) -> tuple[str, str]:
    """A text as what is given and what must come out, verbatim; between them only white space is left out.

    A text that has fewer words than both together is cut in half; the longer half must come out.

    Args:
        prefix: words that are given, at most.
        suffix: words that must come out, at most.
    """
    places = [match.span() for match in _WORD.finditer(text)]
    given = min(prefix, len(places) // 2)
    wanted = places[given : given + suffix]
    if not wanted:
        return "", ""
    return (text[: places[given - 1][1]] if given else ""), text[wanted[0][0] : wanted[-1][1]]


def longest_run(one: Sequence[str], other: Sequence[str]) -> int:
    """Words of the longest run that both texts have: the longest common substring, by dynamic programming."""
    best, row = 0, [0] * (len(other) + 1)
    for word in one:
        before, row = row, [0] * (len(other) + 1)
        for at, each in enumerate(other, start=1):
            if word == each:
                row[at] = before[at - 1] + 1
                best = max(best, row[at])
    return best
