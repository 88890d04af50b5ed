"""The size of Tango's test, controlled exactly: the critical value at which no discordance rate makes it lie too often.

Plain Tango compares T with the quantile z of a normal distribution. T takes few values, and where the true difference
lies on the boundary it exceeds z with a probability of up to 6.7 % instead of 5 % (n = 89, boundary −0.03). Here the
critical value is raised to the smallest z* >= z at which the greatest probability of T > z*, over all shares of
discordant items, is at most α: an exact unconditional test (Barnard 1947; for paired proportions Hsueh, Liu and Chen
2001, Biometrics 57:478; Sidik 2003, Statistics in Medicine 22:265).

The probability is a sum over `lost` (binomial) of the tail of `gained` given `lost` (binomial as well), from the first
count on at which T exceeds z*. The shares are searched on a grid that is halved wherever what may lie between two
points could still exceed α: as a function f of the share q of lost items it has |f''| <= n √(2 f (1 − f)) I(q), where
I = 1/q + 1/p + 4/(1 − q − p) and p is the share of gained ones (the score's second moment, by Cauchy and Schwarz), and
|f''| <= 8 n² where a share is 0. So no share is left at which the size exceeds α by more than `GRID_ERROR`.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gate.errors import UsageError
from gate.promotion.tango import Floats, checked, statistic

Counts = NDArray[np.int64]

GRID_ERROR = 1e-4
"""By how much the size may exceed α between two points of the grid, at most."""
LARGEST = 20_000
"""Items up to which the size is controlled, within two seconds. Beyond, z* would differ from z by less than 0.004, and
plain Tango is used."""
_TIED = 1e-9
"""Values of T that are nearer to each other than this are one value: rounding must not decide."""
_FIRST = 4
"""Points of the first grid, over √n."""
_WIDTH = 9.0
"""Standard deviations of a binomial that are summed; what lies beyond is below 1e-17."""


@dataclass(slots=True)
class _Shares:
    """Shares of lost and gained items whose difference is on the boundary, from the fewest discordant to all."""

    lost: Floats
    gained: Floats

    @classmethod
    def at(cls, angle: Floats, delta: float) -> _Shares:
        """Angles from 0 to π/2: steps of one width are about as wide everywhere, in standard errors."""
        discordant = abs(delta) + (1 - abs(delta)) * np.sin(angle) ** 2
        # The smaller share by itself, so that it is exactly 0 at angle 0.
        smaller = (1 - abs(delta)) * np.sin(angle) ** 2 / 2
        larger = discordant - smaller
        return cls(larger, smaller) if delta <= 0 else cls(smaller, larger)

    def information(self) -> Floats:
        """I(q), infinite where a share is 0."""
        with np.errstate(divide="ignore"):
            same = np.maximum(1 - self.lost - self.gained, 0.0)
            information: Floats = 1 / self.lost + 1 / self.gained + 4 / same
        return information


@lru_cache(maxsize=64)
def _first_gained(n: int, delta: float, z: float) -> Counts:
    """For each number of lost items the fewest gained ones with T > z; one more than there can be, where none has.

    Raises:
        ArithmeticError: the region has a hole. T rises with gained and falls with lost (tested on every table of small
            n), so this is a bug, and no verdict is given.
    """
    lost = np.arange(n + 1)
    low, high = np.zeros(n + 1, dtype=np.int64) - 1, n - lost + 1
    while True:
        open_ = high - low > 1
        if not open_.any():
            break
        middle = (low + high) // 2
        beyond = statistic(lost, np.maximum(middle, 0), n, delta) > z
        high, low = np.where(open_ & beyond, middle, high), np.where(open_ & ~beyond, middle, low)
    if (np.diff(np.minimum(high, n - lost + 1)) < -1).any() or (np.diff(high)[high[1:] <= n - lost[1:]] < 0).any():
        raise ArithmeticError(f"Tango's statistic is not monotone at n = {n}, difference {delta}")
    return high


def _tails(n: int, first: Counts, shares: _Shares) -> Floats:
    """The probability of the region `gained >= first[lost]`, at each of the shares."""
    from scipy.special import bdtrc, gammaln, xlog1py, xlogy

    lost = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(lost + 1) - gammaln(n - lost + 1)
    found = np.zeros(len(shares.lost))
    for place, (q, p) in enumerate(zip(shares.lost.tolist(), shares.gained.tolist(), strict=True)):
        reach = _WIDTH * math.sqrt(n * q * (1 - q)) + _WIDTH**2
        low, high = max(0, math.floor(n * q - reach)), min(n, math.ceil(n * q + reach))
        rows = slice(low, high + 1)
        mass = np.exp(ways[rows] + xlogy(lost[rows], q) + xlog1py(n - lost[rows], -q))
        tail = bdtrc(first[rows] - 1, n - lost[rows], min(1.0, p / (1 - q)) if q < 1 else 0.0)
        found[place] = float(mass @ np.where(first[rows] == 0, 1.0, tail))
    return found


def _masses(n: int, lost: int, gained: int, shares: _Shares) -> Floats:
    """The probability of one table, at each of the shares."""
    from scipy.special import xlogy

    ways = math.lgamma(n + 1) - math.lgamma(lost + 1) - math.lgamma(gained + 1) - math.lgamma(n - lost - gained + 1)
    same = np.maximum(1 - shares.lost - shares.gained, 0.0)
    mass: Floats = np.exp(
        ways + xlogy(lost, shares.lost) + xlogy(gained, shares.gained) + xlogy(n - lost - gained, same)
    )
    return mass


def _between(tails: Floats, shares: _Shares, n: int, most: float) -> Floats:
    """What the size is, at most, between neighbouring points of the grid, as long as that is no more than `most`.

    A chord lies at most w²/8 · max |f''| below what it cuts, and I is greatest at an end.
    """
    width = np.abs(np.diff(shares.lost))
    information = shares.information()
    steepest = np.maximum(information[:-1], information[1:])
    spread = min(most, 0.5)
    curvature = np.minimum(n * math.sqrt(2 * spread * (1 - spread)) * steepest, 8.0 * n * n)
    bound: Floats = np.maximum(tails[:-1], tails[1:]) + width * width / 8 * curvature
    return bound


class _Sizes:
    """The probability of a region over all shares, on a grid that grows."""

    def __init__(self, n: int, delta: float, first: Counts) -> None:
        self.n, self.delta, self.first = n, delta, first
        self.angles = np.linspace(0, math.pi / 2, math.ceil(_FIRST * math.sqrt(n)) + 2)
        self.shares = _Shares.at(self.angles, delta)
        self.tails = _tails(n, first, self.shares)

    @property
    def greatest(self) -> float:
        return float(self.tails.max())

    def take(self, lost: int, gained: int) -> None:
        """Take a table out of the region: the one with the fewest gained of its row."""
        self.tails = self.tails - _masses(self.n, lost, gained, self.shares)
        self.first[lost] += 1

    def refine(self, most: float) -> bool:
        """Halve the grid wherever it may hide more than `most`.

        Returns:
            Whether there was such a place.
        """
        between = _between(self.tails, self.shares, self.n, most)
        wide = np.flatnonzero(between > most)
        if not len(wide):
            return False
        middle = (self.angles[wide] + self.angles[wide + 1]) / 2
        tails = _tails(self.n, self.first, _Shares.at(middle, self.delta))
        self.angles = np.insert(self.angles, wide + 1, middle)
        self.tails = np.insert(self.tails, wide + 1, tails)
        self.shares = _Shares.at(self.angles, self.delta)
        return True


def _allowed(n: int, delta: float, alpha: float) -> None:
    if n < 1 or not -1 < delta < 1 or not 0 < alpha < 0.5:
        raise UsageError(f"n = {n}, a difference of {delta} and alpha = {alpha}: there is no such test")


@lru_cache(maxsize=4096)
def critical(n: int, delta: float, alpha: float) -> float:
    """The critical value z* of the test that refuses "the difference is `delta` or less" where T(delta) > z*.

    The mirrored test, of "`delta` or more", refuses where T(delta) < −critical(n, −delta, alpha).

    Args:
        n: items.
        delta: −margin, for non-inferiority.
        alpha: the size that is not exceeded, whatever share of the items is discordant (but by GRID_ERROR).

    Returns:
        At least Φ⁻¹(1 − alpha), and never a value that T takes.

    Raises:
        UsageError: n < 1, or a delta or alpha that is none.
    """
    _allowed(n, delta, alpha)
    from scipy.stats import norm

    z = float(norm.isf(alpha))
    if n > LARGEST:
        return z
    first = _first_gained(n, delta, z).copy()
    sizes = _Sizes(n, delta, first)
    rows = np.flatnonzero(first <= n - np.arange(n + 1))
    values = statistic(rows, first[rows], n, delta)
    heap = list(zip(values.tolist(), rows.tolist(), strict=True))
    heapq.heapify(heap)
    refused = z
    while True:
        while sizes.greatest > alpha and heap:
            refused = heap[0][0]
            while heap and heap[0][0] <= refused + _TIED:
                refused, lost = heap[0]
                sizes.take(lost, int(first[lost]))
                if first[lost] <= n - lost:
                    value = float(statistic(lost, first[lost], n, delta))
                    heapq.heapreplace(heap, (value, lost))
                else:
                    heapq.heappop(heap)
        if not sizes.refine(alpha + GRID_ERROR):
            break
    if refused == z:
        return z
    gap = heap[0][0] - refused if heap else math.inf
    return refused + min(gap / 2, 1e-6)


def p_value(lost: int, gained: int, n: int, delta: float) -> float:
    """Of "the difference is `delta` or less": the greatest probability, over all shares, of a T as large as this one.

    Never below that of plain Tango, as `critical` is never below its quantile: p < alpha just where T > z*.

    Raises:
        UsageError: there is no such table, or delta is none.
    """
    checked(lost, gained, n)
    _allowed(n, delta, 0.05)
    from scipy.stats import norm

    value = float(statistic(lost, gained, n, delta))
    plain = float(norm.sf(value))
    if n > LARGEST:
        return plain
    sizes = _Sizes(n, delta, _first_gained(n, delta, value - _TIED))
    # A large p-value needs no fourth digit.
    while sizes.refine(sizes.greatest + max(GRID_ERROR, sizes.greatest / 50)):
        pass
    return min(1.0, max(plain, sizes.greatest))


def region_probability(n: int, delta: float, limit: float, lost: float, gained: float) -> float:
    """The probability of T(delta) > limit, where items are lost and gained with these probabilities."""
    shares = _Shares(np.array([lost]), np.array([gained]))
    return float(_tails(n, _first_gained(n, delta, limit), shares)[0])


def smallest_passing_n(margin: float, alpha: float = 0.05, *, controlled: bool = False) -> int:
    """The fewest items at which a model that answers every item as before is found no worse by `margin`.

    With fewer nothing but a gain passes, and a suite of that size is too small for its margin. Where `margin` is 0 or
    below (better is demanded, and nothing changed is not better): the fewest at which a model that gains every item
    passes.

    Args:
        margin: between −1 and 1, exclusive.
        controlled: with the exact size of this module (99 items for 3 points); without, by plain Tango, where lower =
            −z² / (n + z²) (88 items).

    Raises:
        UsageError: a margin or alpha that is none.
    """
    _allowed(1, -margin, alpha)
    from scipy.stats import norm

    z = float(norm.isf(alpha))

    def passes(n: int) -> bool:
        limit = critical(n, -margin, alpha) if controlled else z
        return float(statistic(0, 0 if margin > 0 else n, n, -margin)) > limit

    # Where nothing is lost, no other share does worse than: with none gained but for what the boundary asks.
    kept = 1 - margin if margin > 0 else (1 - margin) / 2
    n = math.floor(math.log(alpha) / math.log(kept)) if controlled else 1
    if not controlled and margin > 0:
        n = math.floor(z * z * (1 - margin) / margin)
    n = max(1, n)
    while not passes(n):
        n += 1
    return n
