"""The evaluation items as an inverted index: which n-gram of words stands where in which question, answer or passage.

The evaluation side is small and the rows are many, so the items are indexed, and rows are looked up as they come. Every
word of an item has a weight: how much it says that a text is this item and no other. The words of an n-gram that one
item alone has weigh 1, those of a template that many items share next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.contamination.items import Item
from gate.checks.contamination.words import Numbers, grams, inside, whole, words
from gate.checks.duplicates.tokens import Hashes

PARTS = ("question", "answer", "passage")
QUESTION, ANSWER, PASSAGE = range(3)

_LOAD = 16
"""Slots of the lookup table per n-gram: one n-gram in sixteen that no item has gets past it."""

_BITS = 25
"""Of the largest table (32 MiB, which each worker process has): reached at two million n-grams, some 50,000 items."""


@dataclass(frozen=True, slots=True)
class Index:
    """The items of all evaluation sets. A part is a distinct text of items: equal texts are one part."""

    items: tuple[Item, ...]
    size: int
    """Words per n-gram."""
    part_of: NDArray[np.int64]
    """Items × 3: the part that is its question, answer and passage; -1 where it has none."""
    sharing: NDArray[np.int64]
    """How many items have each part."""
    hashes: Hashes
    """The words of all parts, one after the other."""
    offsets: Numbers
    """Parts + 1."""
    weights: NDArray[np.float64]
    """Running totals of the words' weights, words + 1: the words i to j weigh `weights[j] - weights[i]`."""
    grams: Hashes
    """The n-grams of all parts, distinct and sorted."""
    table: NDArray[np.bool_]
    """Whether any n-gram has these first bits."""
    shift: np.uint64
    postings: Numbers
    """N-grams + 1: where each one's entries in `places` begin. Those of too many parts have none."""
    places: NDArray[np.int64]
    """Positions in `hashes` at which an n-gram begins."""
    frequency: NDArray[np.int64]
    """In how many parts each n-gram stands."""
    wholes: Hashes
    """One hash per part of all its words, sorted."""
    whole_parts: Numbers
    """The parts in that order."""

    @property
    def lengths(self) -> Numbers:
        """Words per part."""
        return np.diff(self.offsets)

    def part_at(self, places: Numbers) -> Numbers:
        """The part in which a word stands."""
        return np.searchsorted(self.offsets, places, side="right") - 1


def build(items: Sequence[Item], size: int, common: int) -> Index:
    """The index of some items.

    Args:
        size: words per n-gram.
        common: in how many parts an n-gram may stand; one that stands in more weighs nothing and is not looked for.
    """
    texts = pl.Series([text for item in items for text in item.parts], dtype=pl.String)
    read = words(texts)
    counts = np.diff(read.offsets)
    present = np.flatnonzero(counts)
    keys = whole(read.hashes, read.offsets[:-1][present], counts[present])
    _, first, part = np.unique(keys, return_index=True, return_inverse=True)
    part_of = np.full(len(texts), -1, dtype=np.int64)
    part_of[present] = part
    kept = present[first]
    hashes = np.concatenate([read.hashes[:0], *(read.hashes[read.offsets[at] : read.offsets[at + 1]] for at in kept)])
    offsets = np.concatenate(([0], np.cumsum(counts[kept]))).astype(np.int64)
    by_item = part_of.reshape(-1, len(PARTS))
    # An item that comes twice, in one set or in two, shares nothing with itself.
    distinct = np.unique(by_item, axis=0)
    times = np.bincount(distinct[distinct >= 0], minlength=kept.size)

    places = np.flatnonzero(inside(offsets, size))
    values = grams(hashes, size)[places]
    order = np.argsort(values, kind="stable")  # the places of an n-gram stay in order, and so those of a part together
    values, places = values[order], places[order]
    fresh = np.ones(values.size, dtype=bool)
    fresh[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(fresh)
    holder = np.searchsorted(offsets, places, side="right") - 1
    another = fresh.copy()
    another[1:] |= holder[1:] != holder[:-1]
    frequency = np.add.reduceat(another.astype(np.int64), starts) if starts.size else np.zeros(0, dtype=np.int64)
    times_each = np.diff(np.concatenate((starts, [values.size])))
    unique = values[starts]
    rarity = _rarity(frequency, kept.size)
    rarity[frequency > common] = 0.0
    weights = _weights(offsets, places, np.repeat(rarity, times_each), size)

    rare = frequency <= common
    postings = np.concatenate(([0], np.cumsum(np.where(rare, times_each, 0))))
    bits = min(max(10, int(unique.size * _LOAD - 1).bit_length()), _BITS)
    shift = np.uint64(64 - bits)
    table = np.zeros(1 << bits, dtype=bool)
    table[(unique[rare] >> shift).astype(np.int64)] = True
    return Index(
        items=tuple(items),
        size=size,
        part_of=by_item,
        sharing=times,
        hashes=hashes,
        offsets=offsets,
        weights=np.concatenate(([0.0], np.cumsum(weights))),
        grams=unique,
        table=table,
        shift=shift,
        postings=postings.astype(np.int64),
        places=places[np.repeat(rare, times_each)],
        frequency=frequency,
        wholes=keys[first],
        whole_parts=np.arange(kept.size),  # np.unique gave the parts in the order of their hashes
    )


def _rarity(frequency: NDArray[np.int64], parts: int) -> NDArray[np.float64]:
    """The inverse document frequency of BM25 (Robertson and Zaragoza 2009, in the form that is never negative), as a
    share of that of an n-gram with a single part."""
    rarest = np.log1p((parts - 0.5) / 1.5)
    return np.asarray(np.log1p((parts - frequency + 0.5) / (frequency + 0.5)) / rarest)


def _weights(offsets: Numbers, places: Numbers, rarity: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The weight of every word: the mean rarity of the n-grams that it is part of; 1 in a part too short for any."""
    total, number = np.zeros(int(offsets[-1]) + size), np.zeros(int(offsets[-1]) + size)
    for step in range(size):  # no place comes twice
        total[places + step] += rarity
        number[places + step] += 1
    return np.where(number > 0, total / np.maximum(number, 1), 1.0)[: int(offsets[-1])]
