"""What a repeat of the same model shows: by how much an interval is widened because a run does not come out the same.

The margin says what loss is tolerable and is no business of the machine's; so noise moves the interval, at both ends,
and never the margin.

A repeat gives for every item the difference e between two runs of one model. Were runs reproducible, all would be 0.
Base and candidate are each scored in one run, so their difference carries the noise of two runs: exactly what the sum
of e carries. Its standard deviation is estimated by √(Σe²) / n, which for binary metrics is √flips / n; z times that is
the half-width. Where the repeat drifted as a whole, |Σe| / n is greater, and counts instead: that is noise which does
not average out over items. Discordant items that are noise are in the paired interval already, so part of it counts
twice: a gate that is told its measurements shake should be slow to believe them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gate.errors import UsageError
from gate.promotion.groups import grouped
from gate.promotion.tango import Floats


def noise_of(first: Floats, repeat: Floats, *, alpha: float = 0.05, clusters: Sequence[str] | None = None) -> float:
    """By how much the interval of a difference of means is widened at each end; 0 where the repeat gave the same.

    Args:
        first: a metric of each item, as in gate.promotion.pairing.Pairs.before.
        repeat: of the same items, the second time.
        clusters: which items are not independent: their noise is summed before it is squared.

    Raises:
        UsageError: no items, of two lengths, or not finite.
    """
    from scipy.stats import norm

    if len(first) != len(repeat) or not len(first):
        raise UsageError(f"{len(first)} items and {len(repeat)} when repeated: noise needs the same ones")
    apart = np.sort(np.asarray(repeat, dtype=np.float64) - np.asarray(first, dtype=np.float64))
    if not np.isfinite(apart).all():
        raise UsageError("a score of the repeat is no finite number")
    if not 0 < alpha < 1:
        raise UsageError(f"alpha lies between 0 and 1, not at {alpha}")
    sums = apart
    if clusters is not None:
        sums, _ = grouped(np.asarray(repeat, dtype=np.float64) - np.asarray(first, dtype=np.float64), clusters)
    spread = float(norm.isf(alpha)) * math.sqrt(float(np.sum(sums * sums)))
    return max(spread, abs(math.fsum(apart))) / len(first)
