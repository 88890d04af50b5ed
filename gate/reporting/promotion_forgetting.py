"""What a candidate forgot and what it learned against the base, summed up over the tasks of a decision.

Shares are weighted by items: an item counts once, whatever task it is in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gate.promotion.decided import Decided, Outcome
from gate.training.history import History


@dataclass(frozen=True, slots=True)
class Kept:
    """Of what the base could, over some yes-or-no tasks."""

    items: int
    known: int
    """Items that the base got right."""
    lost: int
    gained: int
    forgotten: float
    """1 → 0 as a share of all items, less what guessing alone would show."""
    learned: float
    """0 → 1, the same."""

    @property
    def retained(self) -> float | None:
        """Share of what the base got right that the candidate gets right too; None where it got nothing right."""
        return None if self.known == 0 else 1 - self.lost / self.known


@dataclass(frozen=True, slots=True)
class Bits:
    """Bits per byte of a text task: how well the model still predicts general text; less is better."""

    task: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate of the store in the plot of learned against forgotten."""

    name: str
    made: str
    verdict: str
    learned: float
    forgotten: float
    this: bool


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The section's figures."""

    kept: Kept | None
    """Over the suite `forgetting`; None where it has no yes-or-no task."""
    learned: Kept | None
    """Over the suite `regression`."""
    gained: float | None
    """What the plot calls learned: of `learned`, or where no task is a yes or no by how much the scores improved, as a
    share of the base's."""
    bits: tuple[Bits, ...]
    divergence: tuple[int, float] | None
    """KL of the model in training from its base (nats per token), at the last step that told of it."""
    points: tuple[Point, ...]
    """This candidate the last."""


def forgetting(decided: Decided, history: History) -> Forgetting:
    """The figures of a decision."""
    compared = _against_base(decided.outcomes)
    kept = _kept(one for one in compared if one.task.suite == "forgetting")
    learned = _kept(one for one in compared if one.task.suite == "regression")
    gained = _gained(compared, learned)
    kl = history.series("kl")
    return Forgetting(
        kept, learned, gained, tuple(_bits(compared)), kl[-1] if kl else None, _points(decided, gained, kept)
    )


def learned_and_forgotten(decided: Decided) -> tuple[float | None, float | None]:
    """Where a candidate stands in the plot: the share of items learned over the suite `regression` (or by how much its
    scores improved, where no task is a yes or no), and forgotten over `forgetting`, both against the base and less
    what guessing would show. None: there is no such task."""
    compared = _against_base(decided.outcomes)
    learned = _kept(one for one in compared if one.task.suite == "regression")
    kept = _kept(one for one in compared if one.task.suite == "forgetting")
    return _gained(compared, learned), None if kept is None else kept.forgotten


def _gained(compared: Iterable[Outcome], learned: Kept | None) -> float | None:
    if learned is not None:
        return learned.learned
    shares = [
        found.difference / abs(found.before)
        for one in compared
        if one.task.suite == "regression" and (found := one.comparison) is not None and found.before
    ]
    return sum(shares) / len(shares) if shares else None


def _against_base(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """One for each task and metric. Of tasks that were judged alone and together, those alone: no item counts twice."""
    found: dict[tuple[str, str, str], Outcome] = {}
    compared = [one for one in outcomes if one.against == "base" and one.comparison is not None]
    alone = {one.task.task for one in compared}
    for one in compared:
        if alone.isdisjoint(one.task.config.get("together", ())):
            found.setdefault((one.task.suite, one.task.task, one.metric), one)
    return list(found.values())


def _kept(outcomes: Iterable[Outcome]) -> Kept | None:
    items = known = lost = gained = 0
    forgotten = learned = 0.0
    for one in outcomes:
        found = one.comparison
        if found is None or found.lost is None or one.metric != one.task.primary:
            continue
        items += found.n
        known += round(found.before * found.n)
        lost += found.lost
        gained += found.gained or 0
        # Without a known chance of guessing right there is nothing to take away.
        away, came = found.lost / found.n, (found.gained or 0) / found.n
        sample = found.forgetting
        forgotten += found.n * (away if sample is None else sample.adjusted_forgotten)
        learned += found.n * (came if sample is None else sample.adjusted_learned)
    return Kept(items, known, lost, gained, forgotten / items, learned / items) if items else None


def _bits(outcomes: Iterable[Outcome]) -> Iterable[Bits]:
    for one in outcomes:
        if one.task.suite == "forgetting" and "bits_per_byte" in one.metric and one.comparison is not None:
            sign = 1.0 if one.task.metric(one.metric).higher_is_better else -1.0
            yield Bits(one.task.task, sign * one.comparison.before, sign * one.comparison.after)


def _points(decided: Decided, learned: float | None, kept: Kept | None) -> tuple[Point, ...]:
    """The candidates of the store, each once, as it was decided last."""
    latest: dict[object, Point] = {}
    for each in decided.others:
        if each.get("model") != decided.candidate.model and (point := _earlier(each)) is not None:
            latest[each.get("model")] = point
    points = list(latest.values())
    if learned is not None and kept is not None:
        own = decided.candidate.name, decided.made, decided.verdict
        points.append(Point(*own, learned, kept.forgotten, this=True))
    return tuple(points)


def _earlier(said: Mapping[str, object]) -> Point | None:
    """A promotion before; None where it lacks one of the two figures."""
    learned, forgotten = said.get("learned"), said.get("forgotten")
    if not (isinstance(learned, float | int) and isinstance(forgotten, float | int)):
        return None
    if not (math.isfinite(learned) and math.isfinite(forgotten)):
        return None
    name, made, verdict = (str(said.get(each, "")) for each in ("name", "made", "verdict"))
    return Point(name, made, verdict, float(learned), float(forgotten), this=False)
