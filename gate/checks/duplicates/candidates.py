"""Buckets of texts that agree in a band, and the pairs that they propose.

Nodes are positions in the order of keeping, so that the first node of a bucket is the one to be kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.sketches import NO_BAND
from gate.checks.duplicates.verification import Nodes
from gate.data.side_by_side import side_by_side

PAIRS_AT_A_TIME = 4_000_000
"""Pairs that are enumerated at a time (32 MB for each of a few arrays)."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Who is in which bucket: parallel arrays, sorted by bucket and then by node."""

    bucket: NDArray[np.int64]
    node: Nodes

    def without(self, decided: NDArray[np.bool_]) -> Buckets:
        """The buckets without the nodes that are decided, and without buckets that hold one node only."""
        stay = ~decided[self.node]
        return Buckets(self.bucket[stay], self.node[stay]).shared()

    def among(self, nodes: Nodes) -> Buckets:
        """The same with nodes numbered by their place in `nodes`, which is in order and holds all of them."""
        return Buckets(self.bucket, np.searchsorted(nodes, self.node))

    def of(self, nodes: Nodes) -> Buckets:
        """The buckets of some nodes, in order, numbered by their place among these. Whoever shares a bucket with one of
        them has to be one of them."""
        wanted = np.zeros(int(self.node.max(initial=0)) + 1, dtype=bool)
        wanted[nodes] = True
        stay = wanted[self.node]
        return Buckets(self.bucket[stay], self.node[stay]).among(nodes)

    def shared(self) -> Buckets:
        """Without the buckets that hold one node only."""
        several = np.repeat(self.sizes() > 1, self.sizes())
        return Buckets(self.bucket[several], self.node[several])

    def starts(self) -> NDArray[np.int64]:
        """The position at which each bucket begins."""
        return np.flatnonzero(np.diff(self.bucket, prepend=-1))

    def sizes(self) -> NDArray[np.int64]:
        """The number of nodes in each bucket."""
        return np.diff(np.append(self.starts(), self.bucket.size))

    def larger_than(self, size: int) -> Buckets:
        large = np.repeat(self.sizes() > size, self.sizes())
        return Buckets(self.bucket[large], self.node[large])

    def up_to(self, size: int) -> Buckets:
        small = np.repeat(self.sizes() <= size, self.sizes())
        return Buckets(self.bucket[small], self.node[small])

    def pairs(self) -> Iterator[tuple[Nodes, Nodes]]:
        """All pairs of nodes that share a bucket, the one to be kept first; some at a time, each once in its batch."""
        starts, sizes = self.starts(), self.sizes()
        first = np.repeat(starts, sizes)
        before = np.arange(self.node.size) - first  # how many in its bucket come before it
        ends = np.cumsum(before)
        start, nodes = 0, int(self.node.max(initial=0)) + 1
        while start < self.node.size:
            done = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(ends, done + PAIRS_AT_A_TIME, side="right")))
            number = before[start:end]
            total = int(number.sum())
            later = np.repeat(self.node[start:end], number)
            place = np.arange(total) - np.repeat(np.cumsum(number) - number, number)
            earlier = self.node[np.repeat(first[start:end], number) + place]
            pairs = np.unique(earlier * nodes + later)
            yield pairs // nodes, pairs % nodes
            start = end


def buckets_of_bands(
    bands: Iterable[NDArray[np.uint64]],
    levels: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> Buckets:
    """The buckets of two or more nodes.

    Args:
        bands: for each band one key per node, `NO_BAND` where it has none; one at a time for each thread.
        levels: of each node, never falling from one node to the next. Buckets of a single level are left out.
    """

    def of_band(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        # Most keys are had by one node only, and go before anything is put in order by node.
        maybe = np.flatnonzero(_may_be_shared(keys))
        # Any order of equal keys will do for now: the sort that keeps it takes four times as long.
        own = keys[maybe]
        order = np.argsort(own)
        own, members = own[order], maybe[order]
        new = np.ones(order.size, dtype=bool)
        new[1:] = own[1:] != own[:-1]
        several = ~(new & np.append(new[1:], True))
        members, number = members[several], np.cumsum(new[several])
        by_node = np.lexsort((members, number))
        members, number = members[by_node], number[by_node]
        if levels is not None and members.size:
            starts = np.flatnonzero(np.diff(number, prepend=0))
            ends = np.append(starts[1:], number.size)
            across = levels[members[starts]] != levels[members[ends - 1]]
            stay = np.repeat(across, ends - starts)
            members, number = members[stay], number[stay]
        return number, members, keys.size

    buckets, nodes, before = [], [], 0
    for number, members, size in side_by_side(of_band, bands, threads):
        buckets.append(number + before)
        nodes.append(members)
        before += size + 1
    return Buckets(np.concatenate(buckets), np.concatenate(nodes)) if buckets else Buckets(*_EMPTY)


def _may_be_shared(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Of each key whether others may have it, too: never false for one that is shared, and rarely true for another."""
    in_order = np.sort(keys)
    twice = in_order[1:][in_order[1:] == in_order[:-1]]
    del in_order
    # By the low bits, which are as good as any: keys are hashes.
    mask = np.uint64((1 << min(24, (4 * keys.size).bit_length())) - 1)
    marked = np.zeros(int(mask) + 1, dtype=bool)
    marked[(twice & mask).view(np.int64)] = True
    shared: NDArray[np.bool_] = marked[(keys & mask).view(np.int64)]
    shared &= keys != NO_BAND
    return shared


_EMPTY = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
