"""Chooses what is kept: greedily in the order of keeping, so that every dropped text is similar to the very one
that is kept, and no two kept texts are.

Whatever the route, the result is that of going through the nodes one by one and keeping each that is similar
to none kept before. Closing over chains (a like b, b like c) would drop rows that are like nothing kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.candidates import Buckets, buckets_of_rare_shingles
from gate.checks.duplicates.verification import Nodes, ShingleSets

CROWDED = 64
"""A bucket of more nodes is not taken apart into all its pairs: that would be quadratic."""

PATIENCE = 4
"""Rounds in a row that may decide less than 2 % of the crowd before its pairs are sought by rare shingles."""

AFFORDABLE = 100
"""Pairs per crowded node that rare shingles may propose; when there are more, rounds go on."""


@dataclass(slots=True)
class Choice:
    """What became of each node."""

    keeper: Nodes
    """The node that is kept in its place; itself where it is kept."""
    score: NDArray[np.float64]
    """The verified Jaccard index with its keeper; 1 where it is kept."""
    similar: list[tuple[Nodes, Nodes]] = field(default_factory=list)
    """Verified pairs, for showing clusters."""
    candidates: int = 0
    """Pairs that were proposed and looked at."""
    verified: int = 0
    """Those of them that reach the threshold."""


def choose(buckets: Buckets, groups: NDArray[np.int64], sets: ShingleSets, threshold: float) -> Choice:
    """Who is kept, given the buckets that propose who may be similar.

    Args:
        buckets: of nodes in the order of keeping.
        groups: the partition of each node; nodes of different ones are never similar.
        sets: their shingles.
    """
    return _Selection(groups, sets, threshold).run(buckets)


class _Selection:
    """One run of the choice. First, as long as there are crowded buckets, in rounds: whoever comes first in
    every bucket it is in is kept, and all that are similar to it leave. Of templated rows, a round decides
    many. Then what is left, pair by pair."""

    def __init__(self, groups: NDArray[np.int64], sets: ShingleSets, threshold: float) -> None:
        self.groups, self.sets, self.threshold = groups, sets, threshold
        self.choice = Choice(np.arange(groups.size), np.ones(groups.size))

    def run(self, buckets: Buckets) -> Choice:
        rare = Buckets(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        idle = 0
        while (crowd := buckets.larger_than(CROWDED)).node.size:
            if idle >= PATIENCE:
                nodes = np.unique(crowd.node)
                rare = buckets_of_rare_shingles(self.sets, nodes, self.threshold)
                if rare.pair_count() <= AFFORDABLE * nodes.size:
                    break
                rare, idle = rare.without(np.ones(self.groups.size, dtype=bool)), -10 * PATIENCE
            buckets = buckets.without(self._round(buckets))
            left = buckets.larger_than(CROWDED).node.size
            idle = idle + 1 if left > 0.98 * crowd.node.size else min(idle, 0)
        edges = [self._similar(*pair) for part in (buckets.up_to(CROWDED), rare) for pair in part.pairs()]
        if edges:
            self._one_by_one(*(np.concatenate(column) for column in zip(*edges, strict=True)))
        return self.choice

    def _round(self, buckets: Buckets) -> NDArray[np.bool_]:
        """Keep the nodes that no undecided one precedes, drop those similar to them; which were decided."""
        starts, sizes = buckets.starts(), buckets.sizes()
        is_first = np.zeros(buckets.node.size, dtype=bool)
        is_first[starts] = True
        decided = np.zeros(self.groups.size, dtype=bool)
        decided[buckets.node[is_first]] = True
        decided[buckets.node[~is_first]] = False
        first = np.repeat(buckets.node[starts], sizes)
        chosen = ~is_first & decided[first]
        pairs = np.unique(first[chosen] * self.groups.size + buckets.node[chosen])
        left, right, score = self._similar(pairs // self.groups.size, pairs % self.groups.size)
        order = np.lexsort((left, -score, right))
        dropped, best = np.unique(right[order], return_index=True)
        self.choice.keeper[dropped] = left[order][best]
        self.choice.score[dropped] = score[order][best]
        decided[dropped] = True
        return decided

    def _one_by_one(self, left: Nodes, right: Nodes, score: NDArray[np.float64]) -> None:
        """Drop each node that is similar to a kept one, in favour of the most similar.

        A loop over verified pairs: what becomes of a node depends on all before it (0.2 µs a pair).
        """
        keeper = self.choice.keeper.tolist()
        order = np.lexsort((left, -score, right))
        for index, earlier, later in zip(order.tolist(), left[order].tolist(), right[order].tolist(), strict=True):
            if keeper[later] == later and keeper[earlier] == earlier:
                keeper[later] = earlier
                self.choice.score[later] = score[index]
        self.choice.keeper = np.array(keeper, dtype=np.int64)

    def _similar(self, left: Nodes, right: Nodes) -> tuple[Nodes, Nodes, NDArray[np.float64]]:
        """The pairs that reach the threshold, with their Jaccard index."""
        own = self.groups[left] == self.groups[right]
        left, right = left[own], right[own]
        self.choice.candidates += left.size
        possible = self.sets.can_reach(left, right, self.threshold)
        left, right = left[possible], right[possible]
        score = self.sets.jaccard(left, right)
        reached = score >= self.threshold
        left, right, score = left[reached], right[reached], score[reached]
        self.choice.verified += left.size
        self.choice.similar.append((left, right))
        return left, right, score
