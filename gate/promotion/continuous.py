"""The mean difference of a continuous metric over the same items: paired t and BCa bootstrap, clustered where needed.

Items of one cluster (questions on one document, instances of one template) are not independent. Their differences from
the mean are summed before they are squared (Miller 2024, "Adding error bars to evals", arXiv:2411.00640, the clustered
standard error of section 2.2, applied to paired differences as in section 4.2), with the factor C/(C − 1) of small
numbers, and t has C − 1 degrees of freedom; the bootstrap draws clusters (Efron 1987, JASA 82:171, bias-corrected and
accelerated). With every item its own cluster that is the paired t test. The two bounds err in different ways, where
differences are skewed and where they are few; the wider one counts.

Where all differences are the same, both intervals have no width, which is no evidence that there is none: a share of up
to 1 − α^(1/n) of all items could behave otherwise and not one be seen. Such items are taken to change by the greatest
score that was seen.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gate.errors import UsageError
from gate.promotion.groups import grouped
from gate.promotion.tango import Floats

RESAMPLES = 9_999
"""Of the bootstrap. The share beyond its 5 % quantile is then known to ± 0.4 points: 2 √(0.05 · 0.95 / 9,999)."""
_ROUNDING = 1e-12
"""Of a score: differences that vary by less are the same."""
_DRAWN = 4_000_000
"""Figures drawn at once: what is held in memory."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean difference with one-sided bounds, each at 1 − alpha."""

    difference: float
    error: float
    """Its standard error; 0 where all differences are the same."""
    lower: float
    upper: float
    p_difference: float
    """Two-sided, paired t."""
    p_worse: float
    """One-sided, of "`delta` or less": the larger one of t and bootstrap."""
    critical: float
    """Of t."""
    degrees: int
    """Of freedom: clusters − 1."""


def mean_difference(
    before: Floats,
    after: Floats,
    *,
    delta: float,
    alpha: float = 0.05,
    clusters: Sequence[str] | None = None,
    seed: int = 0,
) -> Mean:
    """The mean of after − before.

    Args:
        before: a metric of each item, of which more is better.
        after: of the same items.
        delta: the difference that `p_worse` is about: −margin.
        clusters: the cluster of each item; None: all are independent.
        seed: of the bootstrap.

    Raises:
        UsageError: of two lengths, not finite, or fewer than two items or clusters: without any spread between them
            nothing can be said of what was not seen.
    """
    if len(before) != len(after):
        raise UsageError(f"{len(before)} items before and {len(after)} after: they are not pairs")
    differences = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise UsageError("a score is no finite number: nothing was compared")
    if not 0 < alpha < 0.5 or not math.isfinite(delta):
        raise UsageError(f"alpha = {alpha} and a difference of {delta}: there is no such test")
    sums, sizes = grouped(differences, clusters)
    count = len(sums)
    if count < 2:
        what = "cluster" if clusters is not None else "item"
        raise UsageError(
            f"there {'is one ' + what if count else 'are no ' + what + 's'}: two at least are needed to see any spread",
            remedy=f"give the task more {what}s",
        )
    from scipy.stats import t as student

    n = float(sizes.sum())
    mean = math.fsum(sums) / n
    degrees = count - 1
    critical = float(student.isf(alpha, degrees))
    residuals = sums - mean * sizes
    largest = float(max(np.abs(before).max(), np.abs(after).max()))
    if float(np.abs(residuals / sizes).max()) <= _ROUNDING * largest:
        return _unchanging(mean, largest, count, delta, alpha, critical)
    error = math.sqrt(count / degrees * float(residuals @ residuals)) / n
    lower, upper = mean - critical * error, mean + critical * error
    p_worse = float(student.sf((mean - delta) / error, degrees))
    p_difference = 2 * float(student.sf(abs(mean) / error, degrees))
    resampled = _bootstrap(sums, sizes, delta, alpha, seed)
    if resampled is not None:
        lower, upper = min(lower, resampled[0]), max(upper, resampled[1])
        p_worse = max(p_worse, resampled[2])
    return Mean(mean, error, lower, upper, min(1.0, p_difference), p_worse, critical, degrees)


def _unchanging(difference: float, largest: float, count: int, delta: float, alpha: float, critical: float) -> Mean:
    """All differences are the same: what could have been missed instead of a standard error."""
    reach = (1 - alpha ** (1 / count)) * largest
    # (1 − share)^n that none was seen, for the share at which the mean would be `delta`.
    share = (difference - delta) / largest if largest else float(difference > delta)
    p_worse = max(0.0, 1 - share) ** count if share > 0 else 1.0
    # The sign test: as likely as n coins that fall alike.
    p_difference = 1.0 if abs(difference) <= _ROUNDING * largest else min(1.0, 2.0 ** (1 - count))
    return Mean(difference, 0.0, difference - reach, difference + reach, p_difference, p_worse, critical, count - 1)


def _bootstrap(sums: Floats, sizes: Floats, delta: float, alpha: float, seed: int) -> tuple[float, float, float] | None:
    """BCa bounds, and the p-value that agrees with them; None where it has none (two clusters, nearly all the same)."""
    from scipy.stats import bootstrap, norm

    def mean(drawn: Floats, *drawn_sizes: Floats, axis: int = -1) -> Floats:
        weights = drawn_sizes[0].sum(axis=axis) if drawn_sizes else drawn.shape[axis]
        found: Floats = drawn.sum(axis=axis) / weights
        return found

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # that it has no interval is what NaN says below
        found = bootstrap(
            (sums,) if (sizes == 1).all() else (sums, sizes),  # every item its own cluster: half of the work
            mean,
            paired=True,
            vectorized=True,
            method="BCa",
            confidence_level=1 - 2 * alpha,
            n_resamples=RESAMPLES,
            batch=max(1, _DRAWN // len(sums)),
            rng=np.random.default_rng(seed),
        )
    lower, upper = float(found.confidence_interval.low), float(found.confidence_interval.high)
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return None
    # The level at which `delta` is the lower bound: the formula of the BCa limits solved for it. The acceleration is
    # from the jackknife, the bias from the share of resamples below the mean.
    means = np.asarray(found.bootstrap_distribution)
    observed = sums.sum() / sizes.sum()
    left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
    apart = left_out.mean() - left_out
    acceleration = float((apart**3).sum() / (6 * (apart**2).sum() ** 1.5))
    bias = float(norm.ppf(_share_below(means, observed)))
    at = float(norm.ppf(_share_below(means, delta)))
    if math.isinf(at):
        return lower, upper, 0.0 if at < 0 else 1.0
    moved = at - bias
    return lower, upper, float(norm.cdf(moved / (1 + acceleration * moved) - bias))


def _share_below(means: Floats, value: float) -> float:
    """Of resamples, ties counted half."""
    return float(((means < value).sum() + (means <= value).sum()) / (2 * len(means)))
