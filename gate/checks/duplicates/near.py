"""From sketches to near-duplicates: which row is dropped in favour of which, and how similar they are.

Rows that share a band are found by their keys, a few bands at a time; only the texts of such rows are fetched, some at
a time, and shingled once more, so that every pair is judged by its exact Jaccard index. Rows that no chain of bands
connects have nothing to do with one another: they are judged in parts, so that shingles of a part are held and not of
all. What is held grows with the rows by some 60 bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.candidates import Buckets, buckets_of_bands
from gate.checks.duplicates.copies import first_of_same
from gate.checks.duplicates.representatives import Choice, choose
from gate.checks.duplicates.sharing import may_have_partner
from gate.checks.duplicates.signatures import Banding
from gate.checks.duplicates.sketches import band_column
from gate.checks.duplicates.tokens import Hashes, Offsets
from gate.checks.duplicates.verification import ShingleSets

KEYS_AT_A_TIME = 8_000_000
"""Band keys that are fetched at a time (64 MB), or those of one band when it has more."""
SHINGLES_AT_A_TIME = 16_000_000
"""Shingles of candidates that are held at a time (128 MB), or those of rows that bands connect when they have more."""

Rows = NDArray[np.int64]

Sets = tuple[NDArray[np.int64], Offsets]
"""The different shingles of some texts in ascending order, one text after the other, and how many each has."""

SetsOf = Callable[[Rows], Sets]
"""The sets of some rows, which are asked for in order."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What is kept and what is not. Rows are positions among the sketches."""

    keeper: Rows
    """For each row the row that is kept in its place; itself where it is kept."""
    score: NDArray[np.float64]
    """The verified Jaccard index of each row with its keeper; 1 where it is kept."""
    cluster: Rows
    """For each row the first row of its cluster, for browsing: rows connected by verified pairs."""
    compared: int
    """Rows with anything to compare."""
    candidates: int
    """Pairs of distinct texts that were proposed and looked at."""
    verified: int
    """Those of them that reach the threshold."""

    @property
    def dropped(self) -> Rows:
        """The rows that are dropped."""
        return np.flatnonzero(self.keeper != np.arange(self.keeper.size))


def find_near_duplicates(
    sketches: pl.LazyFrame,
    sets: SetsOf,
    ranks: Rows,
    groups: Rows,
    *,
    threshold: float,
    cut: Banding,
    levels: Rows | None = None,
    threads: int = 1,
) -> NearDuplicates:
    """The near-duplicates among some rows.

    Args:
        sketches: as `gate.checks.duplicates.sketches` makes them, one per row.
        sets: gives the shingles of candidates.
        ranks: the order of keeping, a permutation; the lower of two duplicates' ranks is kept.
        groups: the partition of each row; rows of different ones are never duplicates.
        threshold: of the Jaccard index on sets of shingles, inclusive.
        cut: how signatures are cut into bands.
        levels: when given, only rows of different levels are compared, and a rank is never lower than one of a lower
            level. Rows of one level that have the same shingles still count as copies of one another.
        threads: that look at bands side by side.
    """
    small = sketches.select("shingles", "total").collect()
    counts, total = small["shingles"].to_numpy(), small["total"].to_numpy()
    same = _same_shingles(counts, total, ranks, groups)
    in_order = np.argsort(ranks)
    nodes = in_order[(same[in_order] == in_order) & (counts[in_order] > 0)]

    several = max(1, min(cut.bands, KEYS_AT_A_TIME // max(1, counts.size)))
    bands = [range(start, min(start + several, cut.bands)) for start in range(0, cut.bands, several)]
    some = (sketches.select(map(band_column, each)).collect() for each in bands)  # a scan of all files for each
    keys = (column.to_numpy()[nodes] for frame in some for column in frame)
    buckets = buckets_of_bands(keys, None if levels is None else levels[nodes], threads)
    # From here on, nodes are those that share a band with another.
    proposed = np.unique(buckets.node)
    nodes, buckets = nodes[proposed], buckets.among(proposed)
    choice = Choice(np.arange(nodes.size), np.ones(nodes.size))
    for part in _parts(buckets, counts[nodes]):
        _add(choice, part, _judge(nodes[part], buckets.of(part), sets, groups, threshold, levels))

    keeper, score = np.arange(same.size), np.ones(same.size)
    keeper[nodes] = nodes[choice.keeper]
    score[nodes] = choice.score
    # A copy goes the way of the row it is a copy of.
    keeper, score = keeper[same], score[same]
    left = np.concatenate([np.flatnonzero(counts), *(nodes[pair[0]] for pair in choice.similar)])
    right = np.concatenate([same[counts > 0], *(nodes[pair[1]] for pair in choice.similar)])
    cluster = _clusters(left, right, ranks)
    return NearDuplicates(keeper, score, cluster, int((counts > 0).sum()), choice.candidates, choice.verified)


def _parts(buckets: Buckets, shingles: NDArray[np.uint32]) -> Iterator[Rows]:
    """The nodes in parts that no bucket connects, each with `SHINGLES_AT_A_TIME` or with what cannot be divided."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = shingles.size
    if int(shingles.sum(dtype=np.int64)) <= SHINGLES_AT_A_TIME:
        if size:
            yield np.arange(size)
        return
    first = np.repeat(buckets.node[buckets.starts()], buckets.sizes())
    links = coo_array((np.ones(first.size, dtype=np.int8), (first, buckets.node)), shape=(size, size))
    _, label = connected_components(links, directed=False)
    of_label = np.bincount(label, weights=shingles)
    part = ((np.cumsum(of_label) - of_label) // SHINGLES_AT_A_TIME).astype(np.int64)[label]
    for number in np.unique(part):
        yield np.flatnonzero(part == number)


def _add(whole: Choice, part: Rows, choice: Choice) -> None:
    """Enter what became of a part of the nodes."""
    whole.keeper[part] = part[choice.keeper]
    whole.score[part] = choice.score
    whole.similar += [(part[left], part[right]) for left, right in choice.similar]
    whole.candidates += choice.candidates
    whole.verified += choice.verified


def _judge(nodes: Rows, buckets: Buckets, sets: SetsOf, groups: Rows, threshold: float, levels: Rows | None) -> Choice:
    """Who of the proposed is kept, by their shingles."""
    by_position = np.argsort(nodes)
    columns, sizes = sets(nodes[by_position])
    text = np.empty(nodes.size, dtype=np.int64)
    text[by_position] = np.arange(nodes.size)
    ends = np.concatenate(([0], np.cumsum(sizes)))
    alone = ~may_have_partner(columns.view(np.uint64), ends, threshold)[text]
    return choose(
        buckets.without(alone),
        groups[nodes],
        ShingleSets(columns, sizes, text),
        threshold,
        None if levels is None else levels[nodes],
    )


def _same_shingles(counts: NDArray[np.uint32], total: Hashes, ranks: Rows, groups: Rows) -> Rows:
    """For each row the lowest-ranked one of its group with the same shingles, as often; mostly itself.

    Shingles are compared by the sum of their hashes: two rows that differ agree with a probability of 2⁻⁶⁴.
    """
    content = pl.DataFrame({"total": total, "shingles": counts, "group": groups}).select(
        pl.when(pl.col("shingles") > 0).then("total"), "shingles", "group"
    )
    same = first_of_same(content, ranks)
    return np.where(same >= 0, same, np.arange(same.size))


def _clusters(left: Rows, right: Rows, ranks: Rows) -> Rows:
    """For each row the lowest-ranked row that pairs connect it with; itself where it is in no pair."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = ranks.size
    pairs = coo_array((np.ones(left.size, dtype=np.int8), (left, right)), shape=(size, size))
    count, label = connected_components(pairs, directed=False)
    in_order = np.empty(size, dtype=np.int64)
    in_order[ranks] = np.arange(size)
    lowest = np.empty(count, dtype=np.int64)
    lowest[label[in_order[::-1]]] = in_order[::-1]  # of equal labels the last, so the lowest rank, stays
    cluster: Rows = lowest[label]
    return cluster
