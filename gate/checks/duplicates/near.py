"""From texts to near-duplicates: which text is dropped in favour of which, and how similar they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.candidates import buckets_of_bands
from gate.checks.duplicates.representatives import choose
from gate.checks.duplicates.sharing import may_have_partner
from gate.checks.duplicates.shingles import Shingles, shingles
from gate.checks.duplicates.signatures import Banding, band_keys
from gate.checks.duplicates.tokens import Hashes, Offsets, mix
from gate.checks.duplicates.verification import ShingleSets

Rows = NDArray[np.int64]

_ROWS_AT_A_TIME = 50_000


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What is kept and what is not. Rows are positions among the texts."""

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
    texts: pl.Series,
    ranks: Rows,
    groups: Rows,
    *,
    threshold: float,
    shingle: int,
    cut: Banding,
    threads: int = 1,
) -> NearDuplicates:
    """The near-duplicates among some texts.

    Args:
        texts: one per row; null and blank ones are compared with nothing.
        ranks: the order of keeping, a permutation; the lower of two duplicates' ranks is kept.
        groups: rows of different groups are never duplicates.
        threshold: of the Jaccard index on sets of shingles, inclusive.
        shingle: words in a shingle.
        cut: how signatures are cut into bands.
        threads: how many parts of the texts are worked on at a time.
    """
    found = shingles(texts, shingle, threads)
    del texts  # the caller keeps none either: as large as all that follows
    counts = found.counts
    same = _same_shingles(found, ranks, groups)
    copies = same != np.arange(same.size)
    nodes = np.flatnonzero(may_have_partner(found.values, found.offsets, copies, threshold) & ~found.whole)
    nodes = nodes[np.argsort(ranks[nodes])]
    values, offsets = _take(found.values, found.offsets, nodes)
    del found
    keys = band_keys(values, offsets, cut)
    keys ^= mix(groups[nodes].astype(np.uint64) + np.uint64(1))[:, None]
    choice = choose(buckets_of_bands(keys), groups[nodes], ShingleSets(values, offsets), threshold)

    keeper, score = np.arange(same.size), np.ones(same.size)
    keeper[nodes] = nodes[choice.keeper]
    score[nodes] = choice.score
    # A copy goes the way of the row it is a copy of.
    keeper, score = keeper[same], score[same]
    left = np.concatenate([np.flatnonzero(counts), *(nodes[pair[0]] for pair in choice.similar)])
    right = np.concatenate([same[counts > 0], *(nodes[pair[1]] for pair in choice.similar)])
    cluster = _clusters(left, right, ranks)
    return NearDuplicates(keeper, score, cluster, int((counts > 0).sum()), choice.candidates, choice.verified)


def _same_shingles(found: Shingles, ranks: Rows, groups: Rows) -> Rows:
    """For each row the lowest-ranked one of its group with the same shingles, as often; mostly itself.

    Shingles are compared by the sum of their hashes: two rows that differ agree with a probability of 2⁻⁶⁴.
    """
    counts = found.counts
    some = counts > 0
    sums = np.zeros(counts.size, dtype=np.uint64)
    if some.any():
        sums[some] = np.add.reduceat(found.values, found.offsets[:-1][some])
    order = np.lexsort((ranks, sums, counts, groups))
    new = np.ones(order.size, dtype=bool)
    for column in (sums, counts, groups):
        new[1:] &= column[order][1:] == column[order][:-1]
    new[1:] = ~new[1:]
    new |= counts[order] == 0
    same = np.empty(order.size, dtype=np.int64)
    same[order] = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
    return same


def _take(values: Hashes, offsets: Offsets, rows: Rows) -> tuple[Hashes, Offsets]:
    """The shingles of some rows, in that order."""
    ends = np.concatenate(([0], np.cumsum(np.diff(offsets)[rows])))
    taken = np.empty(int(ends[-1]), dtype=values.dtype)
    # Some rows at a time: the positions of all shingles would take more memory than the shingles.
    for start in range(0, rows.size, _ROWS_AT_A_TIME):
        some = rows[start : start + _ROWS_AT_A_TIME]
        own = ends[start : start + some.size + 1]
        shift = np.repeat(offsets[some] - own[:-1], np.diff(own))
        taken[own[0] : own[-1]] = values[shift + np.arange(own[0], own[-1])]
    return taken, ends


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
