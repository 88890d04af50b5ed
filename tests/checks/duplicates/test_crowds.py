"""Crowds: the pairs of templated rows, by rare shingles or by common ones, and none missed."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gate.checks.duplicates.crowds import Crowd
from gate.checks.duplicates.verification import ShingleSets, distinct


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.9])
def test_all_similar_pairs_of_a_crowd_are_known(threshold: float) -> None:
    rng = np.random.default_rng(3)
    core, pool = np.arange(40), 1000 + np.arange(2000)
    texts = [
        np.concatenate([core[rng.random(40) < 0.97], rng.choice(pool, rng.integers(0, 12), replace=False)])
        for _ in range(150)
    ]
    values = np.concatenate(texts).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    sets = ShingleSets(*distinct(values, np.cumsum([0, *map(len, texts)])))
    nodes, alive = np.arange(150), np.ones(150, dtype=bool)
    expected = {(a, b) for a, b in combinations(range(150), 2) if _jaccard(set(texts[a]), set(texts[b])) >= threshold}
    crowd = Crowd(nodes, sets, threshold)
    by_common = {(node, int(other)) for node in range(150) for other in crowd.similar_to(node, alive)}
    by_rare = {
        (int(a), int(b)) for left, right in crowd.by_rare_shingle.pairs() for a, b in zip(left, right, strict=True)
    }
    assert by_common <= expected
    assert expected <= by_common | by_rare
    assert expected - by_rare


def _jaccard(left: set[int], right: set[int]) -> float:
    return len(left & right) / len(left | right)
