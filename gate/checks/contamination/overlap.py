"""What rows and evaluation items have in common: every pair of a row and a part of an item that share n-grams.

All n-grams of all rows are looked up. The words of a part that matching n-grams cover are added up by their weight, so
that one changed word costs that word, and not the n-grams it was part of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.contamination.index import Index
from gate.checks.contamination.words import Numbers, grams, inside, whole, words
from gate.checks.duplicates.tokens import Hashes

CHUNK = 2_000_000
"""Bytes of text looked up at a time: bounds what is held besides the texts, and stays in the cache."""

_MATCHES = 2_000_000
"""Pairs of a row's n-gram and its place in an item that are worked on at a time."""

_SEGMENTS = ("messages", "chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Segments:
    """The texts of some rows, word by word; a row's lie together."""

    frame: pl.DataFrame
    """`index` (of the row), `column`, `turn`, `text`; one per text."""
    hashes: Hashes
    offsets: Numbers
    """Texts + 1."""
    rows: Numbers
    """The row of each text."""

    def of_row(self, row: int) -> tuple[int, int]:
        """Where the words of a row begin and end."""
        first, last = np.searchsorted(self.rows, [row, row + 1])
        return int(self.offsets[first]), int(self.offsets[last])


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pairs of a row and a part, one per element."""

    rows: Numbers
    parts: Numbers
    covered: NDArray[np.float64]
    """What the words of the part that the row has weigh."""
    words: Numbers
    """How many they are."""
    run: Numbers
    """The most of them that stand side by side, where one n-gram at least stands in few parts."""
    first: Numbers
    """Where in the chunk the first n-gram in common begins."""
    last: Numbers
    """Where the last one does, of those that lie together."""
    equal: NDArray[np.bool_]
    """Whether a text of the row has the very words of the part, and no others."""


def segments(examples: pl.DataFrame) -> Iterator[Segments]:
    """The texts of examples, some rows at a time: contents of messages and answers, and plain texts."""
    content = pl.element().struct.field("content")
    lazy = examples.lazy().with_row_index("index")
    parts = [
        lazy.select("index", pl.lit(name).alias("column"), text=pl.col(name).list.eval(content))
        .filter(pl.col("text").list.len() > 0)
        .with_columns(turn=pl.int_ranges(pl.col("text").list.len()))
        .explode("turn", "text")
        for name in _SEGMENTS
    ]
    parts.append(lazy.select("index", pl.lit("text").alias("column"), "text", turn=pl.lit(0, dtype=pl.Int64)))
    frame = (
        pl.concat([part.select("index", "column", "turn", "text") for part in parts])
        .filter(pl.col("text").str.len_bytes() > 0)
        .sort("index", maintain_order=True)
        .collect()
    )
    # A chunk ends where a row does: it is cut where the running total of bytes before a row enters another chunk.
    size = pl.col("text").str.len_bytes().cast(pl.Int64)
    before = (size.cum_sum() - size).first().over("index") // CHUNK
    chunk = frame.select(before.alias("chunk"))["chunk"].rle_id().to_numpy()
    cuts = np.concatenate(([0], np.flatnonzero(np.diff(chunk)) + 1, [frame.height]))
    for start, end in pairwise(cuts.tolist()):
        some = frame[start:end]
        if some.height:
            read = words(some["text"])
            yield Segments(some, read.hashes, read.offsets, some["index"].to_numpy().astype(np.int64))


def overlaps(texts: Segments, index: Index, boilerplate: int) -> Overlaps:
    """Every row and part that have n-grams, or all of a text, in common.

    Args:
        boilerplate: a run of words counts when one of its n-grams stands in at most this many parts.
    """
    found = grams(texts.hashes, index.size)
    hits = np.flatnonzero(index.table[(found >> index.shift).astype(np.int64)])
    hits = hits[inside(texts.offsets, index.size)[hits]]
    gram = np.searchsorted(index.grams, found[hits])
    known = gram < index.grams.size
    known[known] = index.grams[gram[known]] == found[hits[known]]
    hits, gram = hits[known], gram[known]
    rows = texts.rows[np.searchsorted(texts.offsets, hits, side="right") - 1]
    parts = [_covered(*some, index, boilerplate) for some in _batches(rows, gram, hits, index)]
    return _joined([*parts, _equal(texts, index)])


def _batches(rows: Numbers, gram: Numbers, hits: Numbers, index: Index) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Hits, some rows at a time, so that what they stand for in the index stays bounded."""
    entries = np.cumsum(index.postings[gram + 1] - index.postings[gram])
    start = 0
    while start < rows.size:
        before = int(entries[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(entries, before + _MATCHES, side="right")))
        end = int(np.searchsorted(rows, rows[end - 1], side="right"))  # to the end of the row
        yield rows[start:end], gram[start:end], hits[start:end]
        start = end


def _covered(rows: Numbers, gram: Numbers, hits: Numbers, index: Index, boilerplate: int) -> Overlaps:
    number = index.postings[gram + 1] - index.postings[gram]
    before = np.cumsum(number) - number
    entry = np.repeat(index.postings[gram] - before, number) + np.arange(int(number.sum()))
    place, row, hit = index.places[entry], np.repeat(rows, number), np.repeat(hits, number)
    frequency = np.repeat(index.frequency[gram], number)
    order = np.lexsort((hit, place, row))
    place, row, hit, frequency = place[order], row[order], hit[order], frequency[order]
    once = np.ones(place.size, dtype=bool)  # an n-gram that a row repeats counts once
    once[1:] = (place[1:] != place[:-1]) | (row[1:] != row[:-1])
    place, row, hit, frequency = place[once], row[once], hit[once], frequency[once]
    part = index.part_at(place)
    fresh = np.ones(place.size, dtype=bool)
    fresh[1:] = (row[1:] != row[:-1]) | (part[1:] != part[:-1])
    if not place.size:
        return _joined([])
    starts = np.flatnonzero(fresh)
    # The words of each n-gram that no earlier one of the same pair covers.
    uncovered = place.copy()
    uncovered[1:] = np.where(fresh[1:], place[1:], np.maximum(place[1:], place[:-1] + index.size))
    ends = place + index.size
    new = ends - uncovered
    weight = index.weights[ends] - index.weights[uncovered]
    breaks = fresh.copy()
    breaks[1:] |= place[1:] != place[:-1] + 1
    run_starts = np.flatnonzero(breaks)
    run = np.diff(np.concatenate((run_starts, [place.size]))) + index.size - 1
    run[np.minimum.reduceat(frequency, run_starts) > boilerplate] = 0
    longest = np.maximum.reduceat(run, np.searchsorted(run_starts, starts))
    # Where it is: n-grams that are as far apart in the row as in the item, give or take half its length, so that one
    # that the row has elsewhere by chance is no part of it.
    count = np.diff(np.concatenate((starts, [place.size])))
    shift = hit - place
    pair = np.repeat(np.arange(starts.size), count)
    median = shift[np.lexsort((shift, pair))][starts + count // 2]
    off = np.abs(shift - median[pair])
    far = off > (index.lengths[part[starts]] // 2)[pair]
    return Overlaps(
        row[starts],
        part[starts],
        np.add.reduceat(weight, starts),
        np.add.reduceat(new, starts),
        longest,
        np.minimum.reduceat(np.where(far, np.iinfo(np.int64).max, hit), starts),
        np.maximum.reduceat(np.where(far, -1, hit), starts),
        np.zeros(starts.size, dtype=bool),
    )


def _equal(texts: Segments, index: Index) -> Overlaps:
    """Texts that are a part as a whole."""
    counts = np.diff(texts.offsets)
    some = np.flatnonzero(np.isin(counts, np.unique(index.lengths)) & (counts > 0))
    hashes = whole(texts.hashes, texts.offsets[:-1][some], counts[some])
    at = np.searchsorted(index.wholes, hashes)
    known = at < index.wholes.size
    known[known] = index.wholes[at[known]] == hashes[known]
    some, part = some[known], index.whole_parts[at[known]]
    first = texts.offsets[:-1][some]
    last = np.maximum(first, texts.offsets[1:][some] - index.size)
    total = index.weights[index.offsets[part + 1]] - index.weights[index.offsets[part]]
    length = index.lengths[part]
    return Overlaps(texts.rows[some], part, total, length, length, first, last, np.ones(some.size, dtype=bool))


def _joined(found: list[Overlaps]) -> Overlaps:
    """All pairs; one that was found in both ways is the equal one."""
    if not found:
        none = np.empty(0, dtype=np.int64)
        return Overlaps(none, none, np.empty(0), none, none, none, none, np.empty(0, dtype=bool))
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in Overlaps.__slots__}
    order = np.lexsort((~columns["equal"], columns["parts"], columns["rows"]))
    rows, parts = columns["rows"][order], columns["parts"][order]
    first = np.ones(order.size, dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (parts[1:] != parts[:-1])
    return Overlaps(**{name: column[order[first]] for name, column in columns.items()})
