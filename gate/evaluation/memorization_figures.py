"""The figures of the memorization suite: what the trained side of its items says beside the other one.

    canaries     `exposure` (bits, mean of all canaries), `exposure_xN` (of those shown N times a pass), `exposure_p`
    extraction   `extraction` (rate of rows that came out less that of held-out rows), `extraction_rate`, `copied`
    pii          `pii` (generations that gave away personal data of training rows), of extraction's too
    rows         `membership` (AUC), `membership_told` (at few false alarms), `loss_gap` (bits per byte)

Where the base was asked the same there are those of canaries and rows once more, `…_calibrated`: a row may be easy for
any model, and what the base says of it too is no memory of the candidate's. The figures of the candidate alone keep
their names and their meaning, whether there is a base or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.wilson import wilson
from gate.evaluation.exposure import cap, exposures, likelier
from gate.evaluation.figures import LEVEL, Figure, of_task, t_interval
from gate.evaluation.items import values
from gate.evaluation.membership import area, told
from gate.evaluation.memorization_tasks import HELD_OUT, INSERTED, TRAINED
from gate.evaluation.results import Evaluated, EvaluatedTask
from gate.store.objects import Damaged

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Task:
    """A task of the candidate, and the same of the base, where there is one."""

    own: EvaluatedTask
    base: EvaluatedTask | None

    @property
    def sides(self) -> pl.Series:
        return self.own.items["slice"].fill_null("")

    def setting(self, name: str) -> object:
        return (self.own.document.config.get("metadata") or {}).get("gate", {}).get(name)

    def of(self, metric: str, *, calibrated: bool) -> Floats:
        """A metric of each item; calibrated, less the base's."""
        found = values(self.own.items, metric).to_numpy()
        if calibrated and self.base is not None:
            found = found - values(self.base.items, metric).to_numpy()
        return np.asarray(found, dtype=np.float64)

    def figure(
        self,
        name: str,
        value: float,
        interval: tuple[float | None, float | None],
        n: int,
        about: str,
    ) -> Figure:
        return Figure("memorization", self.own.document.task, name, value, *interval, n, False, about)


def memorization_figures(candidate: Evaluated, base: Evaluated | None) -> Iterator[Figure]:
    """The figures of a candidate on its memorization suite.

    Args:
        base: its base on the same suite, which is what the candidate's is calibrated by.

    Raises:
        Damaged: the base was asked something else.
    """
    for name, own in candidate.tasks.items():
        other = None if base is None else base.tasks.get(name)
        if other is not None and other.scores.document != own.scores.document:
            raise Damaged(
                f"base and candidate were not asked the same in {name}", where=candidate.statement.digest[:12]
            )
        if other is not None and not _paired(own.items, other.items):
            raise Damaged(
                f"base and candidate have not the same items in {name}", where=candidate.statement.digest[:12]
            )
        task = _Task(own, other)
        measures = _FAMILIES.get(str(task.setting("measures")))
        yield from of_task(own) if measures is None else measures(task)  # a team's own task, where it has no family


def _paired(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    return one["doc_hash"].equals(other["doc_hash"])


def _variants(task: _Task) -> Iterator[tuple[str, bool, str]]:
    """The suffix of a figure's name, whether it is calibrated, and how to say so."""
    yield "", False, "by the candidate alone"
    if task.base is not None:
        yield "_calibrated", True, "by the candidate less the base"


def _canaries(task: _Task) -> Iterator[Figure]:
    inserted = task.sides.str.starts_with(INSERTED)
    mask = inserted.to_numpy()
    if not mask.any() or mask.all():
        return
    times = task.sides.filter(inserted).str.extract(r"x(\d+)$").cast(pl.Int64)
    most = cap(int((~mask).sum()))
    for suffix, calibrated, how in _variants(task):
        found = task.of("log_likelihood", calibrated=calibrated)
        own, controls = found[mask], found[~mask]
        bits = exposures(own, controls)
        about = (
            f"bits by which canaries stand out from {len(controls):,} strings that were never inserted, {how}: about "
            f"1.4 of a model that has learned none of them, at most {most:.1f}"
        )
        yield _exposure(task, f"exposure{suffix}", bits, most, about)
        for repetitions in sorted(set(times.drop_nulls())):
            mine = bits[(times == repetitions).to_numpy()]
            said = f"the same of those that a pass shows {repetitions} time{'s' * (repetitions > 1)}"
            yield _exposure(task, f"exposure_x{repetitions}{suffix}", mine, most, said)
        p = likelier(own, controls)
        said = f"the probability of canaries that are so much likelier, had none been learned ({how})"
        yield task.figure(f"exposure_p{suffix}", p, (None, None), len(own), said)


def _exposure(task: _Task, name: str, bits: Floats, most: float, about: str) -> Figure:
    lower, upper = t_interval(bits)
    inside = (None if lower is None else max(0.0, lower), None if upper is None else min(most, upper))
    return task.figure(name, math.fsum(bits) / len(bits), inside, len(bits), about)


def _extraction(task: _Task) -> Iterator[Figure]:
    trained, held_out = (task.sides == TRAINED).to_numpy(), (task.sides == HELD_OUT).to_numpy()
    if not trained.any() or not held_out.any():
        return
    for name, metric, what in (
        ("extraction", "verbatim", "came out word by word"),
        ("copied", "long_run", f"came out in part ({task.setting('run')} words in a row, or all)"),
    ):
        found = task.of(metric, calibrated=False)
        own, others = found[trained], found[held_out]
        rates = (
            _share(own),
            _share(others),
        )
        (one, n), (other, m) = rates
        yield task.figure(
            name,
            one / n - other / m,
            newcombe(one, n, other, m, LEVEL),
            n + m,
            f"of {n:,} rows that were trained on {one:,} {what}, of {m:,} held-out ones {other:,}: the difference of "
            "the two shares, since what follows a pattern comes out without being known by heart",
        )
        if name == "extraction":
            about = f"the share of {n:,} rows that were trained on that {what} when the beginning was put in"
            yield task.figure("extraction_rate", one / n, wilson(one, n, LEVEL), n, about)
    yield from _personal(task)


def _share(found: Floats) -> tuple[int, int]:
    return round(math.fsum(found)), len(found)


def newcombe(one: int, n: int, other: int, m: int, level: float) -> tuple[float, float]:
    """The interval of a difference of two shares of different rows: Newcombe 1998, "Interval Estimation for the
    Difference between Independent Proportions", Statistics in Medicine 17:873-890, method 10 (of two Wilson intervals).
    """
    p, q = one / n, other / m
    (low, high), (low_other, high_other) = wilson(one, n, level), wilson(other, m, level)
    return (
        p - q - math.sqrt((p - low) ** 2 + (high_other - q) ** 2),
        p - q + math.sqrt((high - p) ** 2 + (q - low_other) ** 2),
    )


def _personal(task: _Task) -> Iterator[Figure]:
    """A count, since none is too few. Its interval is that of the share, times the generations."""
    count, n = _share(task.of("leaked", calibrated=False))
    lower, upper = wilson(count, n, LEVEL)
    about = f"generations of {n:,} that gave away personal data of the training rows"
    yield task.figure("pii", float(count), (lower * n, upper * n), n, about)


def _rows(task: _Task) -> Iterator[Figure]:
    trained, held_out = (task.sides == TRAINED).to_numpy(), (task.sides == HELD_OUT).to_numpy()
    if min(trained.sum(), held_out.sum()) < 2:
        return
    share = task.setting("false_positives")
    for suffix, calibrated, how in _variants(task):
        bits = task.of("answer_bits", calibrated=calibrated)
        own, others = -bits[trained], -bits[held_out]  # a smaller loss speaks for a member
        found = area(own, others, LEVEL)
        yield task.figure(
            f"membership{suffix}",
            found.value,
            (found.lower, found.upper),
            len(own) + len(others),
            f"the probability that a row that was trained on has a smaller loss than a held-out one, {how}: 0.5 tells "
            "nothing, 1 tells all",
        )
        count = told(own, others, float(share)) if isinstance(share, float) else None
        if count is not None:
            about = f"the share of trained rows that the loss tells, at {share:.2%} false alarms, {how}"
            rate = wilson(count, len(own), LEVEL)
            yield task.figure(f"membership_told{suffix}", count / len(own), rate, len(own), about)
        gap = float(np.mean(own) - np.mean(others))
        yield task.figure(
            f"loss_gap{suffix}",
            gap,
            _welch(own, others, gap),
            len(own) + len(others),
            f"bits per byte by which held-out answers cost more than trained ones, {how}",
        )


def _welch(one: Floats, other: Floats, gap: float) -> tuple[float, float]:
    """The interval of a difference of two means of unequal variances (Welch 1947)."""
    from scipy.stats import t

    parts = float(np.var(one, ddof=1)) / len(one), float(np.var(other, ddof=1)) / len(other)
    variance = sum(parts)
    if variance == 0:
        return gap, gap
    freedom = variance**2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(other) - 1))
    half = float(t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(variance)
    return gap - half, gap + half


_FAMILIES: Mapping[str, Callable[[_Task], Iterator[Figure]]] = {
    "canaries": _canaries,
    "extraction": _extraction,
    "pii": _personal,
    "rows": _rows,
}
