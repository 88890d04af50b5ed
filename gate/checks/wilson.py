"""The Wilson score interval: what a sample says of the share of good ones among all.

Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
Statistical Association 22:209-212, without correction for continuity. Unlike the normal approximation it stays
between 0 and 1 and says something of samples without a single bad one (Newcombe 1998, Statistics in Medicine
17:857-872, method 3).
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(successes: int, trials: int, level: float) -> tuple[float, float]:
    """The bounds of the share, of which the true one lies outside in about 1 - level of all samples.

    Args:
        successes: from 0 to `trials`.
        trials: how many were looked at; of none nothing is known, and the bounds are 0 and 1.
        level: of confidence, two-sided, between 0 and 1, such as 0.95.

    Raises:
        ValueError: numbers that cannot be.
    """
    if not 0 <= successes <= trials or not 0 < level < 1:
        raise ValueError(f"{successes} of {trials} at a level of {level}")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    middle = share + z**2 / (2 * trials)
    half = z * sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # At the ends the exact values, which rounding would miss by 1e-17.
    low = 0.0 if successes == 0 else (middle - half) / scale
    high = 1.0 if successes == trials else (middle + half) / scale
    return low, high
