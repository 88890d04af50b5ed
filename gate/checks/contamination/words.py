"""Texts as hashed words, folded so that case, punctuation and white space make no difference."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.tokens import Hashes, Tokens, mix, tokens

Numbers = NDArray[np.int64]

_LINE_OR_SIGN = r"[\n\x1c-\x1f]"
"""What ends a text for the tokeniser, or is a sign to it; here it is white space."""


def words(texts: pl.Series) -> Tokens:
    """The words of each text; a null text has none.

    Whatever is no letter, mark, digit or `_` only separates words, so that `Janet's`, `JANET’S` and `janet  s` are the
    same two words.
    """
    plain = texts.str.len_bytes() == texts.str.len_chars()
    lower = texts.str.to_lowercase() if plain.all() else texts.str.normalize("NFC").str.to_lowercase()
    return tokens(lower.str.replace_all(_LINE_OR_SIGN, " "))


def grams(hashes: Hashes, size: int) -> Hashes:
    """The hash of every `size` words in a row, across texts: as many as words, less `size - 1`."""
    total = max(0, hashes.size - size + 1)
    factors = _factors(size)
    values = np.zeros(total, dtype=np.uint64)
    for position in range(size if total else 0):
        values += hashes[position : position + total] * factors[position]
    return mix(values)


def inside(offsets: Numbers, size: int) -> NDArray[np.bool_]:
    """Which of the `grams` lie within one text."""
    total = max(0, int(offsets[-1]) - size + 1)
    crosses = np.zeros(total + 1, dtype=bool)
    # Of the n-grams, those that begin on one of the last `size - 1` words of a text reach into the next.
    for back in range(1, size):
        last = offsets[1:] - back
        crosses[last[(last >= 0) & (last < total)]] = True
    return ~crosses[:total]


def whole(hashes: Hashes, starts: Numbers, lengths: Numbers) -> Hashes:
    """One hash for all the words of some texts, each of one word or more."""
    total = int(lengths.sum())
    before = np.cumsum(lengths) - lengths
    within = np.arange(total) - np.repeat(before, lengths)
    factors = _factors(int(lengths.max(initial=0)))
    terms = hashes[np.repeat(starts, lengths) + within] * factors[within]
    return mix(np.add.reduceat(terms, before) + lengths.astype(np.uint64)) if total else np.empty(0, dtype=np.uint64)


def _factors(size: int) -> Hashes:
    """A random odd factor per position, the same in every process."""
    generator = np.random.default_rng(5)
    return generator.integers(0, 2**63, size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
