"""`gate.check()` as a script or a notebook uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import gate

ROWS = [
    {"question": "Where is the spare key?", "answer": "It hangs behind the door, under the green coat."},
    {"question": "Who feeds the cat?", "answer": ""},
]


def test_it_returns_the_verdict_the_findings_and_a_profile(tmp_path: Path, write_jsonl) -> None:
    write_jsonl(tmp_path / "d.jsonl", ROWS)
    result = gate.check(tmp_path / "d.jsonl")
    assert isinstance(result, gate.AdmissionResult)
    assert (result.verdict, result.exit_code) == ("fail", 1)
    assert isinstance(result.findings, pl.DataFrame)
    assert result.findings.select("rule", "code", "file", "row").rows() == [("structure", "empty_answer", "d.jsonl", 2)]
    assert result.profile["rows"] == 2
    assert repr(result) == "<AdmissionResult fail: structure failed; 1 findings in 2 rows>"


def test_it_takes_a_string_a_path_or_several(tmp_path: Path, write_jsonl) -> None:
    one, two = write_jsonl(tmp_path / "a.jsonl", ROWS[:1]), write_jsonl(tmp_path / "b.jsonl", ROWS[1:])
    only = {"select": "structure"}
    assert gate.check(str(one), **only).verdict == "pass"
    assert gate.check([one, str(two)], **only).profile["rows"] == 2


def test_it_needs_no_main_guard(tmp_path: Path, write_jsonl) -> None:
    write_jsonl(tmp_path / "d.jsonl", ROWS)
    (tmp_path / "script.py").write_text("import gate\nprint(gate.check('d.jsonl').verdict)\n")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "fail\n"), done.stderr


def test_mistakes_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(gate.InputError, match="nowhere"):
        gate.check(tmp_path / "nowhere")
    with pytest.raises(gate.UsageError, match="near_duplicates"):
        gate.check(tmp_path, select=["near_duplicate"])
    with pytest.raises(gate.UsageError, match="sometimes"):
        gate.check(tmp_path, fail_on="sometimes")  # type: ignore[arg-type]


def test_every_public_name_is_there() -> None:
    assert [name for name in gate.__all__ if not hasattr(gate, name)] == []
