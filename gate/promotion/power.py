"""How much evidence a comparison can give: what loss it would notice, and how many items it would need.

Where there are few items the power of the test on binary metrics is summed exactly over all tables, with the critical
value that the test would use; above `EXACT` items by the normal approximation (Nam 1997, Biometrics 53:1422).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gate.errors import UsageError
from gate.promotion.continuous import Mean
from gate.promotion.size import critical, region_probability, smallest_passing_n

POWER = 0.8
"""With which probability "would be noticed" and "would settle it" are meant: the field's convention (Cohen 1988)."""
EXACT = 500
"""Items up to which power is exact."""
MOST = 10_000_000
"""A need beyond this is called none: no suite has so many items."""


def miller_n(
    effect: float,
    *,
    variance: float,
    before_variance: float = 0.0,
    after_variance: float = 0.0,
    samples: int = 1,
    alpha: float = 0.05,
    power: float = POWER,
) -> int:
    """Items that a paired comparison needs to find an effect, two-sided (Miller 2024, arXiv:2411.00640, section 5):
    n = (z_{α/2} + z_β)² (ω² + σ_A²/K + σ_B²/K) / δ². An effect of 3 points with ω² = 1/9 needs 969.

    Args:
        effect: δ, the difference of means to be found.
        variance: ω², of the differences of the two models' expected scores.
        before_variance: σ_A², the mean variance of one item's score from sample to sample; 0 where scoring is greedy.
        after_variance: σ_B².
        samples: K, answers drawn for each item.

    Raises:
        UsageError: no effect, a variance below 0, or no samples.
    """
    from scipy.stats import norm

    if not effect or min(variance, before_variance, after_variance) < 0 or samples < 1:
        raise UsageError("an effect other than 0, variances from 0 on and one sample at least are needed")
    z = float(norm.isf(alpha / 2) + norm.ppf(power))
    # Rounding must not ask for one item more.
    return math.ceil(z * z * (variance + (before_variance + after_variance) / samples) / effect**2 - 1e-9)


def passing_power(n: int, difference: float, discordance: float, margin: float, alpha: float) -> float:
    """The probability that a comparison on n items passes, exactly, where that is the truth.

    Args:
        difference: the true one.
        discordance: the share of items that change either way, at least |difference|.
    """
    shares = _shares(difference, discordance)
    return region_probability(n, -margin, critical(n, -margin, alpha), *shares)


def failing_power(n: int, difference: float, discordance: float, margin: float, alpha: float) -> float:
    """The same of a comparison that fails: its upper bound lies below −margin."""
    lost, gained = _shares(difference, discordance)
    return region_probability(n, margin, critical(n, margin, alpha), gained, lost)


def _shares(difference: float, discordance: float) -> tuple[float, float]:
    """Of lost and gained items."""
    most = min(1.0, max(discordance, abs(difference)))
    return max(0.0, (most - difference) / 2), max(0.0, (most + difference) / 2)


def detectable_loss(n: int, discordance: float, margin: float, alpha: float) -> float:
    """The smallest true loss (above 0) that fails with probability POWER, binary metrics; 1 where none does.

    Args:
        discordance: the share of items that change; a greater loss means that more do.
    """
    z_power = _quantile(POWER)
    if n <= EXACT:

        def noticed(loss: float) -> bool:
            return failing_power(n, -loss, discordance, margin, alpha) >= POWER

    else:
        limit = critical(n, margin, alpha)

        def noticed(loss: float) -> bool:
            null, true = (_spread(-each, discordance) for each in (margin, loss))
            return (loss - margin) * math.sqrt(n) >= limit * null + z_power * true

    return _first(noticed, max(0.0, margin), 1.0)


def detectable_mean_loss(error: float, margin: float, critical_value: float) -> float:
    """The same of a mean with a known standard error; normal approximation."""
    return margin + (critical_value + _quantile(POWER)) * error


def required_n(difference: float, discordance: float, margin: float, alpha: float) -> int | None:
    """Items at which a comparison with this difference and discordance passes, or fails, with probability POWER.

    Args:
    Returns:
        To about 1 % where power is exact (it goes up and down with n, as tables are few). None where the difference is
        the margin's own: then no number of items would settle it.
    """
    gap = difference + margin
    if abs(gap) < 1e-12:
        return None
    if discordance == 0:  # nothing changes, with certainty
        return smallest_passing_n(margin, alpha, controlled=True) if gap > 0 and margin > 0 else None
    null, true = _spread(-margin, discordance), _spread(difference, discordance)
    about = ((_quantile(1 - alpha) * null + _quantile(POWER) * true) / gap) ** 2
    if about > MOST:
        return None
    n = max(1, math.ceil(about))
    if n <= EXACT:
        power = passing_power if gap > 0 else failing_power
        n = _first_count(lambda count: power(count, difference, discordance, margin, alpha) >= POWER, n)
    return n


def required_mean_n(n: int, mean: Mean, margin: float, alpha: float) -> int | None:
    """The same of a mean, of which n items gave these figures; normal approximation."""
    gap = mean.difference + margin
    if abs(gap) < 1e-12:
        return None
    if mean.error:
        needed = n * ((_quantile(1 - alpha) + _quantile(POWER)) * mean.error / gap) ** 2
    else:  # all differences were the same, and the bound is what could have been missed
        count = mean.degrees + 1
        largest = (mean.upper - mean.difference) / (1 - alpha ** (1 / count))
        if abs(gap) >= largest:
            return None
        needed = n / count * math.log(alpha) / math.log1p(-abs(gap) / largest)
    return None if needed > MOST else math.ceil(needed)


def _quantile(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))


def _spread(difference: float, discordance: float) -> float:
    """Standard deviation of one item's change: gained + lost − difference²."""
    return math.sqrt(max(0.0, max(discordance, abs(difference)) - difference * difference))


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where it begins to hold, to a ten-thousandth; `high` where it does not."""
    if not holds(high):
        return high
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _first_count(holds: Callable[[int], bool], near: int) -> int:
    """A count from which on it holds, about the first one: in steps of a twentieth, then between the last two."""
    low = high = near
    if holds(near):
        while low > 1 and holds(low := max(1, low * 19 // 20)):
            high = low
    else:
        while not holds(high := high + max(1, high // 20)):
            low = high
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
