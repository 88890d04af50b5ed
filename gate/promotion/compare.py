"""One paired comparison: the verdict's figures for one metric of one task.

Binary metrics: Tango's score interval with its size controlled exactly at the margin; McNemar for the difference.
Continuous ones: paired t and BCa bootstrap. With clusters, a binary metric gets both, and the wider bounds count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from gate.errors import UsageError
from gate.promotion.comparison import Comparison, SampleForgetting
from gate.promotion.continuous import Mean, mean_difference
from gate.promotion.forgetting import sample_forgetting
from gate.promotion.mcnemar import mcnemar
from gate.promotion.power import detectable_loss, detectable_mean_loss, required_mean_n, required_n
from gate.promotion.size import LARGEST, critical, p_value, smallest_passing_n
from gate.promotion.tango import Floats, lower_bound, upper_bound


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What one method found."""

    lower: float
    upper: float
    critical: float
    p_difference: float
    p_worse: float
    method: str


def compare(
    before: ArrayLike,
    after: ArrayLike,
    *,
    binary: bool,
    higher_is_better: bool = True,
    margin: float,
    alpha: float = 0.05,
    clusters: Sequence[str] | None = None,
    chance: float | None = None,
    noise: float | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same items.

    Args:
        before: a metric of each item under base or champion, in the order of `after` (gate.promotion.pairing.pair).
        after: the same of the candidate.
        binary: only 0 and 1 occur.
        higher_is_better: otherwise both are negated first.
        margin: how much worse the mean may be, at most. 0 asks for better; −0.02 for better by more than two points.
        alpha: of each one-sided bound.
        clusters: which items are not independent: a name each.
        chance: of a binary metric, what guessing scores: gives the adjusted forgetting.
        noise: by how much a repeat says that the interval is to be widened at each end (gate.promotion.noise.noise_of).
        seed: of the bootstrap.

    Raises:
        UsageError: no items, of two lengths, a value that is no finite number (of a binary metric: not 0 or 1), only
            one cluster, or a margin, alpha, chance or noise that is none.
    """
    first, second = (_finite(each, binary) for each in (before, after))
    widened = 0.0 if noise is None else float(noise)
    _checked(first, second, margin, alpha, widened, clusters)
    if binary and not -1 < margin < 1:
        raise UsageError(f"a margin of {margin} is none: shares differ by less than 1")
    sign = 1.0 if higher_is_better else -1.0
    first, second = sign * first, sign * second
    n = len(first)
    # The raw bounds are compared with the margin as the noise leaves it: there their size has to be right.
    delta, far = -margin + widened, -margin - widened
    mean = None
    if not binary or clusters is not None:
        mean = mean_difference(first, second, delta=delta, alpha=alpha, clusters=clusters, seed=seed)
    lost = gained = None
    forgetting: SampleForgetting | None = None
    if binary:
        lost, gained = int((second < first).sum()), int((second > first).sum())
        bounds = _binary(lost, gained, n, delta, far, alpha)
        if mean is not None:
            bounds = _wider(bounds, _of_mean(mean, clusters is not None))
        if chance is not None:
            right = int((first == (1 if higher_is_better else 0)).sum())
            forgetting = sample_forgetting(lost, gained, right, n, chance)
    else:
        assert mean is not None
        bounds = _of_mean(mean, clusters is not None)
    lower, upper = bounds.lower - widened, bounds.upper + widened
    method = bounds.method + (f"; widened by {widened:.4f} at each end, since a repeat differed" if widened else "")
    comparison = Comparison(
        kind="binary" if binary else "continuous",
        n=n,
        clusters=None if clusters is None else len(set(clusters)),
        before=math.fsum(first) / n,
        after=math.fsum(second) / n,
        difference=(gained - lost) / n if lost is not None and gained is not None else math.fsum(second - first) / n,
        lost=lost,
        gained=gained,
        lower=lower,
        upper=upper,
        margin=margin + 0.0,  # −0, of a demand for better by 0, is 0
        alpha=alpha,
        noise=widened,
        p_difference=bounds.p_difference,
        p_worse=_agreeing(bounds.p_worse, lower > -margin, alpha),
        minimum_detectable=0.0,
        required_n=None,
        smallest_n=smallest_passing_n(margin, alpha, controlled=True) if binary else 2,
        critical=bounds.critical,
        method=method,
        forgetting=forgetting,
    )
    return replace(
        comparison,
        minimum_detectable=_detectable(comparison, mean),
        required_n=_required(comparison, mean) if comparison.verdict == "inconclusive" else None,
    )


def _finite(values: ArrayLike, binary: bool) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError("a score is no number: nothing was compared") from None
    if found.ndim != 1 or not len(found):
        raise UsageError("there are no items: nothing was compared")
    if not np.isfinite(found).all():
        raise UsageError("a score is no finite number: nothing was compared")
    if binary and not np.isin(found, (0.0, 1.0)).all():
        raise UsageError("a score of a binary metric is neither 0 nor 1: nothing was compared")
    return found


def _checked(
    first: Floats,
    second: Floats,
    margin: float,
    alpha: float,
    noise: float,
    clusters: Sequence[str] | None,
) -> None:
    if len(first) != len(second):
        raise UsageError(f"{len(first)} items before and {len(second)} after: they are not pairs")
    if not math.isfinite(margin):
        raise UsageError(f"a margin of {margin} is none")
    if not 0 < alpha < 0.5:
        raise UsageError(f"alpha = {alpha}: it lies between 0 and 0.5")
    if not (math.isfinite(noise) and noise >= 0):
        raise UsageError(f"noise of {noise}: it is a number from 0 on")
    if clusters is not None and len(clusters) != len(first):
        raise UsageError(f"{len(clusters)} clusters are named for {len(first)} items")


def _binary(lost: int, gained: int, n: int, delta: float, far: float, alpha: float) -> _Bounds:
    from scipy.stats import norm

    plain = float(norm.isf(alpha))
    # Beyond ±1 there is no difference whose size could be controlled: noise is as wide as the scale.
    low = critical(n, delta, alpha) if -1 < delta < 1 else plain
    high = critical(n, -far, alpha) if -1 < far < 1 else plain
    exactly = f"size exact at the margin, z* {low:.3f} and {high:.3f} instead of {plain:.3f}"
    return _Bounds(
        lower=lower_bound(lost, gained, n, low),
        upper=upper_bound(lost, gained, n, high),
        critical=low,
        p_difference=mcnemar(lost, gained).exact,
        p_worse=p_value(lost, gained, n, delta) if -1 < delta < 1 else 1.0,
        method=f"Tango's score interval, {exactly if n <= LARGEST else 'plain: n is large'}; McNemar exact",
    )


def _of_mean(mean: Mean, clustered: bool) -> _Bounds:
    between = f" between {mean.degrees + 1} clusters" if clustered else ""
    how = f"the wider of paired t and BCa bootstrap{between}"
    if not mean.error:
        how = f"all differences are the same{between}: what could have been missed"
    return _Bounds(mean.lower, mean.upper, mean.critical, mean.p_difference, mean.p_worse, how)


def _wider(one: _Bounds, other: _Bounds) -> _Bounds:
    return _Bounds(
        lower=min(one.lower, other.lower),
        upper=max(one.upper, other.upper),
        critical=one.critical if one.lower <= other.lower else other.critical,
        p_difference=max(one.p_difference, other.p_difference),
        p_worse=max(one.p_worse, other.p_worse),
        method=f"the wider of ({one.method}) and ({other.method})",
    )


def _agreeing(p: float, passes: bool, alpha: float) -> float:
    """p below alpha just where the bound passes: the two are computed apart, and may differ in the last digits."""
    return min(p, math.nextafter(alpha, 0)) if passes else max(p, alpha)


def _detectable(comparison: Comparison, mean: Mean | None) -> float:
    margin = comparison.margin + comparison.noise
    found = 0.0
    if comparison.lost is not None and comparison.gained is not None:
        discordance = (comparison.lost + comparison.gained) / comparison.n
        found = detectable_loss(comparison.n, discordance, margin, comparison.alpha) if margin < 1 else 1.0
    if mean is not None:
        found = max(found, detectable_mean_loss(mean.error, margin, mean.critical))
    return found


def _required(comparison: Comparison, mean: Mean | None) -> int | None:
    """What would settle it; the noise stays, however many items there are."""
    n, difference, alpha = comparison.n, comparison.difference, comparison.alpha
    if abs(difference + comparison.margin) <= comparison.noise:
        return None
    passing = difference > -comparison.margin
    margin = comparison.margin - comparison.noise if passing else comparison.margin + comparison.noise
    needs: list[int | None] = []
    if comparison.lost is not None and comparison.gained is not None and -1 < margin < 1:
        needs.append(required_n(difference, (comparison.lost + comparison.gained) / n, margin, alpha))
    if mean is not None:
        needs.append(required_mean_n(n, mean, margin, alpha))
    return None if not needs or None in needs else max(n + 1, *(need for need in needs if need is not None))
