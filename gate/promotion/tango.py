"""Tango's score statistic and interval for the difference of two paired proportions.

Of n items some are lost (right before, wrong after) and some are gained (wrong before, right after); the difference is
(gained − lost) / n. The statistic tests that the true difference is `delta`, with the variance that is likeliest under
that hypothesis, so that it does not collapse where nothing, or everything, changed (Tango 1998, "Equivalence test and
confidence interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17:891–908).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gate.errors import UsageError

_HALVINGS = 60
"""Of an interval of width 2: more than a double can tell apart."""

Floats = NDArray[np.float64]


def statistic(lost: ArrayLike, gained: ArrayLike, n: int, delta: ArrayLike) -> Floats:
    """T(delta), in units of a standard normal: large where the difference is greater than `delta`.

    With q̃ the likeliest share of lost items when gained = lost + delta, it is
    (gained − lost − n·delta) / √(n (2q̃ + delta (1 − delta))). It falls in `delta` and in `lost`, rises in `gained`,
    and statistic(lost, gained, n, delta) = −statistic(gained, lost, n, −delta).

    Args:
        lost: counts, of any shape that fits the others'.
        delta: strictly between −1 and 1.
    """
    mirrored = np.asarray(delta, dtype=np.float64) > 0
    # Solved for the table with delta <= 0, mirrored where that is the other one: nothing cancels there.
    losses = np.where(mirrored, gained, lost).astype(np.float64)
    gains = np.where(mirrored, lost, gained).astype(np.float64)
    below = -np.abs(np.asarray(delta, dtype=np.float64))
    # q̃ solves 2n q² + b q + c = 0, where c >= 0 >= b.
    b = (2 * n - gains + losses) * below - gains - losses
    c = -losses * below * (1 - below)
    q = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * q + below * (1 - below))
    distance = gains - losses - n * below
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(distance == 0, 0.0, distance / np.sqrt(np.maximum(variance, 0.0)))
    return np.where(mirrored, -score, score)


def checked(lost: int, gained: int, n: int) -> None:
    """Raises UsageError where the counts are those of no table."""
    if n < 1 or lost < 0 or gained < 0 or lost + gained > n:
        raise UsageError(f"{lost} lost and {gained} gained of {n} items: there is no such comparison")


def lower_bound(lost: int, gained: int, n: int, z: float) -> float:
    """The smallest difference that is not refused at `z`: the one-sided bound at 1 − α for z = Φ⁻¹(1 − α).

    Without a changed item it is −z² / (n + z²).

    Raises:
        UsageError: there is no such table, or z is not a number above 0.
    """
    checked(lost, gained, n)
    if not (math.isfinite(z) and z > 0):
        raise UsageError(f"a critical value has to be above 0, not {z}")
    if lost == n:
        return -1.0
    if lost == 0 and gained <= z * z:  # in closed form: T² = (gained − n·delta) / (1 + delta)
        return (gained - z * z) / (n + z * z)
    low, high = -1.0, (gained - lost) / n
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if statistic(lost, gained, n, middle) > z:
            low = middle
        else:
            high = middle
    return low


def upper_bound(lost: int, gained: int, n: int, z: float) -> float:
    """The greatest difference that is not refused at `z`; see `lower_bound`."""
    return -lower_bound(gained, lost, n, z)
