"""Judges one comparison, or one figure, by one demand: a line of the report, with a sentence that says why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gate.errors import PolicyError
from gate.evaluation.task_document import TaskDocument
from gate.promotion.comparison import Comparison
from gate.promotion.covered import NotJudged, Pairing
from gate.promotion.decided import Against, Outcome, Verdict
from gate.promotion.policy_form import DemandForm, LimitForm

if TYPE_CHECKING:
    from gate.evaluation.figures import Figure

WHOSE: dict[Against, str] = {
    "base": "the base",
    "champion": "the champion",
    "prompt": "the best-prompted base",
}


def check_possible(
    demand: DemandForm, pairing: Pairing, n: int, alpha: float, place: str | None, clustered: bool
) -> None:
    """That the task has items enough to pass at its margin at all.

    Raises:
        PolicyError: it cannot, whatever the candidate does; nothing is judged by such a rule.
    """
    from gate.promotion.size import smallest_passing_n

    if not pairing.metric.binary or not pairing.margin or clustered:
        return
    needed = smallest_passing_n(pairing.margin, alpha, controlled=True)
    if n < needed:
        raise PolicyError(
            f"demand {demand.id!r} can never be met: {pairing.after.document.task} has {n:,} items, and at a margin of "
            f"{pairing.margin:g} it takes {needed:,} to pass, even where no answer changes",
            where=place,
            remedy="add items, judge several tasks `together: true`, or write a wider margin",
        )


def judged(
    demand: DemandForm, pairing: Pairing, comparison: Comparison, against: Against, whose: str, place: str | None
) -> Outcome:
    """What a comparison comes to by a demand."""
    if not all(map(math.isfinite, (comparison.lower, comparison.upper, comparison.before, comparison.after))):
        raise NotJudged(
            f"the comparison of {pairing.after.document.task} with {whose} gives no finite interval",
            where=f"demand {demand.id}",
            remedy="look at the task's items: gate sql \"select * from items where task = '…'\"",
        )
    if demand.better is not None:
        by = demand.better.by
        verdict: Verdict = "pass" if comparison.lower > by else "fail" if comparison.upper < by else "inconclusive"
        why, settles = _better(pairing, comparison, whose, by, verdict)
    else:
        verdict = comparison.verdict
        why, settles = _no_worse(pairing, comparison, whose, verdict)
    return Outcome(
        demand="better" if demand.better is not None else "no_worse",
        suite=demand.suite,
        task=pairing.after.document,
        metric=pairing.metric.name,
        against=against,
        comparison=comparison,
        value=None,
        limit=None,
        verdict=verdict,
        why=why,
        settles=settles,
        gated=demand.gated,
        place=place,
    )


def limited(limit: LimitForm, figure: Figure, task: TaskDocument, place: str | None) -> Outcome:
    """What a figure comes to by a limit.

    Raises:
        NotJudged: it is no finite number.
    """
    bound = limit.most if limit.most is not None else limit.least
    assert bound is not None
    sign = 1.0 if limit.most is not None else -1.0
    ends = [figure.value] if limit.hold == "value" else [figure.lower, figure.upper]
    if not all(each is not None and math.isfinite(each) for each in ends):
        raise NotJudged(
            f"{figure.name} of {task.task} is no finite number",
            where=f"limit {limit.id}",
            remedy="score the candidate anew: gate eval CANDIDATE --suite " + limit.suite,
        )
    over = [sign * (float(each) - bound) > 0 for each in ends if each is not None]
    verdict: Verdict = "fail" if all(over) else "inconclusive" if any(over) else "pass"
    allowed = f"at {'most' if limit.most is not None else 'least'} {bound:g} is allowed"
    held = "" if limit.hold == "value" else f" ({figure.lower:.4g} to {figure.upper:.4g})"
    missed = abs(figure.value - bound)
    settles = {
        "pass": None,
        "fail": f"{figure.name} of {task.task} would have to be {'lower' if sign > 0 else 'higher'} by {missed:.4g}",
        "inconclusive": f"more items of {task.task} would narrow the interval, which has the limit in it",
    }[verdict]
    return Outcome(
        demand="limit",
        suite=limit.suite,
        task=task,
        metric=figure.name,
        against=None,
        comparison=None,
        value=figure.value,
        limit=bound,
        verdict=verdict,
        why=f"{figure.name} of {task.task} is {figure.value:.4g}{held}, and {allowed}",
        settles=settles,
        gated=limit.gated,
        place=place,
    )


def _share(pairing: Pairing) -> bool:
    """Whether the metric is told in points: it is a share of 1."""
    return pairing.metric.binary or (pairing.metric.higher_is_better and not _unbounded(pairing))


def _unbounded(pairing: Pairing) -> bool:
    both = (pairing.before, pairing.after)
    return any(abs(each.scores.scores.get(pairing.metric.name, 0.0)) > 1 for each in both)


def _figures(pairing: Pairing, found: Comparison, whose: str) -> str:
    """`86.0 % against 71.0 % of the base (400 items); the difference is +15.0 points, between +11.2 and +18.7`"""
    sign = 1 if pairing.metric.higher_is_better else -1
    n = f"{found.n:,} items" + (f" in {found.clusters:,} groups" if found.clusters else "")
    if _share(pairing):
        levels = f"{100 * sign * found.after:.1f} % against {100 * sign * found.before:.1f} % of {whose}"
        span = f"{points(found.difference)} points, between {points(found.lower)} and {points(found.upper)}"
    else:
        levels = f"{sign * found.after:.4g} against {sign * found.before:.4g} of {whose}"
        span = f"{found.difference:+.4g}, between {found.lower:+.4g} and {found.upper:+.4g}"
        span += "" if pairing.metric.higher_is_better else " (below 0 is worse)"
    task = pairing.after.document.task
    return f"{task}: {pairing.metric.name} {levels} ({n}); the difference is {span}"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign and a true minus: `+1.5`, `−0.8`."""
    said = f"{100 * difference:+.1f}"
    return said.replace("-", "−") if float(said) else "0.0"


def _size(pairing: Pairing, size: float) -> str:
    return f"{100 * size:.1f} points" if _share(pairing) else f"{size:.4g}"


def _no_worse(pairing: Pairing, found: Comparison, whose: str, verdict: Verdict) -> tuple[str, str | None]:
    said, margin = _figures(pairing, found, whose), _size(pairing, found.margin)
    task = pairing.after.document.task
    if verdict == "pass":
        return f"{said}: no worse by more than {margin}", None
    if verdict == "fail":
        over = _size(pairing, -found.margin - found.upper)
        why = f"{said}: worse by more than the margin of {margin}"
        return why, f"a candidate that loses less on {task}: even the upper end of the interval misses by {over}"
    return f"{said}: it may be worse by more than the margin of {margin}, and it may not", _more(task, found)


def _better(pairing: Pairing, found: Comparison, whose: str, by: float, verdict: Verdict) -> tuple[str, str | None]:
    said, task = _figures(pairing, found, whose), pairing.after.document.task
    than = f"better than {whose}" + (f" by {_size(pairing, by)}" if by else "")
    if verdict == "pass":
        return f"{said}: {than}", None
    if verdict == "fail":
        return f"{said}: not {than}", f"a candidate that is {than} on {task}"
    return f"{said}: there is not enough evidence that it is {than}", _more(task, found)


def _more(task: str, found: Comparison) -> str:
    if found.required_n is None:
        return f"a clearer difference on {task}: at this one, no number of items would settle it"
    return f"{found.required_n:,} items of {task} instead of {found.n:,} would settle it, if they come out alike"
