"""Following a trainer: every event once and whole, signals politely and then not, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from gate.training.events import Event
from gate.training.watch import Told, follow, listening

TELLS = """
import json, os, signal, sys, time
path = sys.argv[1]
def say(text):
    with open(path, "a") as file:
        file.write(text)
for step in range(3):
    line = json.dumps({"event": "step", "time": 1.0, "step": step}) + "\\n"
    say(line[:10]); time.sleep(0.15); say(line[10:])
"""
LAUNCHES = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
sys.exit(child.wait())
"""
WAITS = """
import json, signal, sys, time
asked = []
if {polite}: signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
else: signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "a").write('{{"event": "stage", "time": 1, "name": "ready"}}\\n')
while not asked: time.sleep(0.05)
open(sys.argv[1], "a").write('{{"event": "end", "time": 1, "reason": "interrupted"}}\\n')
"""


def started(code: str, folder: Path, *, launched: bool = False) -> subprocess.Popen[bytes]:
    events = str(folder / "events.jsonl")
    command = [sys.executable, "-c", LAUNCHES, events, code] if launched else [sys.executable, "-c", code, events]
    return subprocess.Popen(command, start_new_session=True)


def test_every_event_comes_once_and_whole(tmp_path: Path) -> None:
    seen: list[Event] = []
    assert follow(started(TELLS, tmp_path), tmp_path, 0, Told(), seen.append) == 0
    assert [event.fields["step"] for event in seen] == [0, 1, 2]


def test_what_was_there_before_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"event": "step", "time": 1.0, "step": 9}\n')
    seen: list[Event] = []
    follow(started(TELLS, tmp_path), tmp_path, (tmp_path / "events.jsonl").stat().st_size, Told(), seen.append)
    assert [event.fields["step"] for event in seen] == [0, 1, 2]


def test_the_exit_code_and_the_signal_that_ended_it_come_back(tmp_path: Path) -> None:
    assert follow(started("import sys; sys.exit(3)", tmp_path), tmp_path, 0, Told()) == 3
    assert follow(started("import os; os.kill(os.getpid(), 9)", tmp_path), tmp_path, 0, Told()) == -9


def test_a_signal_asks_the_worker_and_not_its_launcher(tmp_path: Path) -> None:
    process = started(WAITS.format(polite=True), tmp_path, launched=True)
    seen: list[str] = []
    asked: list[str] = []

    def see(event: Event) -> None:
        seen.append(event.kind)
        if event.kind == "stage":
            os.kill(os.getpid(), signal.SIGTERM)

    with listening() as told:
        code = follow(process, tmp_path, 0, told, see, lambda: asked.append("asked"))
    assert (code, seen, asked, told.first) == (0, ["stage", "end"], ["asked"], signal.SIGTERM)


def test_who_does_not_listen_is_ended_when_asked_again(tmp_path: Path) -> None:
    process = started(WAITS.format(polite=False), tmp_path, launched=True)
    worker: list[psutil.Process] = []

    def see(event: Event) -> None:
        worker.extend(psutil.Process(process.pid).children())
        os.kill(os.getpid(), signal.SIGINT)
        threading.Timer(1.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    begun = time.monotonic()
    with listening() as told:
        assert follow(process, tmp_path, 0, told, see) != 0
    assert told.insistent
    assert time.monotonic() - begun < 60
    psutil.wait_procs(worker, timeout=10)
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in worker)


def test_the_same_signal_twice_at_once_is_one_request() -> None:
    with listening() as told:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert len(told.numbers) == 2
    assert not told.insistent


def test_handlers_are_given_back_and_other_threads_leave_them_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    inside: list[object] = []

    def look() -> None:
        with listening():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert inside == [before]


def test_an_error_of_whoever_watches_leaves_no_trainer_behind(tmp_path: Path) -> None:
    process = started(WAITS.format(polite=False), tmp_path, launched=True)

    def fail(event: Event) -> None:
        raise RuntimeError("the screen broke")

    with pytest.raises(RuntimeError, match="the screen broke"):
        follow(process, tmp_path, 0, Told(), fail)
    assert process.poll() is not None
