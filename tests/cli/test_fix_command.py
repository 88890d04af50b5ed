"""`gate fix` as a person calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

Gate = Callable[..., "subprocess.CompletedProcess[str]"]
WriteJsonl = Callable[[Path, Iterable[Mapping[str, object]]], Path]
ROWS = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}, I think."} for n in range(20)]
MAIL = "m.okafor@harbour-lights.co.uk"


@pytest.fixture
def data(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    rows = [*ROWS, ROWS[0], {"prompt": "Where to?", "completion": f"To {MAIL}, and soon."}]
    return write_jsonl(tmp_path / "data" / "rows.jsonl", rows).parent


def test_fixed_data_passes_and_the_log_lies_in_it(gate: Gate, tmp_path: Path, data: Path) -> None:
    done = gate("fix", data, "--out", "out", "-s", "exact_duplicates,pii")
    assert done.returncode == 0, done.stderr
    assert "22 rows in = 21 rows out + 1 dropped; 1 redacted" in done.stderr
    assert MAIL not in done.stderr + done.stdout
    log = [json.loads(line) for line in (tmp_path / "out" / "gate-fix.jsonl").read_text().splitlines()]
    assert sorted(str(entry["action"]) for entry in log) == ["dropped", "redacted"]
    assert gate("check", "out", "-s", "exact_duplicates,pii").returncode == 0


def test_a_dry_run_and_wrong_destinations_write_nothing(gate: Gate, tmp_path: Path, data: Path) -> None:
    dry = gate("fix", data, "--dry-run", "-s", "exact_duplicates")
    assert dry.returncode == 0
    assert "nothing was written" in dry.stderr
    for arguments in (
        (),
        ("--out", data / "in"),
        ("--out", "data"),
        ("--in-place",),
        ("--out", "o", "--policy", "nope"),
    ):
        done = gate("fix", data, *arguments, "-s", "exact_duplicates")
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert [path.name for path in data.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.3, 1.2, 2.5])
@pytest.mark.slow
def test_a_killed_run_leaves_no_half_of_its_output(tmp_path: Path, data: Path, sent: int, after: float) -> None:
    command = [sys.executable, "-m", "gate", "fix", str(data), "--out", str(tmp_path / "out"), "-s", "exact_duplicates"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        time.sleep(after)
        os.kill(process.pid, sent)
        process.wait(30)
    out = tmp_path / "out"
    if out.exists():
        assert {path.name for path in out.iterdir()} == {"rows.jsonl", "gate-fix.jsonl"}
        assert len((out / "rows.jsonl").read_text().splitlines()) == 21
    assert len((data / "rows.jsonl").read_text().splitlines()) == 22
