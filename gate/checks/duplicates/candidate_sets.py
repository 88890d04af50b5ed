"""The sets of shingles of candidates: from an earlier run where it has had the very same row before it, else from
the texts, which are fetched a few shards at a time from where the corpus keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.base import Memo
from gate.checks.duplicates.content import Key, compared_text
from gate.checks.duplicates.near import Rows, Sets, SetsOf
from gate.checks.duplicates.shingles import chunks, shingle
from gate.checks.duplicates.tokens import Offsets
from gate.checks.duplicates.verification import distinct
from gate.data.corpus import Corpus
from gate.data.side_by_side import side_by_side
from gate.data.views import Frames

AT_A_TIME = 16_000_000
"""Characters of candidates that are fetched at a time, or those of one shard when that has more."""
PASSED_AT_A_TIME = 64_000_000
"""Characters of the shards that candidates are fetched from at a time: a text keeps the memory of its shard alive."""
REMEMBERED = 8_000_000
"""Shingles that are kept for the next run (64 MB)."""

_COPIED = 1_000_000
"""Shingles that are packed at a time."""

_COLUMNS = ("kind", "messages", "chosen", "rejected", "text")
"""What `compared_text` looks at."""
_NOTHING = np.empty(0, dtype=np.int64)


def sets_of_texts(fetch: Callable[[Rows], Iterable[pl.Series]], size: int, threads: int = 1) -> SetsOf:
    """Gives the sets of rows whose folded texts `fetch` gives, some at a time.

    Args:
        size: words in a shingle.
        threads: that shingle side by side.
    """

    def of_part(texts: pl.Series) -> Sets:
        found = shingle(texts, size)
        return distinct(found.values, found.offsets)

    def sets(rows: Rows) -> Sets:
        texts = (part for some in fetch(rows) for part in chunks(some))
        columns, sizes = [], [_NOTHING]
        for column, size_of in side_by_side(of_part, texts, threads):
            columns.append(column)
            sizes.append(size_of)
        return _emptied(columns), np.concatenate(sizes)

    return sets


def _emptied(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The parts as one array. Each goes as soon as it is copied: all candidates' shingles are held once, not twice."""
    together = np.empty(sum(part.size for part in parts), dtype=np.int64)
    start = 0
    while parts:
        part = parts.pop(0)  # a part is millions of characters: there are few
        together[start : start + part.size] = part
        start += part.size
    return together


def candidate_sets(
    corpus: Corpus, key: Key, size: int, threads: int, memo: Memo, of: NDArray[np.int64] | None = None
) -> SetsOf:
    """Gives the sets of rows of a corpus, and keeps those that were asked for last.

    What is kept goes by content ids, which say all that a compared text is made of.

    Args:
        size: words in a shingle.
        of: the position in the corpus of each row that may be asked for; all of them, in order, by default.
    """

    def fetch(positions: Rows) -> Iterator[pl.Series]:
        for some in _slices(corpus, positions):
            yield compared_text(Frames(corpus.examples(some, _COLUMNS), corpus.malformed.clear()), key)

    read = sets_of_texts(fetch, size, threads)
    before = memo.get()
    seen: list[pl.DataFrame] = []
    changed = before is None

    def remember(packed: pl.DataFrame) -> None:
        seen.append(packed)
        if changed:
            memo.put(pl.concat(seen))

    def room() -> int:
        return REMEMBERED - sum(int(one["shingles"].bin.size().sum()) // 8 for one in seen)

    def sets(rows: Rows) -> Sets:
        nonlocal changed
        positions = rows if of is None else of[rows]
        ids = corpus.rows["id"].gather(positions)
        if before is None:
            found = read(positions)
            remember(_kept(ids, found, room()))
            return found
        known = before.filter(pl.col("id").is_in(ids.implode()))
        place = _places(ids, known["id"])
        found = _merged(place, _known(known["shingles"]), read(positions[place < 0]))
        if (place >= 0).all():
            remember(known)
        else:
            changed = True
            remember(_kept(ids, found, room()))
        return found

    return sets


def _places(ids: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Where each id stands among the known ones; -1 where it does not."""
    places = known.to_frame("id").with_row_index("place").unique("id")
    found = ids.to_frame("id").join(places, on="id", how="left", maintain_order="left")["place"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _merged(place: NDArray[np.int64], known: Sets, new: Sets) -> Sets:
    """The sets of rows that are at a place among the known ones or, in their order, new."""
    own: Offsets = np.empty(place.size, dtype=np.int64)
    own[place >= 0], own[place < 0] = known[1][place[place >= 0]], new[1]
    ends = np.concatenate(([0], np.cumsum(own)))
    together = np.empty(int(ends[-1]), dtype=np.int64)
    for rows, (columns, sizes), at in (
        (np.flatnonzero(place >= 0), known, place[place >= 0]),
        (np.flatnonzero(place < 0), new, np.arange(new[1].size)),
    ):
        starts = np.cumsum(sizes) - sizes
        # Some at a time: the places of shingles take more room than they do.
        parts = np.searchsorted(np.cumsum(own[rows]), np.arange(0, int(own[rows].sum()), _COPIED)).tolist()
        for start, end in pairwise([*parts, rows.size]):
            some = own[rows[start:end]]
            inside = np.arange(int(some.sum())) - np.repeat(np.cumsum(some) - some, some)
            target = inside + np.repeat(ends[rows[start:end]], some)
            together[target] = columns[inside + np.repeat(starts[at[start:end]], some)]
    return together, own


def _kept(ids: pl.Series, found: Sets, most: int) -> pl.DataFrame:
    """One frame, so that nobody ever reads the ids of one run and the shingles of another.

    Args:
        most: shingles that are kept.
    """
    columns, sizes = found
    ends = np.concatenate(([0], np.cumsum(sizes)))
    rows = int(np.searchsorted(ends, most, side="right")) - 1
    # Some at a time: each is copied twice on its way.
    starts = np.searchsorted(ends[: rows + 1], np.arange(0, max(1, int(ends[rows])), _COPIED)).tolist()
    sets = pl.concat(
        [_packed(columns[ends[start] : ends[end]], sizes[start:end]) for start, end in pairwise([*starts, rows])]
    )
    return pl.DataFrame({"id": ids.head(rows), "shingles": sets})


def _packed(columns: NDArray[np.int64], sizes: Offsets) -> pl.Series:
    blob, ends = columns.astype("<i8").tobytes(), np.cumsum(sizes)
    sets = [blob[8 * (end - size) : 8 * end] for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]
    return pl.Series(sets, dtype=pl.Binary)


def _known(sets: pl.Series) -> Sets:
    columns = np.frombuffer(b"".join(sets.to_list()), dtype="<i8").astype(np.int64)
    return columns, sets.bin.size().cast(pl.Int64).to_numpy() // 8


def _slices(corpus: Corpus, positions: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The positions, which are in order, in parts that end where a shard does: each shard is read once."""
    rows = np.cumsum([shard.height for shard in corpus.shards])
    ends = np.searchsorted(positions, rows)
    every = np.cumsum(corpus.rows["characters"].cast(pl.Int64).to_numpy())
    passed = np.where(rows > 0, every[rows - 1], 0) if every.size else rows
    characters = np.cumsum(corpus.rows["characters"].gather(positions).cast(pl.Int64).to_numpy())
    start, passed_before = 0, 0
    for end, so_far in zip(ends.tolist(), passed.tolist(), strict=True):
        before = int(characters[start - 1]) if start else 0
        enough = end > start and characters[end - 1] - before >= AT_A_TIME
        if end > start and (end == positions.size or enough or so_far - passed_before >= PASSED_AT_A_TIME):
            yield positions[start:end]
            start, passed_before = end, so_far
