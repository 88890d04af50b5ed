"""Follows a trainer: hands on what it tells, and has it end in good order when gate is told to.

The first signal asks the trainer to finish its step and to write a checkpoint; a second one ends it at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from gate.training.events import FILE, Event, read_events

_EVERY = 0.1
"""Seconds between two looks."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

OnEvent = Callable[[Event], None]


@dataclass(slots=True)
class Told:
    """The signals that this process was sent."""

    numbers: list[int] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """Of each, by the monotonic clock."""

    @property
    def first(self) -> int | None:
        return self.numbers[0] if self.numbers else None

    @property
    def insistent(self) -> bool:
        """Whether somebody asked again. Within a second it is the same request: `timeout` sends it twice."""
        return len(self.moments) > 1 and self.moments[-1] - self.moments[0] > 1


@contextlib.contextmanager
def listening() -> Iterator[Told]:
    """Note signals instead of ending by them. In a thread that is not the main one nothing changes."""
    told = Told()
    if threading.current_thread() is not threading.main_thread():
        yield told
        return

    def note(number: int, frame: FrameType | None) -> None:
        told.numbers.append(number)
        told.moments.append(time.monotonic())

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    wanted = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]  # as under nohup
    for number in wanted:
        signal.signal(number, note)
    try:
        yield told
    finally:
        for number in wanted:
            signal.signal(number, before[number])


def end_of_events(folder: Path) -> int:
    """Where new events will begin. What a killed trainer left of a last line is cut off, so that it stays alone."""
    path = folder / FILE
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            file.truncate(end)
    return end


def follow(
    process: subprocess.Popen[bytes],
    folder: Path,
    start: int,
    told: Told,
    on_event: OnEvent = lambda event: None,
    on_stopping: Callable[[], None] = lambda: None,
) -> int:
    """Wait for a trainer to end, and hand on its events as they come.

    Args:
        start: where in the file its events begin.
        on_stopping: called once it was told to end.

    Returns:
        its exit code; negative: the signal that ended it.
    """
    position, asked, killed = start, False, False
    try:
        while True:
            code = process.poll()
            events, position = read_events(folder, position)
            for event in events:
                on_event(event)
            if code is not None:
                return code
            if told.numbers and not asked:
                asked = True
                _ask(process)
                on_stopping()
            elif told.insistent and not killed:
                killed = True
                _kill(process)
            time.sleep(_EVERY)
    finally:
        # Whatever happened here: nothing that was started goes on unwatched.
        _kill(process)
        process.wait()


def _ask(process: subprocess.Popen[bytes]) -> None:
    """Ask the processes that train to finish their step. Not the launcher: it would end, and leave them alone."""
    import psutil  # comes with accelerate

    try:
        workers = psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return
    if not workers:  # it has not started them yet
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.terminate()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the trainer's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
