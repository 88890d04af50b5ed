"""How far the work is, for somebody at a terminal; nothing at all where there is none."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from gate.reporting.inert import one_line

STAGES = ("dividing", "sealing", "verifying", "exporting", "checking the base", "recording")
"""What comes after judging, in `gate admit`, or around training, in `gate train`."""


class _Stage(TextColumn):
    """The stage's name as inert text: file names are somebody else's."""

    def __init__(self) -> None:
        super().__init__("{task.description}", markup=False)


class Progress:
    """One line per kind of stage while the work goes on, gone when it is done.

    `update` fits `gate.verbs.check.check(on_stage=…)`. Safe to call from several threads.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.quiet:
            self._bars = Bars(
                _Stage(),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def update(self, stage: str, done: int, total: int) -> None:
        """Say how far a stage is. `reading FILE` and what is in `STAGES` have a line of their own; any other stage is
        the name of a rule."""
        bars = self._bars
        if bars is None:
            return
        if stage in STAGES:
            line, description = stage, stage
        else:
            line, description = ("reading", stage) if stage.startswith("reading ") else ("judging", f"judged {stage}")
        text = one_line(description, 40)
        if line not in self._tasks:
            self._tasks[line] = bars.add_task(text, total=total)
        # Readers report per chunk: redraw at most 20 times a second, but always the end of a stage.
        now = time.monotonic()
        if now - self._drawn < 0.05 and done < total:
            return
        self._drawn = now
        bars.update(self._tasks[line], description=text, completed=done, total=total or None)
