"""One comparison: its verdict, and that every figure of it fits the others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.promotion.compare import compare
from gate.promotion.comparison import Comparison
from gate.promotion.mcnemar import mcnemar
from gate.promotion.noise import noise_of
from gate.promotion.size import critical
from gate.promotion.tango import Floats, lower_bound, upper_bound


def table(lost: int, gained: int, n: int, right: float = 1.0) -> tuple[Floats, Floats]:
    """Items of which so many changed; `right`: the share of the others that both have right."""
    same = n - lost - gained
    both = np.r_[np.ones(round(same * right)), np.zeros(same - round(same * right))]
    return np.r_[np.ones(lost), np.zeros(gained), both], np.r_[np.zeros(lost), np.ones(gained), both]


def judged(lost: int, gained: int, n: int, margin: float = 0.03, **more: object) -> Comparison:
    return compare(*table(lost, gained, n), binary=True, margin=margin, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lost", "gained", "n", "verdict"),
    [
        (0, 0, 99, "pass"),
        (0, 0, 98, "inconclusive"),
        (0, 0, 1, "inconclusive"),
        (2, 12, 300, "pass"),
        (20, 20, 300, "inconclusive"),
        (60, 5, 300, "fail"),
        (300, 0, 300, "fail"),
    ],
)
def test_verdicts(lost: int, gained: int, n: int, verdict: str) -> None:
    assert judged(lost, gained, n).verdict == verdict


def test_figures() -> None:
    found = judged(12, 4, 200, chance=0.25)
    assert (found.kind, found.n, found.lost, found.gained) == ("binary", 200, 12, 4)
    assert found.difference == pytest.approx(found.after - found.before) == pytest.approx(-0.04)
    assert found.p_difference == mcnemar(12, 4).exact
    assert found.smallest_n == 99
    assert found.critical > 1.645
    assert "Tango" in found.method
    assert found.forgetting is not None
    assert found.forgetting.forgotten == 0.06
    assert found.minimum_detectable > 0.03


@pytest.mark.parametrize("n", [50, 89, 137])
def test_both_bounds_have_the_exact_size(n: int) -> None:
    found = judged(3, 2, n)
    assert found.lower == lower_bound(3, 2, n, critical(n, -0.03, 0.05))
    assert found.upper == upper_bound(3, 2, n, critical(n, 0.03, 0.05))


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 150))
    lost = draw(st.integers(0, min(n, 30)))
    return lost, draw(st.integers(0, min(n - lost, 30))), n


@settings(max_examples=30)
@given(tables(), st.sampled_from([-0.02, 0.0, 0.03, 0.1]))
def test_all_figures_agree(table: tuple[int, int, int], margin: float) -> None:
    lost, gained, n = table
    found = judged(lost, gained, n, margin)
    assert -1 <= found.lower <= found.difference <= found.upper <= 1
    assert (found.p_worse < 0.05) == (found.lower > -margin) == (found.verdict == "pass")
    assert found.required_n is None or found.required_n > n
    if found.verdict != "inconclusive":
        assert found.required_n is None
    assert all(math.isfinite(each) for each in (found.minimum_detectable, found.p_worse, found.critical))


@settings(max_examples=15)
@given(tables())
def test_losing_one_more_is_never_better(table: tuple[int, int, int]) -> None:
    lost, gained, n = table
    one = judged(lost, gained, n)
    if lost + gained < n:
        more = judged(lost + 1, gained, n)
        assert more.lower < one.lower
        assert more.p_worse >= one.p_worse - 2e-4


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_the_order_of_the_items_changes_nothing(random: object, binary: bool, clustered: bool) -> None:
    before, after = table(8, 5, 60, right=0.7)
    if not binary:
        after = after * 0.9 + before * np.linspace(0, 0.1, 60)
    order = list(range(60))
    random.shuffle(order)  # type: ignore[attr-defined]
    names = [f"topic {number % 9}" for number in range(60)] if clustered else None
    moved = [names[place] for place in order] if names else None
    one = compare(before, after, binary=binary, margin=0.03, clusters=names)
    assert compare(before[order], after[order], binary=binary, margin=0.03, clusters=moved) == one


def test_where_less_is_better_all_is_negated() -> None:
    before, after = table(12, 4, 200, right=0.5)
    wrong = compare(1 - before, 1 - after, binary=True, higher_is_better=False, margin=0.03, chance=0.0)
    right = compare(before, after, binary=True, margin=0.03, chance=0.0)
    assert (wrong.lost, wrong.gained, wrong.lower, wrong.upper) == (right.lost, right.gained, right.lower, right.upper)
    assert wrong.forgetting == right.forgetting
    assert wrong.before == pytest.approx(right.before - 1)
    bits = compare([1.0, 1.1, 1.2], [1.5, 1.7, 1.6], binary=False, higher_is_better=False, margin=0.05)
    assert bits.difference == pytest.approx(-0.5)
    assert bits.before == pytest.approx(-1.1)
    assert bits.verdict == "fail"


def test_better_is_asked_for_by_a_margin_of_0_or_below() -> None:
    assert judged(2, 20, 300, margin=-0.0).verdict == "pass"
    assert str(judged(2, 20, 300, margin=-0.0).margin) == "0.0"
    assert judged(0, 0, 300, margin=0.0).verdict == "inconclusive"
    assert judged(0, 0, 300, margin=0.0).required_n is None
    assert judged(2, 20, 300, margin=-0.05).verdict == "inconclusive"
    assert judged(20, 2, 300, margin=0.0).verdict == "fail"


class TestClusters:
    def test_the_wider_bounds_count(self) -> None:
        before, after = table(6, 2, 120)
        alone = compare(before, after, binary=True, margin=0.03)
        # All that changed lies in two topics: it says less than as many single items would.
        topics = [f"topic {number // 4}" for number in range(120)]
        found = compare(before, after, binary=True, margin=0.03, clusters=topics)
        assert found.lower < alone.lower
        assert found.upper > alone.upper
        assert found.clusters == 30
        assert found.p_difference > alone.p_difference
        assert "clusters" in found.method
        assert found.required_n is not None
        assert alone.required_n is not None
        assert found.required_n > alone.required_n

    def test_they_never_narrow_a_binary_interval(self) -> None:
        before, after = table(0, 0, 120)
        alone = compare(before, after, binary=True, margin=0.03)
        found = compare(before, after, binary=True, margin=0.03, clusters=[str(n % 60) for n in range(120)])
        assert found.lower <= alone.lower


class TestNoise:
    """It widens both ends and moves no margin."""

    def test_a_repeat_that_is_the_same_changes_nothing(self) -> None:
        before, _ = table(5, 5, 100)
        assert noise_of(before, before) == 0.0
        assert judged(3, 2, 400, noise=0.0) == judged(3, 2, 400)

    def test_both_ends_move_away(self) -> None:
        quiet, noisy = judged(3, 2, 400), judged(3, 2, 400, noise=0.01)
        assert noisy.lower == pytest.approx(quiet.lower - 0.01, abs=1e-4)
        assert noisy.upper == pytest.approx(quiet.upper + 0.01, abs=1e-3)
        assert (noisy.margin, noisy.noise) == (quiet.margin, 0.01)
        assert noisy.p_worse > quiet.p_worse

    def test_enough_of_it_undoes_a_pass(self) -> None:
        assert judged(3, 2, 400).verdict == "pass"
        loud = judged(3, 2, 400, noise=0.04)
        assert (loud.verdict, loud.required_n) == ("inconclusive", None)
        assert judged(60, 5, 300, noise=0.3).verdict == "inconclusive"

    @pytest.mark.parametrize(("there", "back", "expected"), [(3, 3, 1.6449 * 6**0.5), (20, 0, 20), (1, 0, 1.6449)])
    def test_it_is_what_the_flips_could_add_up_to(self, there: int, back: int, expected: float) -> None:
        first, repeat = table(there, back, 200)
        assert noise_of(first, repeat) == pytest.approx(expected / 200, rel=1e-4)

    def test_flips_of_one_cluster_add_up(self) -> None:
        first, repeat = table(4, 0, 40)
        apart = noise_of(first, repeat, clusters=[str(number) for number in range(40)])
        together = noise_of(first, repeat, clusters=["a"] * 4 + [str(number) for number in range(36)])
        assert apart == noise_of(first, repeat)
        assert together == pytest.approx(2 * 1.6449 * 2 / 40, rel=1e-4)

    def test_of_continuous_metrics_it_is_the_spread(self) -> None:
        first = np.linspace(0, 1, 50)
        repeat = first + np.tile([0.02, -0.02], 25)
        assert noise_of(first, repeat) == pytest.approx(1.6449 * 0.02 * 50**0.5 / 50, rel=1e-4)

    @pytest.mark.parametrize(("first", "repeat"), [([], []), ([1.0], [1.0, 0.0]), ([1.0], [math.nan])])
    def test_a_repeat_that_is_none_is_refused(self, first: list[float], repeat: list[float]) -> None:
        with pytest.raises(UsageError):
            noise_of(np.array(first), np.array(repeat))


@pytest.mark.parametrize(
    ("before", "after", "more", "words"),
    [
        ([], [], {}, "there are no items"),
        ([1, 0], [1], {}, "2 items before and 1 after"),
        ([1, math.nan], [1, 0], {}, "no finite number"),
        ([1, 0.5], [1, 0], {}, "neither 0 nor 1"),
        ([1, "x"], [1, 0], {}, "no number"),
        ([1, 0], [1, 0], {"margin": math.nan}, "a margin of nan"),
        ([1, 0], [1, 0], {"margin": 1.0}, "a margin of 1.0"),
        ([1, 0], [1, 0], {"alpha": 0.0}, "alpha = 0.0"),
        ([1, 0], [1, 0], {"alpha": 0.6}, "alpha = 0.6"),
        ([1, 0], [1, 0], {"noise": -0.1}, "noise of -0.1"),
        ([1, 0], [1, 0], {"noise": math.nan}, "noise of nan"),
        ([1, 0], [1, 0], {"chance": 1.0}, "guessing scores between 0 and 1"),
        ([1, 0], [1, 0], {"clusters": ["a"]}, "1 clusters are named for 2 items"),
        ([1, 0], [1, 0], {"clusters": ["a", "a"]}, "there is one cluster"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    before: list[object], after: list[object], more: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        compare(before, after, binary=True, **{"margin": 0.03, **more})  # type: ignore[arg-type]
