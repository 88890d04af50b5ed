"""An evaluation for somebody who watches it: a bar on a terminal, plain lines elsewhere, and a table at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from gate.evaluation.items import values
from gate.evaluation.outcome import Evaluations, Measured, Role, Scored
from gate.evaluation.results import Evaluated, EvaluatedTask
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Suite
from gate.reporting.counts import counted
from gate.reporting.inert import one_line
from gate.reporting.progress import Progress as Stages

_LINES_EVERY = 20.0
"""Seconds between two lines of progress where there is no terminal."""
_WIDE = 120
"""Columns of a log."""


class Screen:
    """What is shown while models are scored; everything on the console of errors."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stages: Stages | None = None
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._suite, self._done, self._of, self._name = "", 0, 0, ""
        self._said = 0.0

    def __enter__(self) -> Self:
        self._stages = Stages(self._console)
        self._stages.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_stages()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _end_stages(self) -> None:
        if self._stages is not None:
            self._stages.__exit__(None, None, None)
            self._stages = None

    # What `gate.verbs.evaluate_models.Watching` tells

    def on_stage(self, stage: str, done: int, total: int) -> None:
        """How far checking is."""
        if self._stages is not None:
            self._stages.update(stage, done, total)

    def on_suite(self, subject: Subject, suite: Suite, settings: Settings) -> None:
        """A suite begins."""
        self._end_stages()
        asked = "" if settings.shots is None else f", {counted(settings.shots, 'shot')}"
        asked += "" if settings.system is None else ", with a system prompt"
        self._suite = f"{one_line(subject.name, 60)} on {suite.name}{asked}"
        self._done, self._of, self._name, self._said = 0, len(suite.tasks), "", time.monotonic()
        if self._console.is_terminal and not self._console.quiet:
            if self._bars is None:
                self._bars = Progress(
                    TextColumn("{task.description}", markup=False),
                    BarColumn(bar_width=24),
                    TextColumn("{task.fields[figures]}", markup=False),
                    TimeElapsedColumn(),
                    console=self._console,
                    transient=True,
                )
                self._bars.start()
                self._task = self._bars.add_task("", total=1, figures="")
            assert self._task is not None
            self._bars.reset(self._task, description=self._suite, total=max(self._of, 1), figures="loading the model")

    def on_task(self, task: str, done: int, total: int) -> None:
        """How far a task is: of its requests, done ones and all; none of either where it begins."""
        if task != self._name:
            self._done += bool(self._name)
            self._name = task
        part = self._done + (done / total if total else 0)
        said = f"{one_line(task, 40)} ({min(self._done + 1, self._of)} of {self._of})"
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=part, figures=said)
        elif time.monotonic() - self._said >= _LINES_EVERY:
            self._said = time.monotonic()
            share = f", {done:,} of {total:,} requests" if total else ""
            self._line(f"{self._suite}: {said}{share}")

    def on_scored(self, scored: Scored) -> None:
        """A suite is sealed."""
        count = counted(len(scored.evaluated.tasks), "task")
        items = counted(sum(each.items.height for each in scored.evaluated.tasks.values()), "item")
        if scored.kept:
            self._line(f"{self._suite}: {count}, {items}, kept (scored before under the same key)", "dim")
        else:
            some = f", {scored.tasks_kept} of them kept" if scored.tasks_kept else ""
            seconds = scored.evaluated.about.seconds
            self._line(
                f"{self._suite}: {count}{some}, {items}, {seconds:,} s, sealed as {scored.statement.digest[:12]}"
            )

    def on_note(self, note: str) -> None:
        """A sentence."""
        self._line(note, "yellow")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text("\n".join(one_line(each, 500) for each in text.split("\n")), style), soft_wrap=True)

    def _show(self, table: Table) -> None:
        """A table; where nobody sees it on a terminal, as wide as it is."""
        if not self._console.is_terminal:
            self._console.width = max(self._console.width, _WIDE)
        self._console.print()
        self._console.print(table)

    def render(self, evaluations: Evaluations) -> None:
        """The tables, what could not be scored, and what comes next."""
        for each in evaluations.together:
            table = _table(evaluations, each)
            if table.row_count:
                self._show(table)
        for more in (_prompts(evaluations), _repeats(evaluations)):
            if more is not None:
                self._show(more)
        self._console.print()
        for failure in evaluations.failures:
            self._line(f"not scored: {failure.subject.name} on {failure.suite}: {failure.error.what}", "bold red")
        if evaluations.failures:
            self._line("nothing is sealed of what was not scored in whole; what is finished is kept for the next time")
            return
        for name in dict.fromkeys(each.name for each in evaluations.together if each.name):
            self._line(f"next: gate promote {name}")


_COLUMNS: tuple[Role, ...] = ("candidate", "base", "champion", "model")


def _table(evaluations: Evaluations, together: Measured) -> Table:
    """A line for each task, under its suite: what each model scored on its primary metric."""
    members = {role: together.members[role] for role in _COLUMNS if role in together.members}
    found = {role: _tasks(evaluations, subject) for role, subject in members.items()}
    title = together.name or next((each.name for each in members.values()), "")
    table = Table(title=escape(one_line(title, 80)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("task", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("n", *members, *(("change", "flips") if len(members) > 1 else ())):
        table.add_column(name, justify="right", no_wrap=True)
    before = ""
    for suite, task in dict.fromkeys(key for each in found.values() for key in each):
        if suite != before:
            table.add_row(f"[bold]{suite}[/]")
            before = suite
        shown = {role: found[role].get((suite, task)) for role in members}
        any_one = next(each for each in shown.values() if each is not None)
        metric = any_one.document.metric(any_one.document.primary)
        name = one_line(task.removeprefix(f"{suite}_"), 60)
        row = [f"  {escape(name)}", escape(metric.name) + ("" if metric.higher_is_better else " ↓")]
        row += [f"{any_one.items.height:,}"]
        row += ["–" if each is None else f"{each.scores.scores[metric.name]:.3f}" for each in shown.values()]
        if len(members) > 1:
            row += _compared(shown.get("candidate"), shown.get("base") or shown.get("champion"))
        table.add_row(*row)
    return table


def _tasks(evaluations: Evaluations, subject: Subject) -> dict[tuple[str, str], EvaluatedTask]:
    return {
        (each.suite, name): task
        for each in evaluations.of(subject)
        for name, task in each.evaluated.tasks.items()
    }  # fmt: skip


def _compared(after: EvaluatedTask | None, before: EvaluatedTask | None) -> list[str]:
    """Difference and flips of the primary metric, where both are of the same task."""
    if after is None or before is None or after.document != before.document:
        return ["–", "–"]
    metric = after.document.metric(after.document.primary)
    difference = after.scores.scores[metric.name] - before.scores.scores[metric.name]
    good = difference if metric.higher_is_better else -difference
    style = "green" if good > 0 else "red" if good < 0 else "dim"
    flips = "–"
    if metric.binary:
        lost, gained = flips_of(before, after, metric.name)
        flips = f"-{lost:,} +{gained:,}"
    return [f"[{style}]{difference:+.3f}[/]", escape(flips)]


def flips_of(before: EvaluatedTask, after: EvaluatedTask, metric: str) -> tuple[int, int]:
    """Items that were right and are wrong now, and the other way round."""
    then, now = values(before.items, metric), values(after.items, metric)
    return int(((then == 1) & (now == 0)).sum()), int(((then == 0) & (now == 1)).sum())


def _prompts(evaluations: Evaluations) -> Table | None:
    """Prompt baselines, a line each."""
    rows = [each for each in evaluations.scored if each.evaluated.about.prompts is not None]
    rows = [each for each in rows if each.evaluated.about.repeat is None]
    if not rows:
        return None
    table = Table(title="prompt baselines", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("model", "shots", "system prompt", "task", "metric"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for name in ("n", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in rows:
        settings = each.evaluated.settings
        shots = "the task's" if settings.shots is None else str(settings.shots)
        for name, task in each.evaluated.tasks.items():
            primary = task.document.primary
            row = (each.subject.name, shots, each.system or "–", name, primary, f"{task.items.height:,}")
            table.add_row(*(escape(one_line(cell, 40)) for cell in row), f"{task.scores.scores[primary]:.3f}")
    return table


def _repeats(evaluations: Evaluations) -> Table | None:
    """Repeats beside what they repeat: without noise there are no flips."""
    rows = list(_repeated(evaluations))
    if not rows:
        return None
    table = Table(title="repeats", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("model", "suite", "task"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    table.add_column("items that changed", justify="right")
    for each, first in rows:
        for name, task in each.evaluated.tasks.items():
            changed = (task.items["scores"] != first.tasks[name].items["scores"]).sum()
            cells = (each.subject.name, each.suite, name, f"{changed:,} of {task.items.height:,}")
            table.add_row(*(escape(one_line(cell, 60)) for cell in cells))
    return table


def _repeated(evaluations: Evaluations) -> Iterator[tuple[Scored, Evaluated]]:
    by_digest = {each.statement.digest: each.evaluated for each in evaluations.scored}
    for each in evaluations.scored:
        repeat = each.evaluated.about.repeat
        if repeat is not None and repeat in by_digest:
            yield each, by_digest[repeat]
