"""Chooses what is kept: greedily in the order of keeping, so that every dropped text is similar to the very one
that is kept, and no two kept texts are.

Whatever the route, the result is that of going through the nodes one by one and keeping each that is similar
to none kept before. Closing over chains (a like b, b like c) would drop rows that are like nothing kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.candidates import Buckets
from gate.checks.duplicates.crowds import Crowd, components
from gate.checks.duplicates.verification import Nodes, ShingleSets

CROWDED = 64
"""A bucket of more nodes is not taken apart into all its pairs: that would be quadratic."""

PATIENCE = 3
"""Rounds in a row that may decide less than a tenth of the crowd before all its pairs are judged at once."""


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


def choose(
    buckets: Buckets,
    groups: NDArray[np.int64],
    sets: ShingleSets,
    threshold: float,
    levels: NDArray[np.int64] | None = None,
) -> Choice:
    """Who is kept, given the buckets that propose who may be similar.

    Args:
        buckets: of nodes in the order of keeping.
        groups: the partition of each node; nodes of different ones are never similar.
        sets: their shingles.
        levels: when given, nodes of one level are never similar.
    """
    return _Selection(groups, sets, threshold, levels).run(buckets)


_NO_PAIRS = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)


class _Selection:
    """One run of the choice. First, as long as there are crowded buckets, in rounds: whoever comes first in
    every bucket it is in is kept, and all that are similar to it leave. Of templated rows, a round decides
    many. Then what is left, pair by pair."""

    def __init__(
        self, groups: NDArray[np.int64], sets: ShingleSets, threshold: float, levels: NDArray[np.int64] | None
    ) -> None:
        self.groups, self.sets, self.threshold, self.levels = groups, sets, threshold, levels
        self.choice = Choice(np.arange(groups.size), np.ones(groups.size))

    def run(self, buckets: Buckets) -> Choice:
        idle = 0
        while (crowd := buckets.larger_than(CROWDED)).node.size and idle < PATIENCE:
            buckets = buckets.without(self._round(buckets))
            left = buckets.larger_than(CROWDED).node.size
            idle = idle + 1 if left > 0.9 * crowd.node.size else 0
        crowds = [Crowd(nodes, self.sets, self.threshold, self.levels) for nodes in components(crowd)]
        proposals = [buckets.up_to(CROWDED), *(one.by_rare_shingle for one in crowds)]
        edges = [self._similar(*pair) for part in proposals for pair in part.pairs()]
        self._in_order(crowds, *(np.concatenate(column) for column in zip(_NO_PAIRS, *edges, strict=True)))
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
        decided[self._drop(left, right, score)] = True
        return decided

    def _drop(self, keepers: Nodes, nodes: Nodes, score: NDArray[np.float64]) -> Nodes:
        """Drop nodes, each in favour of the most similar of its keepers; which."""
        order = np.lexsort((keepers, -score, nodes))
        dropped, best = np.unique(nodes[order], return_index=True)
        self.choice.keeper[dropped] = keepers[order][best]
        self.choice.score[dropped] = score[order][best]
        return dropped

    def _in_order(self, crowds: list[Crowd], left: Nodes, right: Nodes, score: NDArray[np.float64]) -> None:
        """Decide the nodes that are left, given their similar pairs but those that crowds know of themselves."""
        count = self.groups.size
        alive = np.ones(count, dtype=bool)
        by_left = np.argsort(left, kind="stable")
        later = right[by_left]
        ends = np.cumsum(np.bincount(left, minlength=count)).tolist()
        crowd_of = np.full(count, -1)
        for number, crowd in enumerate(crowds):
            crowd_of[crowd.nodes] = number
        dropped = [_NO_PAIRS[0]], [_NO_PAIRS[1]]
        # A loop over nodes with similar ones: what becomes of a node depends on all before it (a few µs each).
        for node in np.unique(np.concatenate([left, *(crowd.nodes for crowd in crowds)])).tolist():
            if not alive[node]:
                continue
            alive[later[ends[node - 1] if node else 0 : ends[node]]] = False
            if crowd_of[node] >= 0:
                similar = crowds[crowd_of[node]].similar_to(node, alive)
                alive[similar] = False
                dropped[0].append(np.full(similar.size, node))
                dropped[1].append(similar)
        kept = alive[left]
        pairs = self._similar(np.concatenate(dropped[0]), np.concatenate(dropped[1]))
        known = left[kept], right[kept], score[kept]
        self._drop(*(np.concatenate(both) for both in zip(known, pairs, strict=True)))

    def _similar(self, left: Nodes, right: Nodes) -> tuple[Nodes, Nodes, NDArray[np.float64]]:
        """The pairs that reach the threshold, with their Jaccard index."""
        own = self.groups[left] == self.groups[right]
        if self.levels is not None:
            own &= self.levels[left] != self.levels[right]
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
