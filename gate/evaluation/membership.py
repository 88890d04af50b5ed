"""Membership: how well a number of each row tells rows that were trained on from rows that were not.

The loss is the test of Yeom et al. 2018, "Privacy Risk in Machine Learning", section 3.2; less the loss of the base, it
is the calibration by difficulty of Watson et al. 2022 ("On the Importance of Difficulty Calibration in Membership
Inference Attacks"). That members are told at few false alarms is what counts (Carlini et al. 2022, "Membership
Inference Attacks From First Principles", section IV); the area under the curve is the average over all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """The area under the ROC curve: the probability that a member scores higher than another row."""

    value: float
    lower: float
    upper: float


def area(members: Floats, others: Floats, level: float) -> Area:
    """The area with its interval.

    The variance is that of DeLong, DeLong and Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated
    Receiver Operating Characteristic Curves", equation 6, by midranks (Sun and Xu 2014). It is nothing where the two
    are apart, or of one value each; the interval is then Wilson's of as many rows as the smaller side has, which is
    wider than the truth.

    Args:
        members: higher means "was trained on"; at least two.
        others: the same of rows that were not; at least two.
        level: of confidence, two-sided.

    Raises:
        ValueError: there are too few, or a number is not finite.
    """
    if min(len(members), len(others)) < 2:
        raise ValueError("an area needs two rows of each side")
    if not (np.isfinite(members).all() and np.isfinite(others).all()):
        raise ValueError("an area needs finite numbers")
    ordered, below = np.sort(others), np.sort(members)
    wins = (np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")) / 2 / len(others)
    lost = 1 - (np.searchsorted(below, others, "left") + np.searchsorted(below, others, "right")) / 2 / len(members)
    value = float(np.mean(wins))
    variance = float(np.var(wins, ddof=1)) / len(members) + float(np.var(lost, ddof=1)) / len(others)
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * math.sqrt(variance)
    lower, upper = max(0.0, value - half), min(1.0, value + half)
    if variance < _NOTHING:
        n = min(len(members), len(others))
        middle, scale = value + z**2 / (2 * n), 1 + z**2 / n
        half = z * math.sqrt(value * (1 - value) / n + z**2 / (4 * n**2))
        lower, upper = max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
    return Area(value, lower, upper)


_NOTHING = 1e-12
"""Rounding of a variance that is nothing."""


def told(members: Floats, others: Floats, false_positives: float) -> int | None:
    """How many members lie above a threshold that at most a share of the others lies above; None where there are too
    few others to see such a share at all.

    Args:
        false_positives: the share, between 0 and 1.
    """
    allowed = math.floor(len(others) * false_positives + 1e-9)
    if allowed < 1:
        return None
    threshold = np.sort(others)[::-1][allowed] if allowed < len(others) else -math.inf
    return int(np.sum(members > threshold))
