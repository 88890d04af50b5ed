"""Lanes of worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import polars as pl
import psutil
import pytest

from gate.engines import local
from gate.engines.local import LocalEngine


def _double(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(pl.col("a") * 2)


def test_a_lane_is_one_process_and_keeps_it() -> None:
    with LocalEngine() as engine:
        first, again, other = (engine.submit(lane, os.getpid).result() for lane in ("a", "a", "b"))
    assert first == again
    assert len({first, other, os.getpid()}) == 3


def test_leaving_the_engine_ends_its_workers_even_busy_ones() -> None:
    with LocalEngine() as engine:
        pid = engine.submit("a", os.getpid).result()
        engine.submit("a", time.sleep, 600)
    deadline = time.time() + 10
    while psutil.pid_exists(pid) and time.time() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_worker_that_dies_is_an_error_not_a_hang() -> None:
    from loky.process_executor import TerminatedWorkerError

    with LocalEngine() as engine, pytest.raises(TerminatedWorkerError):
        engine.submit("a", os.kill, engine.submit("a", os.getpid).result(), signal.SIGKILL).result(timeout=60)


def test_it_works_from_a_script_without_a_main_guard(tmp_path: object) -> None:
    script = (
        "from gate.engines.local import LocalEngine; import os\n"
        "with LocalEngine() as e: print(e.submit('a', os.getppid).result())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)


def test_closing_waits_for_nobody_who_is_stuck_while_starting_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a thread is that waits for an import lock which a Ctrl-C left taken."""
    monkeypatch.setattr(local, "PATIENCE", 0.2)
    engine = LocalEngine()
    stuck, leave = threading.Event(), threading.Event()

    def start() -> None:
        with engine._lock:
            stuck.set()
            leave.wait(60)

    thread = threading.Thread(target=start, daemon=True)
    pid = engine.submit("a", os.getpid).result()
    thread.start()
    stuck.wait(60)
    begun = time.monotonic()
    engine.close()
    assert time.monotonic() - begun < 20
    leave.set()
    deadline = time.time() + 10
    while psutil.pid_exists(pid) and time.time() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    with pytest.raises(RuntimeError):
        engine.submit("a", os.getpid)
