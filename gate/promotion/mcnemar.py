"""Tests of whether anything changed, and of single shares: McNemar's, Holm's correction, Wilson's interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gate.errors import UsageError


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two-sided p-values of "as many lost as gained"."""

    exact: float
    """Binomial, given how many changed (McNemar 1947; never too small)."""
    mid: float
    """Mid-p: half of the observed table's own probability is left out (Fagerland, Lydersen and Laake 2013, BMC Medical
    Research Methodology 13:91). Nearer to its nominal size, which it may exceed a little."""


def mcnemar(lost: int, gained: int) -> McNemar:
    """McNemar's test of `lost` against `gained` items; 1 where none changed.

    Raises:
        UsageError: a count below 0.
    """
    if lost < 0 or gained < 0:
        raise UsageError(f"{lost} lost and {gained} gained: counts start at 0")
    from scipy.stats import binom
    from statsmodels.stats.contingency_tables import mcnemar as test

    if lost + gained == 0:
        return McNemar(exact=1.0, mid=1.0)
    exact = min(1.0, float(test([[0, lost], [gained, 0]], exact=True).pvalue))
    own = float(binom.pmf(min(lost, gained), lost + gained, 0.5))
    return McNemar(exact=exact, mid=max(0.0, exact - own))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted by Holm's step-down procedure (1979), in the same order: those at most α name hypotheses
    of which, with probability 1 − α, none is wrongly refused.

    Raises:
        UsageError: one is no probability.
    """
    if any(not 0 <= p <= 1 for p in p_values):  # NaN as well
        raise UsageError("a p-value is a number between 0 and 1")
    if not p_values:
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(list(p_values), method="holm")[1]]


def wilson(successes: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """Wilson's score interval of a share (1927), two-sided at 1 − alpha.

    Raises:
        UsageError: n is 0, or there are more successes than that.
    """
    if n < 1 or not 0 <= successes <= n or not 0 < alpha < 1:
        raise UsageError(f"{successes} of {n} at alpha {alpha}: there is no such share")
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=alpha, method="wilson")
    # Rounding leaves −3e-19 for none of n.
    return (0.0 if successes == 0 else float(low), 1.0 if successes == n else float(high))
