"""The shipped rules of secrets, encoding, answer_format and consistency: what they say of each check's own examples."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import cast

import polars as pl
import pytest

from gate.checks import load
from gate.checks.base import Context, Measurement
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = cast(Context, None)  # none of them uses workers or folders
NAMES = {"secrets": "error", "encoding": "warning", "answer_format": "warning", "consistency": "warning"}

Gate = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[[Path, Iterable[Mapping[str, object]]], Path]


def measure(name: str, path: Path) -> tuple[Measurement, str]:
    rule = next(rule for rule in load_policy("base", Folders()).rules if rule.id == name)
    check, dataset = load(name), read([path])
    params = check.params.model_validate(rule.params)
    return check.run(Frames(dataset.examples, dataset.malformed), params, CONTEXT), rule.severity


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_check_fail_and_pass_its_shipped_rule(name: str, tmp_path: Path, write_jsonl: Write) -> None:
    failed, severity = measure(name, write_jsonl(tmp_path / "fails.jsonl", load(name).fails))
    assert severity == NAMES[name]
    assert failed.findings.filter(pl.col("severity").is_null()).height > 0
    passed, _ = measure(name, write_jsonl(tmp_path / "passes.jsonl", load(name).passes))
    assert passed.findings.rows() == []


def test_a_dataset_with_a_key_is_blocked_and_the_key_is_in_no_output(tmp_path: Path, gate: Gate) -> None:
    key = "ghp_" + "R7vQm2Xc9Lk4Tn8Wp3" + "Zs6Yb1Hd5Jf0GaKeUo"
    row = {"instruction": "How do I log in?", "output": f"With the token {key}."}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    done = gate("check", "data.jsonl", "--output", "json", "--output", "html=report.html")
    assert done.returncode == 1, done.stderr
    said = done.stdout + done.stderr + (tmp_path / "report.html").read_text("utf-8")
    assert "github_token" in said
    assert key[4:16] not in said
