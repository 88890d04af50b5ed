"""McNemar, Holm and Wilson: published values, and every table of up to twelve changed items."""

from __future__ import annotations

import math

import pytest

from gate.errors import UsageError
from gate.promotion.mcnemar import holm, mcnemar, wilson


@pytest.mark.parametrize(
    ("lost", "gained", "exact", "mid"),
    [
        (2, 9, 0.06543, 0.03857),  # Fay, vignette exactMcNemar of R's exact2x2: mcnemar.exact
        (7, 1, 0.0703, 0.0391),  # Fagerland, Lydersen and Laake 2013, table 3 (Bentur et al. 2009)
        (0, 0, 1.0, 1.0),
        (5, 5, 1.0, 1 - math.comb(10, 5) / 2**10),
    ],
)
def test_published_values(lost: int, gained: int, exact: float, mid: float) -> None:
    found = mcnemar(lost, gained)
    assert found.exact == pytest.approx(exact, abs=6e-5)
    assert found.mid == pytest.approx(mid, abs=6e-5)


def test_many_changes() -> None:
    """R's mcnemar.test on approval ratings (Agresti 1990, p. 350): 150 and 86; chi-squared gives 3.8e-05."""
    assert mcnemar(150, 86).exact == pytest.approx(3.7e-5, rel=0.05)


@pytest.mark.parametrize("changed", range(1, 13))
def test_it_is_the_sum_over_all_tables(changed: int) -> None:
    for lost in range(changed + 1):
        as_far = [k for k in range(changed + 1) if abs(2 * k - changed) >= abs(2 * lost - changed)]
        exact = sum(math.comb(changed, k) for k in as_far) / 2**changed
        found = mcnemar(lost, changed - lost)
        assert found.exact == pytest.approx(exact)
        assert found.mid == pytest.approx(exact - math.comb(changed, lost) / 2**changed)
        assert found == mcnemar(changed - lost, lost)


def test_holm_as_in_r() -> None:
    """p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm"), in another order."""
    assert holm([0.05, 0.01, 0.03, 0.02, 0.04]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])
    assert holm([]) == []
    assert holm([0.04]) == [0.04]


@pytest.mark.parametrize("p_values", [[0.3, 0.3, 1.0, 0.0], [0.011, 0.02, 0.011, 0.9, 0.4, 0.02, 0.05]])  # it is slow
def test_holm_is_its_definition(p_values: list[float]) -> None:
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    expected, least = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, p_values[place] * (len(p_values) - rank)))
        expected[place] = least
    assert holm(p_values) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [[0.1, math.nan], [-0.1], [1.1]])
def test_what_is_no_probability_is_refused(bad: list[float]) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        holm(bad)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5.1e-5)
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=5.1e-5)


@pytest.mark.parametrize("n", range(1, 13))
def test_wilson_solves_its_equation(n: int) -> None:
    for successes in range(n + 1):
        for bound in wilson(successes, n, 0.1):
            if 0 < bound < 1:
                z = (successes / n - bound) / math.sqrt(bound * (1 - bound) / n)
                assert abs(z) == pytest.approx(1.6448536, rel=1e-6)


@pytest.mark.parametrize(("successes", "n", "alpha"), [(0, 0, 0.05), (3, 2, 0.05), (-1, 2, 0.05), (1, 2, 0.0)])
def test_what_is_no_share_is_refused(successes: int, n: int, alpha: float) -> None:
    with pytest.raises(UsageError, match="no such share"):
        wilson(successes, n, alpha)
