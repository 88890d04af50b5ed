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
    about_rows = result.findings.filter(pl.col("row").is_not_null())
    assert about_rows.select("rule", "code", "file", "row").rows() == [("structure", "empty_answer", "d.jsonl", 2)]
    assert result.profile["rows"] == 2
    assert repr(result) == f"<AdmissionResult fail: structure failed; {result.findings.height} findings in 2 rows>"


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


RENAMED = [{"Frage": "Where is the spare key?", "Antwort": "It hangs behind the door, under the green coat."}]


@pytest.mark.parametrize("where", ["gate.yaml", "rules/admission/base.yaml", "rules/admission/chat.yaml", "mine.yaml"])
def test_columns_are_named_in_any_policy_or_in_the_settings(tmp_path: Path, write_jsonl, where: str) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", RENAMED)
    assert gate.check(data, select="structure").verdict == "fail"
    file = tmp_path / where
    file.parent.mkdir(parents=True, exist_ok=True)
    extends = {
        "base.yaml": "extends: base\n",
        "chat.yaml": "extends: chat\n",
        "mine.yaml": 'name: m\nextends: "@kind"\n',
    }
    file.write_text(f"version: 1\n{extends.get(file.name, '')}columns: {{prompt: Frage, response: Antwort}}\n")
    policy = file if where == "mine.yaml" else None
    assert gate.check(data, select="structure", policy=policy).verdict == "pass"


def test_policies_that_name_different_columns_are_refused(tmp_path: Path, write_jsonl) -> None:
    data = write_jsonl(tmp_path / "d.jsonl", RENAMED)
    (tmp_path / "rules" / "admission").mkdir(parents=True)
    for kind, column in (("chat", "Frage"), ("text", "Antwort")):
        (tmp_path / "rules" / "admission" / f"{kind}.yaml").write_text(
            f"version: 1\nextends: {kind}\ncolumns: {{text: {column}}}\n"
        )
    with pytest.raises(gate.PolicyError, match="different columns"):
        gate.check(data)
