"""The similar pairs among the texts of crowded buckets, where pairs are too many to be looked at one by one.

Rows made from one template share its shingles; what sets them apart is rare. Put the shingles of A in order, the
rarest first: of J(A, B) ≥ t follows |A ∩ B| ≥ t·|A|, so that A and B have one of the first |A| - ⌈t·|A|⌉ + 1 of A in
common, and of B likewise (prefix filtering: Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity Search", 2007).
A pair is proposed when it shares a rare shingle among those. Where common ones come among the first of a text, all of
its rare ones do; a pair of such texts that shares no rare shingle has only common ones in common: how many, for many
pairs at a time, is a matrix product of texts with the few common shingles. No pair that reaches the threshold is
missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.candidates import Buckets
from gate.checks.duplicates.verification import Nodes, ShingleSets

COMMON = 32
"""A shingle of more texts than these, and than the root of their number, is a common one. A text has fewer pairs by a
rare one than that, while the product costs it a part of all the others."""

BLOCK = 8_000_000
"""Entries of the product, or of a strip of the factors, that are held at a time (32 MB)."""


class Crowd:
    """Texts that crowded buckets connect, in the order of keeping."""

    def __init__(
        self, nodes: Nodes, sets: ShingleSets, threshold: float, levels: NDArray[np.int64] | None = None
    ) -> None:
        """Args: levels: of every text there is, by node; when given, texts of one level are never similar."""
        from scipy.sparse import csr_array

        self.nodes, self._sets, self._threshold, self._levels = nodes, sets, threshold, levels
        owner, shingle, frequency = _incidence(sets, nodes)
        common = frequency[shingle] > max(COMMON, isqrt(nodes.size))
        sizes = sets.sizes[nodes]
        first = _among_first(owner, frequency[shingle], sizes, threshold)
        rare = first & ~common
        order = np.lexsort((owner[rare], shingle[rare]))
        self.by_rare_shingle = Buckets(shingle[rare][order], nodes[owner[rare]][order]).shared()
        """Buckets whose pairs include every one that reaches the threshold with the help of a rare shingle."""
        self._alike = np.bincount(owner[first & common], minlength=nodes.size) > 0
        _, column = np.unique(shingle[common], return_inverse=True)
        self._width = int(column.max(initial=-1)) + 1
        ones = np.ones(column.size, dtype=np.float32)
        self._common = csr_array((ones, (owner[common], column)), shape=(nodes.size, max(self._width, 1)))
        self._rows = np.empty(0, dtype=np.int64)  # positions of the strip at hand
        self._columns = np.empty(0, dtype=np.int64)  # positions that it is compared with
        self._similar = np.empty((0, 0), dtype=bool)

    def similar_to(self, node: int, alive: NDArray[np.bool_]) -> Nodes:
        """The later nodes, among those alive, whose common shingles alone make them similar to this one.

        To be asked of one node after the other, in order.
        """
        position = int(np.searchsorted(self.nodes, node))
        if not self._alike[position]:
            return self.nodes[:0]
        if not self._rows.size or position > self._rows[-1]:
            self._prepare(position, alive)
        row = int(np.searchsorted(self._rows, position))
        found = self.nodes[self._columns[self._similar[row]]]
        similar: Nodes = found[alive[found] & (found > node)]
        return similar if self._levels is None else similar[self._levels[similar] != self._levels[node]]

    def _prepare(self, position: int, alive: NDArray[np.bool_]) -> None:
        """Compare the next strip of nodes that are alive with all after it.

        J ≥ t is |A ∩ B| ≥ t / (1 + t) · (|A| + |B|), up to rounding; a close call is left to the exact index.
        """
        self._columns = position + np.flatnonzero(alive[self.nodes[position:]] & self._alike[position:])
        strip = max(1, min(512, BLOCK // self._columns.size))
        self._rows = self._columns[:strip]
        sizes = self._sets.sizes[self.nodes]
        demand = (self._threshold / (1 + self._threshold) * sizes).astype(np.float32)
        surplus = -demand[self._rows, None] - demand[None, self._columns]
        step = max(1, BLOCK // self._columns.size)
        texts = self._common[self._columns]
        for first in range(0, self._width, step):
            part = texts[:, first : first + step].toarray()
            surplus += part[: self._rows.size] @ part.T
        close = 1e-2 + 1e-6 * float(sizes.max())  # more than single precision loses on such sizes
        self._similar = surplus > close
        row, column = np.nonzero(np.abs(surplus) <= close)
        left, right = self.nodes[self._rows[row]], self.nodes[self._columns[column]]
        self._similar[row, column] = self._sets.jaccard(left, right) >= self._threshold


def components(crowd: Buckets) -> Iterator[Nodes]:
    """The nodes, in order, that crowded buckets connect: texts of different templates stay apart."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not crowd.node.size:
        return
    nodes, node = np.unique(crowd.node, return_inverse=True)
    _, bucket = np.unique(crowd.bucket, return_inverse=True)
    size = nodes.size + int(bucket.max()) + 1
    links = coo_array((np.ones(node.size, dtype=np.int8), (node, bucket + nodes.size)), shape=(size, size))
    _, label = connected_components(links, directed=False)
    label = label[: nodes.size]
    order = np.argsort(label, kind="stable")
    yield from np.split(nodes[order], np.flatnonzero(np.diff(label[order])) + 1)


def _among_first(
    owner: NDArray[np.int64], frequency: NDArray[np.int64], sizes: NDArray[np.int64], threshold: float
) -> NDArray[np.bool_]:
    """Which shingles are among those of their text, the rarest first, of which two similar texts share one.

    Args:
        owner, frequency: of each shingle of each text, in the order of the texts; one order of shingles for all texts
            is all that is asked for, so that of equal frequency their hashes decide.
        sizes: shingles of each text.
    """
    order = np.lexsort((frequency, owner))
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    demanded = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
    starts = np.cumsum(sizes) - sizes
    among: NDArray[np.bool_] = place - starts[owner] < (sizes - demanded + 1)[owner]
    return among


def _incidence(sets: ShingleSets, nodes: Nodes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Which of the nodes (as a position) has which shingle (as a number), and how many have each."""
    sizes = sets.sizes[nodes]
    owner = np.repeat(np.arange(nodes.size), sizes)
    own = np.repeat(sets.starts[nodes] - (np.cumsum(sizes) - sizes), sizes) + np.arange(owner.size)
    _, shingle, frequency = np.unique(sets.columns[own], return_inverse=True, return_counts=True)
    return owner, shingle, frequency
