"""Tango's statistic and interval: published examples, an independent maximum of the likelihood, and what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from gate.errors import UsageError
from gate.promotion.tango import lower_bound, statistic, upper_bound

Z90, Z95 = norm.isf(0.05), norm.isf(0.025)


@st.composite
def tables(draw: st.DrawFn, most: int = 300) -> tuple[int, int, int]:
    n = draw(st.integers(1, most))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


def test_tangos_own_example() -> None:
    """Tango 1998, 44 patients' contact lenses (Miyanaga 1994), one lost, margin 0.1: Z = 1.709, p = 0.044."""
    score = float(statistic(1, 0, 44, -0.1))
    assert score == pytest.approx(1.709, abs=0.0005)
    assert norm.sf(score) == pytest.approx(0.044, abs=0.0005)


@pytest.mark.parametrize(
    ("lost", "gained", "n", "z", "lower", "upper", "digits"),
    [
        # R, PropCIs 0.3-0: scoreci.mp(25, 28, 618, 0.90) and scoreci.mp(60, 20, 1000, 0.95), of (second - first) / n.
        (25, 28, 618, Z90, -0.0148, 0.0247, 4),
        (60, 20, 1000, Z95, -0.0584, -0.0231, 4),
        (20, 60, 1000, Z95, 0.0231, 0.0584, 4),
        # Fagerland, Lydersen and Laake 2014 (Statistics in Medicine 33:2850): airway hyper-responsiveness of 21
        # children before and after stem cell transplantation (Bentur et al. 2009).
        (7, 1, 21, Z95, -0.517, -0.026, 3),
    ],
)
def test_published_intervals(lost: int, gained: int, n: int, z: float, lower: float, upper: float, digits: int) -> None:
    assert round(lower_bound(lost, gained, n, z), digits) == lower
    assert round(upper_bound(lost, gained, n, z), digits) == upper


@given(tables(most=60), st.floats(-0.95, 0.95))
def test_the_variance_is_the_likeliest_one(table: tuple[int, int, int], delta: float) -> None:
    """The share q that the formula uses is found again by maximising the trinomial likelihood."""
    lost, gained, n = table

    def minus_log_likelihood(q: float) -> float:
        shares = (q, q + delta, 1 - 2 * q - delta)
        counts = (lost, gained, n - lost - gained)
        return -sum(count * math.log(max(share, 1e-300)) for count, share in zip(counts, shares, strict=True) if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = min(
        (low, high, minimize_scalar(minus_log_likelihood, (low, high), (low, high), method="bounded",
                                    options={"xatol": 1e-12}).x),
        key=minus_log_likelihood,
    )  # fmt: skip
    variance = n * (2 * q + delta - delta * delta)
    if variance > 1e-6:
        expected = (gained - lost - n * delta) / math.sqrt(variance)
        assert float(statistic(lost, gained, n, delta)) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("n", [1, 44, 88, 1000])
def test_without_a_change_the_bounds_are_known(n: int) -> None:
    assert lower_bound(0, 0, n, Z90) == pytest.approx(-(Z90**2) / (n + Z90**2), rel=1e-14)
    assert upper_bound(0, 0, n, Z90) == -lower_bound(0, 0, n, Z90)


def test_at_no_difference_it_is_mcnemars() -> None:
    assert float(statistic(9, 4, 100, 0.0)) == pytest.approx((4 - 9) / math.sqrt(13))
    assert float(statistic(0, 0, 100, 0.0)) == 0.0


@given(tables(), st.floats(-0.99, 0.99))
def test_mirrored_tables_give_mirrored_figures(table: tuple[int, int, int], delta: float) -> None:
    lost, gained, n = table
    assert float(statistic(lost, gained, n, delta)) == -float(statistic(gained, lost, n, -delta))
    assert lower_bound(lost, gained, n, Z90) == -upper_bound(gained, lost, n, Z90)


@given(tables(), st.sampled_from([0.5, Z90, Z95, 3.0]))
def test_bounds_hold_the_difference_and_solve_the_equation(table: tuple[int, int, int], z: float) -> None:
    lost, gained, n = table
    low, high = lower_bound(lost, gained, n, z), upper_bound(lost, gained, n, z)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    if low > -1:
        assert float(statistic(lost, gained, n, low)) == pytest.approx(z, abs=1e-6)
    assert lower_bound(lost, gained, n, z + 0.1) <= low


@pytest.mark.parametrize("n", [1, 2, 7, 30, 120])
@pytest.mark.parametrize("delta", [-0.5, -0.03, -1e-6, 0.0, 1e-6, 0.03, 0.5])
def test_it_rises_with_gained_and_falls_with_lost(n: int, delta: float) -> None:
    """On every table: the exact test counts on it."""
    lost, gained = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    score = np.where(lost + gained <= n, statistic(lost, gained, n, delta), np.nan)
    rises, falls = np.diff(score, axis=1), np.diff(score, axis=0)
    assert np.nanmin(rises, initial=1.0) > 0
    assert np.nanmax(falls, initial=-1.0) < 0


@given(tables())
def test_it_falls_with_the_hypothesis(table: tuple[int, int, int]) -> None:
    lost, gained, n = table
    scores = statistic(lost, gained, n, np.linspace(-0.999, 0.999, 401))
    assert (np.diff(scores) <= 1e-9).all()


@pytest.mark.parametrize(("lost", "gained", "n"), [(0, 0, 0), (-1, 0, 5), (3, 3, 5)])
def test_what_is_no_table_is_refused(lost: int, gained: int, n: int) -> None:
    with pytest.raises(UsageError, match="no such comparison"):
        lower_bound(lost, gained, n, Z90)


@pytest.mark.parametrize("z", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_critical_value_is_refused(z: float) -> None:
    with pytest.raises(UsageError, match="critical value"):
        upper_bound(1, 1, 10, z)
