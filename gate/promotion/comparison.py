"""What a paired comparison of two models on one metric of one task found: figures, no judgement of what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SampleForgetting:
    """Sample-wise forgetting: items known before and not after, corrected for guessing. Shares of all items."""

    forgotten: float
    """1 → 0, as observed."""
    learned: float
    """0 → 1, as observed."""
    forgotten_by_chance: float
    """What guessing alone would show."""
    learned_by_chance: float
    adjusted_forgotten: float
    """max(0, observed − by chance)."""
    adjusted_learned: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """After (the candidate) against before (base or champion), on the same items. Higher is better throughout: a
    metric of which less is better was negated."""

    kind: Literal["binary", "continuous"]
    n: int
    """Items."""
    clusters: int | None
    """How many groups of dependent items there are, where the task names them."""
    before: float
    after: float
    """Means."""
    difference: float
    """after − before."""
    lost: int | None
    """Binary: right before, wrong after."""
    gained: int | None
    """Binary: wrong before, right after."""
    lower: float
    upper: float
    """Of the difference; each is a one-sided bound at 1 − alpha, so together they are a 1 − 2·alpha interval."""
    margin: float
    """How much worse it may be, at most: the rule's."""
    alpha: float
    noise: float
    """By how much the interval was widened at each end, because a repeat did not give the same."""
    p_difference: float
    """Two-sided, that there is no difference: exact McNemar, or paired t (with clusters: between them)."""
    p_worse: float
    """One-sided, of "worse by the margin or more": small means that the candidate is no worse."""
    minimum_detectable: float
    """The smallest true loss beyond which the test would fail a model with probability 0.8 (same n, same discordance
    or variance)."""
    required_n: int | None
    """Inconclusive: items that would settle it at this difference and discordance; None: settled, or no n would."""
    smallest_n: int
    """Fewer items than this can never pass at this margin."""
    critical: float
    """The critical value of the lower bound (z or t scale), after the correction of its size."""
    method: str
    """How the bounds were computed, in words."""
    forgetting: SampleForgetting | None = None

    @property
    def verdict(self) -> Literal["pass", "fail", "inconclusive"]:
        """Non-inferiority at the margin."""
        if self.lower > -self.margin:
            return "pass"
        return "fail" if self.upper < -self.margin else "inconclusive"
