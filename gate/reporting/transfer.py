"""How many bytes are hashed or copied, for somebody at a terminal; nothing at all where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

_SMALL = 32 << 20
"""Bytes that are done before a line would be read."""


class Transfer:
    """One line while the work goes on, gone when it is done. Safe to call from several threads.

    Args:
        what: the work, such as `copying`.
    """

    def __init__(self, console: Console, what: str) -> None:
        self._console, self._what = console, what
        self._bars: Bars | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TransferSpeedColumn(),
            )
            self._bars = Bars(*columns, console=self._console, transient=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.stop()
        self._bars = None

    def update(self, done: int, total: int) -> None:
        """Say how many bytes of how many are done."""
        bars = self._bars
        if bars is None or total < _SMALL:
            return
        if self._task is None:
            self._task = bars.add_task(self._what, total=total)
            bars.start()
        bars.update(self._task, completed=done, total=total)
