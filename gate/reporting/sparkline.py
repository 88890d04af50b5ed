"""A curve on one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A curve in as many bars as there are values, at most `width`: each is the mean of its share of them."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(at * len(values) / count) for at in range(count + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in pairwise(edges)]
    least, span = min(means), max(means) - min(means)
    if span == 0:
        return _BARS[0] * count
    return "".join(_BARS[min(int((value - least) / span * len(_BARS)), len(_BARS) - 1)] for value in means)
