"""Exposure, membership and the cutting of words, against brute force and published figures."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evaluation.exposure import cap, exposures, likelier
from gate.evaluation.membership import area, told
from gate.evaluation.memorization_figures import newcombe
from gate.evaluation.memorization_words import cut, longest_run, words

NUMBERS = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=9)


@given(NUMBERS, NUMBERS)
def test_exposure_is_the_rank_among_controls_counted_one_by_one(canaries: list[float], controls: list[float]) -> None:
    bits = exposures(np.array(canaries), np.array(controls))
    for bit, canary in zip(bits, canaries, strict=True):
        rank = 1 + sum((each > canary) + (each == canary) / 2 for each in controls)
        assert math.isclose(bit, math.log2(len(controls) + 1) - math.log2(rank), abs_tol=1e-12)
    assert 0 <= bits.min() <= bits.max() <= cap(len(controls))


def test_a_canary_that_was_not_learned_has_1_44_bits_on_the_average() -> None:
    """Each rank is as probable as any other: the mean over all of them tends to 1 / ln 2 (1.4427)."""
    controls = np.arange(1023.0)
    mean = exposures(np.arange(-0.5, 1023.0), controls).mean()
    assert mean == pytest.approx(1 / math.log(2), abs=0.01)
    assert exposures(np.array([2000.0]), controls)[0] == cap(1023) == 10
    assert exposures(np.array([-1.0]), controls)[0] == 0


def test_exposure_does_not_depend_on_the_order_of_the_controls() -> None:
    draw = np.random.default_rng(0)
    controls, canaries = draw.normal(size=64), draw.normal(size=8)
    again = exposures(canaries, draw.permutation(controls))
    assert np.array_equal(exposures(canaries, controls), again)


@pytest.mark.parametrize("wrong", [([1.0], []), ([math.nan], [1.0]), ([1.0], [math.inf, 0.0])])
def test_exposure_of_nothing_or_of_no_number_is_an_error(wrong: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="controls and finite"):
        exposures(np.array(wrong[0]), np.array(wrong[1]))


def test_likelier_is_the_share_of_all_divisions_with_as_large_a_rank_sum() -> None:
    """The exact null distribution, by enumeration of all 126 ways to take 4 of 9."""
    canaries, controls = [9.0, 7.5, 6.1, 3.2], [8.0, 5.0, 4.0, 2.0, 1.0]
    every = sorted(canaries + controls)
    observed = sum(every.index(each) for each in canaries)
    sums = [sum(taken) for taken in itertools.combinations(range(9), 4)]
    p = sum(each >= observed for each in sums) / len(sums)
    assert likelier(np.array(canaries), np.array(controls)) == pytest.approx(p)


@given(NUMBERS, NUMBERS)
def test_the_area_is_the_share_of_pairs_that_a_member_wins(members: list[float], others: list[float]) -> None:
    found = area(np.array(members), np.array(others), 0.95)
    pairs = [(one > other) + (one == other) / 2 for one in members for other in others]
    assert found.value == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.lower <= found.value <= found.upper <= 1


def test_the_variance_of_the_area_is_delongs_by_its_definition() -> None:
    """Structural components one by one, as equations 4 to 6 of DeLong et al. 1988 write them."""
    draw = random.Random(0)
    members, others = [draw.gauss(0.8, 1) for _ in range(25)], [draw.gauss(0, 1) for _ in range(40)]
    v10 = [sum((x > y) + (x == y) / 2 for y in others) / len(others) for x in members]
    v01 = [sum((x > y) + (x == y) / 2 for x in members) / len(members) for y in others]
    value = sum(v10) / len(v10)
    s10 = sum((each - value) ** 2 for each in v10) / (len(v10) - 1)
    s01 = sum((each - value) ** 2 for each in v01) / (len(v01) - 1)
    half = 1.959963984540054 * math.sqrt(s10 / len(members) + s01 / len(others))
    found = area(np.array(members), np.array(others), 0.95)
    assert (found.lower, found.upper) == pytest.approx((value - half, value + half))


def test_an_area_of_one_is_not_certain() -> None:
    found = area(np.array([3.0, 4.0, 5.0]), np.array([0.0, 1.0, 2.0, 2.5]), 0.95)
    assert found.value == found.upper == 1
    assert found.lower == pytest.approx(0.4385, abs=1e-3)  # Wilson's of 3 in 3


def test_members_are_told_at_no_more_false_alarms_than_allowed() -> None:
    others = np.arange(200.0)
    members = np.array([500.0, 199.5, 198.5, 197.5, 197.0, 3.0])
    assert told(members, others, 0.01) == 4  # above 197, which two of 200 are
    assert (others > 197.0).mean() <= 0.01
    assert told(members, others[:99], 0.01) is None


def test_newcombe_gives_the_published_intervals() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873-890, table II, method 10."""
    assert newcombe(56, 70, 48, 80, 0.95) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert newcombe(9, 10, 3, 10, 0.95) == pytest.approx((0.1705, 0.8090), abs=1e-4)
    assert newcombe(10, 10, 0, 20, 0.95) == pytest.approx((0.6791, 1.0), abs=1e-4)


@given(st.text(alphabet="ab \n漢字", max_size=60), st.integers(1, 8), st.integers(1, 8))
def test_an_answer_is_cut_between_words_and_nothing_of_it_is_changed(text: str, prefix: int, suffix: int) -> None:
    given_, wanted = cut(text, prefix, suffix)
    every = words(text)
    half = min(prefix, len(every) // 2)
    assert words(given_) == every[:half]
    assert words(wanted) == every[half : half + suffix]
    assert text.startswith(given_)
    assert wanted in text


def test_words_of_scripts_without_spaces_are_characters() -> None:
    assert words("燈塔 is 東") == ["燈", "塔", "is", "東"]
    assert cut("燈塔守夜人", 50, 50) == ("燈塔", "守夜人")


@given(st.lists(st.sampled_from("abc"), max_size=9), st.lists(st.sampled_from("abc"), max_size=9))
def test_the_longest_run_is_the_longest_slice_that_both_have(one: list[str], other: list[str]) -> None:
    slices = {tuple(one[i:j]) for i in range(len(one)) for j in range(i + 1, len(one) + 1)}
    theirs = {tuple(other[i:j]) for i in range(len(other)) for j in range(i + 1, len(other) + 1)}
    assert longest_run(one, other) == max((len(each) for each in slices & theirs), default=0)
