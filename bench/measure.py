"""Runs a command in a fresh process and says what it cost: seconds, and the memory of its whole process tree.

Memory is the highest sum of resident set sizes seen over the process and all its descendants, sampled every
50 ms; pages that processes share are counted once for each, so the figure is an upper bound.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

INTERVAL = 0.05
"""Seconds between two looks at the process tree."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run cost."""

    wall: float
    """Seconds from start to exit."""
    user: float
    """CPU seconds in user mode, of the process and of every descendant that was waited for."""
    system: float
    peak: int
    """Bytes."""
    code: int
    stdout: str
    stderr: str


def measure(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Measured:
    """Run the command and wait for it.

    Args:
        environment: variables set beside those of this process.
        folder: where it runs; here by default.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
        root, peak = psutil.Process(process.pid), 0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _resident(root))
            time.sleep(INTERVAL)
        wall = time.perf_counter() - begun
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        texts = [stream.read().decode(errors="replace") for stream in (out, err)]
    return Measured(wall, usage.ru_utime, usage.ru_stime, peak, code, *texts)


def _resident(root: psutil.Process) -> int:
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue  # it ended between the two calls
    return total
