"""The one to three reasons of a verdict, the weightiest first, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

from gate.promotion.comparison import Comparison
from gate.promotion.decided import Outcome, Verdict
from gate.promotion.judge import WHOSE, points

_MOST = 3


def reasons_of(verdict: Verdict, outcomes: Sequence[Outcome]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences for somebody who decides, and what would change the verdict."""
    gated = [each for each in outcomes if each.gated]
    if verdict == "pass":
        return _passed(gated), ()
    counting = [each for each in gated if each.waiver is None]
    if not counting:
        return ("everything that could count was waived, so that nothing is known",), ("fewer waivers",)
    grave = sorted((each for each in counting if each.verdict == verdict), key=_weight)
    reasons = [each.why for each in grave[:_MOST]]
    if len(grave) > _MOST:
        more = len(grave) - _MOST + 1
        reasons[-1] = f"and {more} more that {'fail' if verdict == 'fail' else 'are not settled'}: {_names(grave[2:])}"
    changes = dict.fromkeys(each.settles for each in grave if each.settles)
    return tuple(reasons), tuple(list(changes)[: len(reasons)])


def _weight(outcome: Outcome) -> tuple[int, float]:
    """Broken limits first, then what was lost by most over its margin, then what is not better."""
    order = {"limit": 0, "no_worse": 1, "better": 2}[outcome.demand]
    found = outcome.comparison
    return order, 0.0 if found is None else (found.upper + found.margin) / max(found.upper - found.lower, 1e-12)


def _names(outcomes: Sequence[Outcome]) -> str:
    names = list(dict.fromkeys(each.task.task for each in outcomes))
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _passed(gated: Sequence[Outcome]) -> tuple[str, ...]:
    counting = [each for each in gated if each.waiver is None]
    better = [each for each in counting if each.demand == "better"]
    kept = [each for each in counting if each.demand == "no_worse"]
    limits = [each for each in counting if each.demand == "limit"]
    reasons = []
    if better:
        first = max(better, key=lambda each: 0.0 if each.comparison is None else each.comparison.lower)
        more = f" (and on {len(better) - 1} more)" if len(better) > 1 else ""
        assert first.comparison is not None
        reasons.append(f"better than {_whose([first])} on {first.task.task}: {_gain(first, first.comparison)}{more}")
    if kept:
        tasks = len({each.task.task for each in kept})
        on = f"all {tasks} gated tasks" if tasks > 1 else kept[0].task.task
        reasons.append(f"no worse than {_whose(kept)} by more than the margin on {on}")
    waived = len(gated) - len(counting)
    if waived:
        reasons.append(f"{waived} outcome{'s were' if waived > 1 else ' was'} waived, and would not have passed")
    elif limits:
        reasons.append(f"{'all ' if len(limits) > 1 else ''}{len(limits)} limit{'s' if len(limits) > 1 else ''} kept")
    return tuple(reasons[:_MOST])


def _gain(outcome: Outcome, found: Comparison) -> str:
    """`+12.0 points, at least +8.1`, or of what is no share: `bits_per_byte 7.17 → 3.70`."""
    if found.kind == "binary":
        return f"{points(found.difference)} points, at least {points(found.lower)}"
    sign = 1 if outcome.task.metric(outcome.metric).higher_is_better else -1
    return f"{outcome.metric} {sign * found.before:.3g} → {sign * found.after:.3g}"


def _whose(outcomes: Sequence[Outcome]) -> str:
    named = dict.fromkeys(WHOSE[each.against] for each in outcomes if each.against is not None)
    return " and ".join(named)
