"""Warning signs in the curves of a run: a pure function from curves to what is wrong with them and what to do.

The thresholds, where they come from and the remedies stand in `rules/training.yaml`. A run looks while it trains
(gate.training.callbacks); each sign is told once, at the step where it is first seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Literal

from gate.training.sign_rules import SignForm, SignRules

Code = Literal[
    "overfitting",
    "plateau",
    "spike",
    "not_finite",
    "always_clipped",
    "exploding",
    "oscillation",
    "still_falling",
    "barely_moves",
]

_USUAL = 1.4826
"""Standard deviations in a median absolute deviation of normally distributed values; neighbours differ by sqrt(2)."""


@dataclass(frozen=True, slots=True)
class Point:
    """Of the training curve."""

    step: int
    loss: float
    """The task's, without what guards add; in nats, mean over the steps since the point before."""
    lr: float | None = None
    grad_norm: float | None = None
    """Before clipping."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of the validation curve."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class Curves:
    """What a run has shown so far."""

    points: Sequence[Point]
    evaluations: Sequence[Evaluation] = ()
    clip: float = math.inf
    """The largest norm of a gradient that is left alone."""
    finished: bool = False
    """Whether all steps are done: some signs are those of a whole run."""
    losses: bool = True
    """Whether the loss measures what is learned (not so with reinforcement learning)."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One of them."""

    code: Code
    step: int
    message: str
    remedy: str
    severity: str


def signs(curves: Curves, rules: SignRules) -> list[Sign]:
    """Every sign that the curves show at their end, one of a kind; `not_finite` and `spike` wherever they are.

    Curves too short for a sign do not have it.
    """
    found: list[Sign] = []
    for code, look, of_losses in _LOOKS:
        rule: SignForm = getattr(rules, code)
        if rule.severity == "off" or (of_losses and not curves.losses):
            continue
        seen = next(look(curves, rules), None)
        if seen is not None:
            step, message = seen
            found.append(Sign(code, step, message, rule.remedy, rule.severity))
    return found


Seen = Iterator[tuple[int, str]]


def _not_finite(curves: Curves, rules: SignRules) -> Seen:
    for point in curves.points:
        if not math.isfinite(point.loss):
            yield point.step, f"the training loss is {point.loss}"
        elif point.grad_norm is not None and not math.isfinite(point.grad_norm):
            yield point.step, f"the gradient's norm is {point.grad_norm}"
    for evaluation in curves.evaluations:
        if not math.isfinite(evaluation.loss):
            yield evaluation.step, f"the validation loss is {evaluation.loss}"


def _overfitting(curves: Curves, rules: SignRules) -> Seen:
    rule, evaluations = rules.overfitting, curves.evaluations
    if len(evaluations) <= rule.evaluations or not _finite(each.loss for each in evaluations):
        return
    best = min(evaluations, key=lambda each: each.loss)
    last = evaluations[-rule.evaluations :]
    if best.step >= last[0].step or not all(each.loss > best.loss + rule.rise for each in last):
        return
    before = [point.loss for point in curves.points if point.step <= best.step]
    since = [point.loss for point in curves.points if point.step > best.step]
    width = min(len(before), len(since))
    if width and fmean(since[-width:]) < fmean(before[-width:]):
        yield (
            last[-1].step,
            f"the validation loss rises while the training loss falls: {last[-1].loss:.3f}, after {best.loss:.3f} at "
            f"step {best.step:,}",
        )


def _plateau(curves: Curves, rules: SignRules) -> Seen:
    rule, losses = rules.plateau, [point.loss for point in curves.points]
    if len(losses) < 3 * rule.window or not _finite(losses):
        return
    first, before, last = _means(losses, rule.window)
    flat = before - last < rule.fall * before and last > rule.high * first
    if len(curves.evaluations) > 1:
        flat = flat and abs(curves.evaluations[-2].loss - curves.evaluations[-1].loss) < rule.rise
    if flat:
        yield curves.points[-1].step, f"the training loss stands still at {last:.3f}; it began at {first:.3f}"


def _spike(curves: Curves, rules: SignRules) -> Seen:
    rule, points = rules.spike, curves.points
    for at in range(rule.window, len(points)):
        before = [point.loss for point in points[at - rule.window : at]]
        if not _finite([*before, points[at].loss]):
            continue
        middle = median(before)
        usual = _USUAL * median(abs(b - a) for a, b in pairwise(before)) / math.sqrt(2)  # of a loss that falls, too
        above = points[at].loss - middle
        if above > rule.ratio * abs(middle) and above > rule.deviations * usual:
            yield points[at].step, f"the training loss jumps to {points[at].loss:.3f}, from about {middle:.3f}"


def _always_clipped(curves: Curves, rules: SignRules) -> Seen:
    rule = rules.always_clipped
    norms = [point.grad_norm for point in curves.points[-rule.window :] if point.grad_norm is not None]
    if len(norms) < rule.window:
        return
    share = sum(norm > curves.clip for norm in norms) / len(norms)
    if share >= rule.share:
        yield (
            curves.points[-1].step,
            f"{share:.0%} of the last {len(norms)} gradients are larger than `clip` ({curves.clip:g}); their median is "
            f"{median(norms):.3g}",
        )


def _exploding(curves: Curves, rules: SignRules) -> Seen:
    rule = rules.exploding
    known = [(point.step, point.grad_norm) for point in curves.points if point.grad_norm is not None]
    for at in range(rule.window, len(known)):
        step, norm = known[at]
        usual = median(each for _, each in known[at - rule.window : at])
        if math.isfinite(norm) and usual > 0 and norm > rule.times * usual and norm > curves.clip:
            yield step, f"the gradient's norm is {norm:.3g}, after about {usual:.3g}"


def _oscillation(curves: Curves, rules: SignRules) -> Seen:
    rule = rules.oscillation
    losses = [point.loss for point in curves.points[-rule.window :]]
    if len(losses) < rule.window or not _finite(losses):
        return
    mean = fmean(losses)
    if mean <= 0:
        return
    middle = (len(losses) - 1) / 2
    spread = sum((at - middle) ** 2 for at in range(len(losses)))
    slope = sum((at - middle) * loss for at, loss in enumerate(losses)) / spread
    rest = [loss - mean - slope * (at - middle) for at, loss in enumerate(losses)]
    half = len(losses) // 2
    fell = fmean(losses[:half]) - fmean(losses[-half:])
    if pstdev(rest) > rule.deviation * mean and fell < rule.fall * mean:
        yield (
            curves.points[-1].step,
            f"the training loss swings by {pstdev(rest) / mean:.0%} around {mean:.3f} and does not fall",
        )


def _still_falling(curves: Curves, rules: SignRules) -> Seen:
    rule, losses = rules.still_falling, [point.loss for point in curves.points]
    if not curves.finished or len(curves.evaluations) < 2 or len(losses) < 2 * rule.window:
        return
    evaluated = [each.loss for each in curves.evaluations]
    if not _finite([*losses, *evaluated]) or evaluated[-1] > min(evaluated):
        return
    _, before, last = _means(losses, rule.window)
    if before - last > rule.fall * abs(before) and evaluated[-2] - evaluated[-1] > rule.fall * abs(evaluated[-2]):
        yield (
            curves.points[-1].step,
            f"both losses were still falling at the end: training {before:.3f} to {last:.3f}, validation "
            f"{evaluated[-2]:.3f} to {evaluated[-1]:.3f}",
        )


def _barely_moves(curves: Curves, rules: SignRules) -> Seen:
    rule, losses = rules.barely_moves, [point.loss for point in curves.points]
    if not curves.finished or len(losses) < 2 * rule.window or not _finite(losses):
        return
    first, _, last = _means(losses, rule.window)
    if abs(first - last) < rule.fall * abs(first):
        yield curves.points[-1].step, f"the training loss barely moved: from {first:.3f} to {last:.3f}"


_LOOKS: tuple[tuple[Code, Callable[[Curves, SignRules], Seen], bool], ...] = (
    ("not_finite", _not_finite, False),
    ("overfitting", _overfitting, True),
    ("plateau", _plateau, True),
    ("spike", _spike, True),
    ("always_clipped", _always_clipped, False),
    ("exploding", _exploding, False),
    ("oscillation", _oscillation, True),
    ("still_falling", _still_falling, True),
    ("barely_moves", _barely_moves, True),
)
"""Each sign, and whether it is one of losses."""


def _means(losses: Sequence[float], window: int) -> tuple[float, float, float]:
    """Of the first window, of the last but one, and of the last."""
    return fmean(losses[:window]), fmean(losses[-2 * window : -window]), fmean(losses[-window:])


def _finite(values: Sequence[float] | Iterator[float]) -> bool:
    return all(math.isfinite(value) for value in values)


def stops_early(losses: Sequence[float], patience: int, threshold: float) -> bool:
    """Whether the validation loss has gone without improvement for `patience` evaluations.

    An improvement is a fall by more than `threshold` below the last one, so that many small steps down count as one
    once they add up. Patience 0 never stops.
    """
    if not patience or not losses:
        return False
    best, waited = losses[0], 0
    for loss in losses[1:]:
        if loss < best - threshold:
            best, waited = loss, 0
        else:
            waited += 1
    return waited >= patience
