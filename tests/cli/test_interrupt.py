"""Ctrl-C and SIGTERM end a run at once: one sentence, its exit code, nothing half written, no worker left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("after", [0.5, 1.5, 3.0])
@pytest.mark.parametrize(
    ("number", "code", "says"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "end")]
)
def test_a_run_that_is_told_to_end(
    tmp_path: Path, write_jsonl, after: float, number: signal.Signals, code: int, says: str
) -> None:
    words = [f"word{n}" for n in range(997)]
    rows = (
        {"question": f"Q {n}", "answer": " ".join(words[(n * k) % 997] for k in range(1, 80)), "note": "a@b.com"}
        for n in range(60_000)
    )
    write_jsonl(tmp_path / "data.jsonl", rows)
    command = [sys.executable, "-m", "gate", "check", "data.jsonl", "--no-cache", "-o", "html=r.html"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(after)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    begun = time.time()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert time.time() - begun < 10
    assert "Traceback" not in stderr
    assert says in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_that_a_library_swallows_is_told_as_that_and_not_as_what_it_broke(name: str, code: int) -> None:
    """As pydantic does where it calls Python from Rust: the pattern then did not match."""
    script = (
        "import os, signal\n"
        "import gate.cli as cli\n"
        "from gate.errors import PolicyError\n"
        "class Fragile:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "        for _ in range(1000): pass\n"
        "def run(**options):\n"
        "    Fragile()\n"
        "    raise PolicyError('string should match')\n"
        "cli.gate.main = run\n"
        "cli.main()\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    assert "should match" not in run.stderr
