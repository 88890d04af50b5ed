"""Sample-wise forgetting: which items were known before and are not after, corrected for guessing.

The mean hides that one fact was forgotten while another was learned. Harmon, Hochlehnert, Bethge and Prabhu ("Mapping
post-training forgetting in language models at scale", 2025, arXiv:2510.17776) count the transitions 1 → 0 and 0 → 1 of
items instead, and for multiple choice subtract what guessing is expected to contribute, given the two accuracies.

How much that is follows from the usual model of guessing (derived here). An item is known, and then answered rightly,
or it is not, and then answered rightly with probability c (1/k of k choices). All wrong answers are failed guesses, so
a model of accuracy a made (1 − a)·c / (1 − c) of its answers right by luck. An item goes 1 → 0 by chance where the
answer before was lucky and the one after is wrong: with both independent, (1 − before)·(1 − after)·c / (1 − c). The
same figure comes out for 0 → 1: guessing moves as many items in one direction as in the other.

Two models of one family guess alike, and fewer items move by chance than independence says; then the adjusted figures
are too small, and the observed ones, which stand beside them, are the upper bound.
"""

from __future__ import annotations

from gate.errors import UsageError
from gate.promotion.comparison import SampleForgetting
from gate.promotion.tango import checked


def sample_forgetting(lost: int, gained: int, right_before: int, n: int, chance: float) -> SampleForgetting:
    """What was forgotten and learned, as shares of all n items.

    Args:
        lost: items right before and wrong after.
        gained: wrong before, right after.
        right_before: items right before, the lost ones among them.
        chance: what guessing scores: from 0 (an open question) to less than 1.

    Raises:
        UsageError: counts that are those of no table, or a chance outside [0, 1).
    """
    checked(lost, gained, n)
    if not lost <= right_before <= n - gained:
        raise UsageError(f"{right_before} of {n} right before, {lost} lost, {gained} gained: they do not fit together")
    if not 0 <= chance < 1:
        raise UsageError(f"guessing scores between 0 and 1, not {chance}")
    before, after = right_before / n, (right_before - lost + gained) / n
    lucky = (1 - before) * (1 - after) * chance / (1 - chance)
    return SampleForgetting(
        forgotten=lost / n,
        learned=gained / n,
        forgotten_by_chance=lucky,
        learned_by_chance=lucky,
        adjusted_forgotten=max(0.0, lost / n - lucky),
        adjusted_learned=max(0.0, gained / n - lucky),
    )
