"""The outputs of a candidate that a person is to read: drawn at random, of every task and of what changed and what did
not, each with what was said of it in `gate review --outputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from gate.evaluation.results import EvaluatedTask
from gate.evaluation.task_document import SuiteName
from gate.promotion.decided import Decided
from gate.reporting.inert import one_line
from gate.reporting.promotion_changed import Limits, Text, shown
from gate.reporting.promotion_items import Answered, outputs, side_by_side, task_of
from gate.reporting.promotion_told import Mark
from gate.snapshots.sample import draw

SIZE = 40
"""Outputs that are drawn: practitioners' guides ask for 20 to 50 that a person reads before a release."""
MOST = 50
"""With those beside them that somebody has marked."""
BY = ("task", "changed")


@dataclass(frozen=True, slots=True)
class Reading:
    """An output to read."""

    id: str
    suite: SuiteName
    task: str
    place: int
    changed: bool
    """The base said something else."""
    prompt: Text
    target: Text
    output: Text
    base: Text | None
    value: float
    """Its score on the task's primary metric, more is better."""
    binary: bool
    marks: tuple[Mark, ...]
    """By whoever looked at it."""


@dataclass(frozen=True, slots=True)
class AllReading:
    """Those shown, and how many there are."""

    items: tuple[Reading, ...]
    population: int
    seed: int
    good: int
    bad: int
    """Outputs of the candidate, shown or not, that at least one person called so."""
    reviewers: tuple[str, ...]

    @property
    def marked(self) -> int:
        """Of those shown."""
        return sum(any(mark.verdict != "skip" for mark in each.marks) for each in self.items)


def drawn(candidate: Answered, base: Answered, model: str, *, size: int = SIZE, seed: int = 0) -> pl.DataFrame:
    """The outputs to read, in the order in which they are read; the same ones for the same model, size and seed.

    Returns:
        schema gate.reporting.promotion_items.OUTPUTS; empty where there is nothing to read.
    """
    every = outputs(candidate, base, model)
    if every.height <= size:
        return every if every.is_empty() else _some(every, size, seed)
    # As many of each stratum, not in proportion: a thousand sums that it gets right must not crowd out what it learned.
    strata = every.partition_by(BY, maintain_order=True)
    first = pl.concat([_some(part, max(1, size // len(strata)), seed) for part in strata])
    rest = every.join(first, on="id", how="anti")
    if (missing := size - first.height) > 0 and not rest.is_empty():
        first = pl.concat([first, _some(rest, missing, seed)])
    return _some(first, size, seed)


def _some(rows: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """So many of them in random order, always the same."""
    found = draw(rows.select("id"), count, seed=seed, by=())
    return found.examples.select("id").join(rows, on="id", maintain_order="left")


def reading(decided: Decided, marks: Sequence[Mark], limits: Limits, *, seed: int = 0) -> AllReading:
    """What is shown, with what people said."""
    candidate, base = decided.candidate.evaluations, decided.base.evaluations
    every = outputs(candidate, base, decided.candidate.model)
    by_id: dict[str, list[Mark]] = {}
    known = set(every["id"].to_list())
    for mark in marks:
        if mark.id in known:
            by_id.setdefault(mark.id, []).append(mark)
    first = drawn(candidate, base, decided.candidate.model, seed=seed)
    marked = every.filter(pl.col("id").is_in(list(by_id)) & ~pl.col("id").is_in(first["id"].to_list()))
    chosen = pl.concat([first, marked.head(max(0, MOST - first.height))])
    tables: dict[tuple[str, str], tuple[EvaluatedTask, dict[int, Mapping[str, object]]]] = {}
    items = []
    for row in chosen.iter_rows(named=True):  # some fifty
        key = row["suite"], row["task"]
        if key not in tables:
            task = candidate[key[0]].tasks[key[1]]
            wanted = chosen.filter((pl.col("suite") == key[0]) & (pl.col("task") == key[1]))["index"].to_list()
            sides = side_by_side(task, {"base": task_of(base, *key)}, task.document.primary)
            found = sides.filter(pl.col("index").is_in(wanted))
            tables[key] = task, {each["index"]: each for each in found.iter_rows(named=True)}
        task, rows = tables[key]
        items.append(_reading(row, task, rows[row["index"]], tuple(by_id.get(row["id"], ())), limits))
    said = [mark.verdict for each in by_id.values() for mark in each]
    return AllReading(
        items=tuple(items),
        population=every.height,
        seed=seed,
        good=sum(any(mark.verdict == "good" for mark in each) for each in by_id.values()),
        bad=sum(any(mark.verdict == "bad" for mark in each) for each in by_id.values()),
        reviewers=tuple(sorted({one_line(mark.reviewer, 80) for each in by_id.values() for mark in each}))
        if said
        else (),
    )


def _reading(
    row: Mapping[str, object], task: EvaluatedTask, item: Mapping[str, object], marks: tuple[Mark, ...], limits: Limits
) -> Reading:
    base, value = item.get("base_output"), item["value"]
    assert isinstance(value, float)
    return Reading(
        id=str(row["id"]),
        suite=task.document.suite,
        task=str(row["task"]),
        place=int(str(row["index"])),
        changed=row["changed"] == "changed",
        prompt=shown(str(item["prompt"]), limits.prompt, end=True),
        target=shown(str(item["target"]), limits.output),
        output=shown(str(item["output"]), limits.read),
        base=None if base is None else shown(str(base), limits.read),
        value=value,
        binary=task.document.metric(task.document.primary).binary,
        marks=marks,
    )
