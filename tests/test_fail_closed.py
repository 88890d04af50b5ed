"""Nothing passes because something was absent, empty, misspelt or broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = [
    {"instruction": f"What is {n} plus {n + 1}?", "input": "", "output": f"The sum is {2 * n + 1}, found by adding."}
    for n in range(1, 12)
]

Gate = Callable[..., object]


@pytest.fixture
def data(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Path:
    write_jsonl(tmp_path / "data" / "train.jsonl", GOOD)
    return tmp_path / "data"


def test_good_data_passes(gate, data: Path) -> None:
    done = gate("check", data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "Warning" not in done.stderr
    assert gate("check", data, "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere"),
        (["data/*.parquet"], "*.parquet"),
        (["data", "--policy", "stricct"], "strict"),
        (["data", "--policy", "missing.yaml"], "missing.yaml"),
        (["data", "--select", "near_duplicate"], "near_duplicates"),
        (["data", "--ignore", "nonsense"], "nonsense"),
        (["data", "--output", "pdf"], "html"),
        (["data", "--output", "html=data"], "it is a folder"),
        (["data", "--output", "json=data/train.jsonl/r.json"], "r.json"),
        (["data", "--fail-on", "sometimes"], "sometimes"),
        (["data", "--outputt", "json"], "--output"),
        ([], "gate.yaml"),
    ],
)
def test_a_mistake_is_exit_2_with_a_remedy_and_without_a_traceback(gate, data: Path, arguments, says: str) -> None:
    done = gate("check", *arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_without_data_is_exit_2(gate, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("hello")
    done = gate("check", "empty")
    assert done.returncode == 2
    assert "empty" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b""),
        ("a.json", b"[]"),
        ("a.csv", b"question,answer\n"),
        ("a.jsonl", b"\n\n\n"),
        ("a.parquet", b"PAR1 not really"),
        ("a.jsonl.gz", b"\x1f\x8b broken"),
    ],
)
def test_a_file_without_rows_or_broken_is_a_bad_dataset_never_a_pass(gate, tmp_path: Path, name: str, content) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / name).write_bytes(content)
    done = gate("check", folder, "--output", "json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert result["verdict"] == "fail"
    assert any(finding["file"] == name for finding in result["findings"])


def test_a_good_file_does_not_hide_a_broken_one(gate, data: Path) -> None:
    (data / "broken.parquet").write_bytes(b"PAR1" * 10)
    assert gate("check", data).returncode == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_exit_2(gate, data: Path) -> None:
    (data / "train.jsonl").chmod(0)
    assert gate("check", data).returncode == 2


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("rules: []\nname: x\nversion: 1\n", "rule"),
        ("version: 1\nname: x\nextends: nowhere\n", "nowhere"),
        ("version: 1\nname: x\nextends: base\nrules:\n  - id: pii\n    chek: pii\n", "check"),
        (
            "version: 1\nname: x\nrules:\n  - {id: a, check: no_such, severity: error, remedy: drop, why: w}\n",
            "no_such",
        ),
        (
            "version: 1\nname: x\nextends: base\nrules:\n  - id: near_duplicates\n    with: {treshold: 0.5}\n",
            "threshold",
        ),
        (
            "version: 1\nname: x\nextends: base\nrules:\n  - id: near_duplicates\n    with: {threshold: 7}\n",
            "threshold",
        ),
        ("version: 1\nname: x\nextends: base\nrules:\n  - id: pii\n    tolerate: .nan\n", "tolerate"),
        ('version: 1\nname: x\nextends: "@kind"\nrules:\n  - id: expectations\n    with: {suite: chatt}\n', "chatt"),
        (
            "version: 1\nname: x\nextends: base\nrules:\n  - id: pii\n    with: {entities: {EMAIL_ADRESS: 0.5}}\n",
            "did you mean EMAIL_ADDRESS",
        ),
        ("version: 1\nname: [\n", "p.yaml"),
        ("", "p.yaml"),
    ],
)
def test_a_policy_that_says_nothing_gate_can_do_is_exit_2_at_its_line(gate, data, tmp_path, policy, says) -> None:
    (tmp_path / "p.yaml").write_text(policy)
    done = gate("check", data, "--policy", "p.yaml")
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "p.yaml" in done.stderr or says == "nowhere"
    assert "Traceback" not in done.stderr


def test_a_select_that_leaves_nothing_to_judge_is_inconclusive(gate, tmp_path, write_jsonl) -> None:
    write_jsonl(tmp_path / "d" / "a.jsonl", [{"text": f"A plain sentence number {n} on paper."} for n in range(9)])
    done = gate("check", "d", "--select", "conflicting_answers")
    assert done.returncode == 3, done.stderr


def test_fail_on_never_still_tells_the_verdict(gate, data: Path) -> None:
    (data / "broken.jsonl").write_text("{")
    done = gate("check", data, "--fail-on", "never", "--output", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["verdict"] == "fail"
