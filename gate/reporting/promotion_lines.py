"""Each demand of a promotion policy as a line that a person reads: what was asked, what was found, what follows.

Differences are turned so that more is better throughout; scores before and after stand in the metric's own sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gate.promotion.comparison import Comparison
from gate.promotion.decided import Against, Outcome, Verdict
from gate.reporting.inert import one_line

VERDICTS: Mapping[Verdict, str] = {
    "pass": "Promote",
    "fail": "Do not promote",
    "inconclusive": "Not enough evidence",
}
"""What the verdict means to whoever has to act on it."""
EDGES: Mapping[Verdict, str] = {"pass": "pass", "fail": "fail", "inconclusive": "inconclusive"}
ORDER: Mapping[Verdict, int] = {"fail": 0, "inconclusive": 1, "pass": 2}
_AGAINST: Mapping[Against, str] = {"base": "the base", "champion": "the champion", "prompt": "the best prompt"}
_ENDED: Mapping[tuple[str, Verdict], str] = {
    ("no_worse", "pass"): "no worse",
    ("no_worse", "fail"): "worse",
    ("no_worse", "inconclusive"): "cannot tell",
    ("better", "pass"): "better",
    ("better", "fail"): "not better",
    ("better", "inconclusive"): "cannot tell",
    ("limit", "pass"): "within its limit",
    ("limit", "fail"): "beyond its limit",
    ("limit", "inconclusive"): "cannot tell",
}
MINUS = "−"


@dataclass(frozen=True, slots=True)
class Line:
    """A demand, in words and figures that are ready to be shown."""

    outcome: Outcome
    against: str | None
    """`the base`, …; None of a limit."""
    ended: str
    """`no worse`, `worse`, `cannot tell`, …"""
    edge: str
    """pass, fail, inconclusive; skipped of what is only shown or was waived."""
    metric: str
    less_is_better: bool
    share: bool
    """Told as a percentage, its differences in points."""
    before: str
    after: str
    difference: str
    interval: str
    margin: str
    lost: str
    gained: str
    """Answers that flipped, as counts; empty of a metric that is no yes or no."""
    n: str
    detectable: str
    """The smallest loss that would have been found with probability 0.8."""
    needed: str
    """Items that would settle it; empty where it is settled."""
    holm: str
    changed: bool
    """Whether the task changed at all, the number of tasks looked at taken into account."""
    demand: str
    """What was asked, in words."""

    @property
    def name(self) -> str:
        return self.outcome.task.task

    @property
    def comparison(self) -> Comparison | None:
        return self.outcome.comparison


def lines(outcomes: Iterable[Outcome], alpha: float) -> list[Line]:
    """Each outcome as a line: what failed first, then what cannot be told, and of each the gated ones first."""
    ordered = sorted(outcomes, key=lambda one: (not one.gated, ORDER[one.verdict]))
    return [line(one, alpha) for one in ordered]


def line(outcome: Outcome, alpha: float) -> Line:
    """One of them."""
    metric = next((each for each in outcome.task.metrics if each.name == outcome.metric), None)
    less, found = metric is not None and not metric.higher_is_better, outcome.comparison
    share = found is not None and is_share(found, less_is_better=less)
    edge = EDGES[outcome.verdict]
    ended = _ENDED[outcome.demand, outcome.verdict]
    if outcome.waiver is not None and outcome.verdict != "pass":
        edge, ended = "skipped", f"{ended}, waived"
    elif not outcome.gated:
        edge, ended = "skipped", f"{ended}, shown only"
    sign = -1.0 if less else 1.0
    if found is None:
        return Line(
            outcome=outcome, against=None, ended=ended, edge=edge, metric=outcome.metric, less_is_better=less,
            share=False, before="", after=figure(outcome.value, share=False), difference="", interval="",
            margin=figure(outcome.limit, share=False), lost="", gained="", n="", detectable="", needed="", holm="",
            changed=False, demand=_demanded(outcome, share),
        )  # fmt: skip
    return Line(
        outcome=outcome,
        against=_AGAINST[outcome.against] if outcome.against else None,
        ended=ended,
        edge=edge,
        metric=outcome.metric,
        less_is_better=less,
        share=share,
        before=figure(sign * found.before, share=share),
        after=figure(sign * found.after, share=share),
        difference=gain(found.difference, share=share),
        interval=" to ".join(gain(end, share=share).removesuffix(" points") for end in (found.lower, found.upper)),
        margin=gain(-found.margin, share=share),
        lost="" if found.lost is None else f"{found.lost:,}",
        gained="" if found.gained is None else f"{found.gained:,}",
        n=f"{found.n:,}" + ("" if found.clusters is None else f" in {found.clusters:,} groups"),
        detectable=gain(found.minimum_detectable, share=share).lstrip("+"),
        needed="" if found.required_n is None else f"{found.required_n:,}",
        holm="" if outcome.holm is None else probability(outcome.holm),
        changed=outcome.holm is not None and outcome.holm < alpha,
        demand=_demanded(outcome, share),
    )


def _demanded(outcome: Outcome, share: bool) -> str:
    if outcome.demand == "limit":
        return f"{outcome.metric} no further than {figure(outcome.limit, share=False)}"
    against = _AGAINST[outcome.against] if outcome.against else "the base"
    margin = outcome.comparison.margin if outcome.comparison else 0.0
    if outcome.demand == "better":
        by = f" by {gain(-margin, share=share).lstrip('+')}" if margin else ""
        return f"better than {against}{by}"
    return f"at most {gain(margin, share=share).lstrip('+')} worse than {against}"


def is_share(found: Comparison, *, less_is_better: bool) -> bool:
    """Whether a metric is told as a percentage and its differences in points: a share of 1."""
    return found.kind == "binary" or (not less_is_better and max(abs(found.before), abs(found.after)) <= 1)


def figure(value: float | None, *, share: bool) -> str:
    """A score: a share as a percentage, anything else with four digits."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{100 * value:.1f} %" if share else f"{value:.4g}".replace("-", MINUS)


def gain(value: float, *, share: bool) -> str:
    """A difference with its sign: of shares in points, else in the metric's own unit."""
    if not math.isfinite(value):
        return "–"
    shown = f"{100 * value:+.1f}" if share else f"{value:+.3g}"
    shown = shown.lstrip("+-") if float(shown) == 0 else shown
    return shown.replace("-", MINUS) + (" points" if share else "")


def probability(value: float) -> str:
    """A p-value with two digits; a very small one as that."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def short(name: str, most: int = 30) -> str:
    """A task's name for a chart."""
    shown = one_line(name)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def named(line: Line, every: Sequence[Line]) -> str:
    """A task's name, with the metric where the task has more than one line of its kind."""
    twins = sum(
        (each.name, each.against, each.outcome.demand) == (line.name, line.against, line.outcome.demand)
        for each in every
    )
    return f"{line.name}: {line.metric}" if twins > 1 else line.name
