"""Which rows are really near-duplicates of which, and how good a choice of rows to remove is.

The truth is brute force: the sizes of all intersections as one product of the matrix of rows by shingles with its
own transpose, a block of rows at a time, and the Jaccard index compared in whole numbers. No contender has a part
in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

Pairs = np.ndarray
"""Two columns of row numbers, the smaller first: int64, (pairs, 2)."""

BLOCK = 1_000
"""Rows multiplied at a time: a template of 200 rows of 100 shingles makes 4 million products, not 4 billion."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A choice of rows to remove, held against all similar pairs."""

    removed: int
    right: int
    """Removed rows that are similar to a row that was kept."""
    left: int
    """Rows that would still have to go, so that no two kept rows are similar (in row order)."""

    @property
    def precision(self) -> float | None:
        """The share of removed rows whose content is still there; None where nothing was removed."""
        return self.right / self.removed if self.removed else None

    @property
    def recall(self) -> float | None:
        """Of the rows that had to go, the share that did; None where none had to."""
        due = self.right + self.left
        return self.right / due if due else None


def similar_pairs(sets: Sequence[Collection[str]], threshold: Fraction) -> Pairs:
    """Every pair of rows with a Jaccard index of at least the threshold (above 0), by brute force."""
    from scipy.sparse import csr_matrix

    number: dict[str, int] = defaultdict(lambda: len(number))
    columns = np.fromiter((number[shingle] for row in sets for shingle in row), dtype=np.int64)
    sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rows = csr_matrix((np.ones(len(columns), np.int32), columns, starts), shape=(len(sets), max(1, len(number))))
    across = rows.T.tocsr()
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(sets), BLOCK):
        common = (rows[start : start + BLOCK] @ across).tocoo()
        one, other, shared = common.row.astype(np.int64) + start, common.col.astype(np.int64), common.data
        whole = sizes[one] + sizes[other] - shared
        near = (one < other) & (shared * threshold.denominator >= threshold.numerator * whole)
        found.append(np.column_stack([one[near], other[near]]))
    return np.concatenate(found)


def greedy(rows: int, pairs: Iterable[Sequence[int]]) -> set[int]:
    """The rows that go when each, in order, is kept unless it is similar to one that is kept."""
    earlier: dict[int, list[int]] = defaultdict(list)
    for one, other in pairs:
        earlier[max(one, other)].append(min(one, other))
    removed: set[int] = set()
    for row in range(rows):  # a row's fate hangs on those before it
        if any(other not in removed for other in earlier.get(row, ())):
            removed.add(row)
    return removed


def judge(rows: int, pairs: Pairs, removed: Collection[int]) -> Judged:
    """How many of the removed rows have a similar row among the kept, and how many kept rows should have gone."""
    gone = np.zeros(rows, dtype=bool)
    gone[list(removed)] = True
    one, other = pairs[:, 0], pairs[:, 1]
    right = np.unique(np.concatenate([one[gone[one] & ~gone[other]], other[gone[other] & ~gone[one]]]))
    left = greedy(rows, pairs[~gone[one] & ~gone[other]].tolist())
    return Judged(int(gone.sum()), len(right), len(left))
