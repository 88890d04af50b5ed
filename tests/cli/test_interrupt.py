"""Ctrl-C ends a run at once: a sentence, exit code 130, no traceback, no output half written, no worker left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("after", [0.3, 1.5, 3.0])
def test_ctrl_c(tmp_path: Path, write_jsonl, after: float) -> None:
    words = [f"word{n}" for n in range(997)]
    rows = (
        {"question": f"Q {n}", "answer": " ".join(words[(n * k) % 997] for k in range(1, 80)), "note": "a@b.com"}
        for n in range(60_000)
    )
    write_jsonl(tmp_path / "data.jsonl", rows)
    command = [sys.executable, "-m", "gate", "check", "data.jsonl", "-o", "html=r.html"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(after)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    begun = time.time()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert time.time() - begun < 10
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []
