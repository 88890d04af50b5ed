"""Setting texts aside never costs a pair: whoever has a partner stays."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.checks.duplicates import sharing
from gate.checks.duplicates.sharing import may_have_partner


@pytest.mark.parametrize("slots", [1 << 25, 16])
@settings(max_examples=200, deadline=None)
@given(
    lists=st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=1, max_size=12),
    threshold=st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_whoever_has_a_partner_stays(slots: int, lists: list[list[int]], threshold: float) -> None:
    texts = lists
    values = np.array([value for text in texts for value in text], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    offsets = np.cumsum([0, *(len(text) for text in texts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "MOST_SLOTS", slots)
        stays = may_have_partner(values, offsets, threshold)
    originals = [at for at in range(len(texts)) if texts[at]]
    for one, other in combinations(originals, 2):
        a, b = set(texts[one]), set(texts[other])
        if len(a & b) >= threshold * len(a | b):
            assert stays[one]
            assert stays[other]


def test_a_text_of_its_own_is_set_aside() -> None:
    values = np.arange(300, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    values[100:195] = values[:95]
    stays = may_have_partner(values, np.array([0, 100, 200, 300]), 0.8)
    assert stays.tolist() == [True, True, False]
