"""Turns texts into shingles: hashed n-grams of words, as flat arrays.

A shingle is a 64-bit number. Two different shingles are the same number with a probability of 2⁻⁶⁴; over n
shingles some two are with at most n²·2⁻⁶⁵ (for 10⁸ of them, the shingles of a million rows: 0.03 %), and a
Jaccard index moves by one shingle where it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.tokens import Hashes, Offsets, mix, tokens

CHUNK = 2_000_000
"""Bytes of text that are tokenised at a time: bounds what is held besides text and shingles."""


@dataclass(frozen=True, slots=True)
class Shingles:
    """The shingles of some texts, repeats included, in the order of the text."""

    values: Hashes
    offsets: Offsets
    """Length texts + 1: the shingles of text i are `values[offsets[i]:offsets[i + 1]]`; an empty text has none."""
    whole: NDArray[np.bool_]
    """The texts with fewer words than a shingle: their one shingle is the hash of the folded text as a whole."""

    @property
    def counts(self) -> Offsets:
        return np.diff(self.offsets)


def chunks(texts: pl.Series) -> Iterator[pl.Series]:
    """The texts in parts of about `CHUNK` bytes, in order; one empty part where there are none."""
    sizes = texts.str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    start = 0
    while start < len(texts):
        before = int(sizes[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(sizes, before + CHUNK, side="right")))
        yield texts[start:end]
        start = end
    if not len(texts):
        yield texts


def shingle(texts: pl.Series, size: int) -> Shingles:
    """The shingles of `size` words of each of some folded texts; null and empty ones have none.

    Some megabytes of them at a time (`chunks`): a few arrays of a number per byte are held.
    """
    words = tokens(texts)
    counts = np.diff(words.offsets)
    present = texts.str.contains(r"[^\x1e\x1f]").fill_null(False).to_numpy()
    whole = present & (counts < size)
    number = np.where(counts >= size, counts - size + 1, whole.astype(np.int64))
    offsets = np.concatenate(([0], np.cumsum(number)))
    values = np.empty(int(offsets[-1]), dtype=np.uint64)
    grams = _grams(words.hashes, size)
    # The n-grams that begin at a word with `size - 1` words of the same text after it.
    long_rows = counts >= size
    lengths = counts[long_rows]
    starts = words.offsets[:-1][long_rows]
    change = np.zeros(grams.size + size + 1, dtype=np.int8)
    change[starts] += 1
    change[starts + lengths - size + 1] -= 1
    inside = np.cumsum(change, dtype=np.int8)[: grams.size].astype(bool)
    of_grams = np.repeat(~whole[number > 0], number[number > 0])
    values[of_grams] = grams[inside]
    values[~of_grams] = texts.filter(pl.Series(whole)).hash(seed=size).to_numpy()
    return Shingles(values, offsets, whole)


def _grams(hashes: Hashes, size: int) -> Hashes:
    """The hash of every `size` words in a row, across texts: a sum with a random odd factor per position."""
    total = max(0, hashes.size - size + 1)
    factors = np.random.default_rng(size).integers(0, 2**63, size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    grams = np.zeros(total, dtype=np.uint64)
    for position in range(size if total else 0):
        grams += hashes[position : position + total] * factors[position]
    return mix(grams)
