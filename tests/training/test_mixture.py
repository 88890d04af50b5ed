"""How many rows of each snapshot are drawn, which, and how they lie."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.training.mixture import draw_key, drawn, draws, interleaved, replayed


def test_without_weights_every_row_is_drawn_once() -> None:
    assert drawn([30, 7], [None, None]) == [30, 7]


def test_weights_are_shares_of_a_pass_as_long_as_all_snapshots_together() -> None:
    assert drawn([90, 10], [1.0, 1.0]) == [50, 50]
    assert drawn([90, 10], [3.0, 1.0]) == [75, 25]


def test_a_snapshot_without_a_weight_weighs_as_many_as_it_has_rows() -> None:
    assert drawn([60, 40], [60.0, None]) == [60, 40]
    assert drawn([60, 40], [None, 20.0]) == [75, 25]


@given(st.lists(st.tuples(st.integers(50, 500), st.floats(0.5, 2)), min_size=1, max_size=5))
def test_draws_add_up_and_are_within_one_of_their_share(snapshots: list[tuple[int, float]]) -> None:
    rows, weights = [count for count, _ in snapshots], [weight for _, weight in snapshots]
    counts = drawn(rows, weights)
    assert sum(counts) == sum(rows)
    for count, weight in zip(counts, weights, strict=True):
        assert abs(count - sum(rows) * weight / sum(weights)) < 1


def test_a_weight_that_draws_nothing_is_an_error() -> None:
    with pytest.raises(UsageError, match="snapshot 2 of the mixture"):
        drawn([100, 100], [1000.0, 0.001])


@given(st.integers(1, 5000), st.floats(0.01, 0.9))
def test_replay_is_a_share_of_the_final_set(main: int, share: float) -> None:
    replay = replayed(main, share)
    assert abs(replay - share * (main + replay)) <= 0.5


@given(st.integers(1, 60), st.integers(0, 200), st.integers(0, 3))
def test_every_row_comes_as_often_as_every_other_or_once_more(size: int, count: int, seed: int) -> None:
    ids = [f"row {number}" for number in range(size)]
    times = Counter(place for place, _ in draws(ids, count, seed))
    assert sum(times.values()) == count
    assert set(times.values()) <= {count // size, count // size + 1}
    again = Counter(draws(ids, count, seed))
    assert max(again.values(), default=1) == 1, "a repetition has a number of its own"


def test_a_seed_draws_the_same_rows_everywhere_and_another_seed_others() -> None:
    ids = [f"row {number}" for number in range(100)]
    assert draws(ids, 20, 0) == draws(ids, 20, 0) != draws(ids, 20, 1)
    # Written down: another machine or version must not draw others.
    assert draw_key(7, "a", 1).hex()[:16] == "c888c85a649c7468"
    assert [place for place, _ in draws(["a", "b", "c", "d"], 4, 0)] == [2, 3, 0, 1]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_any_stretch_holds_of_each_group_what_its_share_is(sizes: list[int]) -> None:
    order = interleaved(sizes)
    assert Counter(order) == Counter({group: size for group, size in enumerate(sizes) if size})
    for group, size in enumerate(sizes):
        seen = 0
        for position, each in enumerate(order, start=1):
            seen += each == group
            assert abs(seen - size * position / len(order)) <= len(sizes)
