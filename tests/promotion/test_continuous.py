"""Means of differences: R's sleep data, statsmodels' clustered errors, scipy's bootstrap, and where nothing varies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap, ttest_rel

from gate.errors import UsageError
from gate.promotion.continuous import RESAMPLES, mean_difference
from gate.promotion.tango import Floats

SLEEP = (
    np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]),
    np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]),
)
"""R's `sleep` (Student 1908): t.test(extra ~ group, paired = TRUE) gives t = -4.0621, p = 0.002833 and the 95 %
interval -2.4598858 to -0.7001142."""
RNG = np.random.default_rng(7)
SCORES = RNG.random(60)
CHANGED = SCORES + RNG.exponential(0.1, 60) - 0.12
TOPICS = [f"topic {number // 4}" for number in range(60)]


def test_students_own_data() -> None:
    second, first = SLEEP[1], SLEEP[0]
    found = mean_difference(second, first, delta=-3.0, alpha=0.025)
    assert found.difference == pytest.approx(-1.58)
    assert found.p_difference == pytest.approx(0.002833, abs=5e-7)
    assert found.difference - found.critical * found.error == pytest.approx(-2.4598858, abs=1e-6)
    assert found.difference + found.critical * found.error == pytest.approx(-0.7001142, abs=1e-6)


def test_the_bound_is_the_wider_of_t_and_bootstrap() -> None:
    found = mean_difference(SCORES, CHANGED, delta=-0.05, seed=3)
    t = ttest_rel(CHANGED, SCORES).confidence_interval(0.9)
    drawn = bootstrap(
        (np.sort(CHANGED - SCORES),), np.mean, confidence_level=0.9, n_resamples=RESAMPLES, method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    assert t.low != pytest.approx(drawn.low, rel=1e-3)
    assert found.lower == pytest.approx(min(t.low, drawn.low))
    assert found.upper == pytest.approx(max(t.high, drawn.high))


def test_clusters_as_in_statsmodels() -> None:
    """The sandwich estimator of a constant, with the correction of small numbers."""
    from statsmodels.api import OLS

    groups = np.arange(60) // 4
    fit = OLS(CHANGED - SCORES, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    found = mean_difference(SCORES, CHANGED, delta=-0.05, clusters=TOPICS)
    assert found.error == pytest.approx(float(fit.bse[0]))
    assert found.p_difference == pytest.approx(float(fit.pvalues[0]))
    assert found.degrees == 14


def test_the_bootstrap_draws_whole_clusters() -> None:
    """Of unequal size: the same as drawing their numbers, and adding up what belongs to each."""
    sizes = np.array([1, 9, 2, 8, 3, 7, 4, 6, 5, 15])
    names = np.repeat(np.arange(10), sizes)
    sums = np.bincount(names, weights=CHANGED - SCORES)
    order = np.lexsort((sizes, sums))

    def mean(drawn: Floats, axis: int = -1) -> Floats:
        place = order[drawn.astype(int)]
        found: Floats = sums[place].sum(axis=axis) / sizes[place].sum(axis=axis)
        return found

    drawn = bootstrap(
        (np.arange(10.0),), mean, confidence_level=0.9, n_resamples=RESAMPLES, method="BCa", vectorized=True,
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    found = mean_difference(SCORES, CHANGED, delta=-0.05, clusters=[str(each) for each in names])
    t = found.difference - found.critical * found.error, found.difference + found.critical * found.error
    assert found.lower == pytest.approx(min(t[0], drawn.low), rel=1e-9)
    assert found.upper == pytest.approx(max(t[1], drawn.high), rel=1e-9)
    assert drawn.low < t[0] or drawn.high > t[1]  # otherwise this would not show it


def test_items_that_are_their_own_cluster_are_independent() -> None:
    alone = mean_difference(SCORES, CHANGED, delta=-0.05)
    named = mean_difference(SCORES, CHANGED, delta=-0.05, clusters=[str(number) for number in range(60)])
    assert named == alone


def test_items_that_repeat_each_other_are_worth_one() -> None:
    once = mean_difference(SCORES[:20], CHANGED[:20], delta=-0.05)
    repeated = mean_difference(
        np.tile(SCORES[:20], 3),
        np.tile(CHANGED[:20], 3),
        delta=-0.05,
        clusters=[str(number % 20) for number in range(60)],
    )
    assert (repeated.difference, repeated.error) == pytest.approx((once.difference, once.error))
    assert repeated.lower == pytest.approx(once.lower, rel=1e-6)
    assert mean_difference(np.tile(SCORES[:20], 3), np.tile(CHANGED[:20], 3), delta=-0.05).error < 0.7 * once.error


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_the_items_changes_nothing(random: object, clustered: bool) -> None:
    order = list(range(60))
    random.shuffle(order)  # type: ignore[attr-defined]
    clusters = TOPICS if clustered else None
    moved = [TOPICS[place] for place in order] if clustered else None
    assert mean_difference(SCORES[order], CHANGED[order], delta=-0.05, clusters=moved) == mean_difference(
        SCORES, CHANGED, delta=-0.05, clusters=clusters
    )


@pytest.mark.parametrize("clusters", [None, TOPICS])
@pytest.mark.parametrize(("before", "after"), [(SCORES, CHANGED), (CHANGED, SCORES)])  # skewed one way, and the other
def test_bound_and_p_value_agree(before: Floats, after: Floats, clusters: list[str] | None) -> None:
    low = mean_difference(before, after, delta=0.0, clusters=clusters).lower
    assert mean_difference(before, after, delta=low - 0.002, clusters=clusters).p_worse < 0.05
    assert mean_difference(before, after, delta=low + 0.002, clusters=clusters).p_worse > 0.05
    assert mean_difference(before, after, delta=low, clusters=clusters).p_worse == pytest.approx(0.05, abs=0.002)


def test_the_other_way_round_it_is_mirrored() -> None:
    one, other = mean_difference(SCORES, CHANGED, delta=0.0), mean_difference(CHANGED, SCORES, delta=0.0)
    assert one.difference == pytest.approx(-other.difference)
    assert one.lower == pytest.approx(-other.upper, abs=1e-3)  # the resamples are others
    assert one.upper == pytest.approx(-other.lower, abs=1e-3)


class TestWhereNothingVaries:
    """An interval without width would be believed after two items."""

    def test_it_is_as_wide_as_what_could_have_been_missed(self) -> None:
        found = mean_difference(np.full(50, 0.8), np.full(50, 0.8), delta=-0.03)
        assert found.lower == pytest.approx(-0.8 * (1 - 0.05 ** (1 / 50)))
        assert found.upper == -found.lower
        assert found.p_difference == 1.0
        assert found.p_worse == pytest.approx((1 - 0.03 / 0.8) ** 50)

    def test_rounding_does_not_make_it_vary(self) -> None:
        before = np.linspace(0.1, 0.9, 30)
        found = mean_difference(before, before + 0.1, delta=0.0)
        assert found.error == 0.0
        assert found.lower < 0.1 < found.upper
        assert found.p_difference == 2.0**-29

    def test_clusters_that_cancel_are_no_evidence_either(self) -> None:
        found = mean_difference(np.zeros(8), np.array([1.0, -1.0] * 4), delta=-0.03, clusters=[*"aabbccdd"])
        assert found.difference == 0.0
        assert found.lower < -0.3


@pytest.mark.parametrize(
    ("before", "after", "clusters", "words"),
    [
        ([0.5], [0.5], None, "there is one item: two at least"),
        ([0.5, 0.5], [0.5, 0.4], ["a", "a"], "there is one cluster: two at least"),
        ([], [], None, "there are no items"),
        ([0.5, math.nan], [0.5, 0.4], None, "no finite number"),
        ([0.5, 0.1], [0.5, math.inf], None, "no finite number"),
        ([0.5, 0.1], [0.5], None, "2 items before and 1 after"),
        ([0.5, 0.1], [0.5, 0.2], ["a"], "1 clusters are named for 2 items"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    before: list[float], after: list[float], clusters: list[str] | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        mean_difference(np.array(before), np.array(after), delta=-0.03, clusters=clusters)


def test_two_items_are_believed_very_little() -> None:
    found = mean_difference(np.array([0.5, 0.5]), np.array([0.5, 0.4]), delta=-0.03)
    assert found.lower < -0.3
    assert math.isfinite(found.upper)
