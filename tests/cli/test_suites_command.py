"""`gate suites`: what there is, what one asks, and a team's own checked without a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gate.evaluation.task_document import SUITES

GROUP = "group: regression\ntask: [sums]\nmetadata: {gate: {about: Sums of ours., extends: true}}\n"
TASK = """\
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
doc_to_text: question
doc_to_target: answer
metadata: {gate: {about: "Adds two [bold]numbers[/bold]."}}
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs `gate` in an empty repository, in this process."""
    from gate.cli import run as command

    (tmp_path / ".git").mkdir()

    def run(*arguments: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gate", *arguments])
        with pytest.raises(SystemExit) as ended:
            command()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Done(int(str(ended.value.code)), out.decode(), err.decode())

    return run


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "rules" / "suites" / "regression"
    folder.mkdir(parents=True)
    (folder / "regression.yaml").write_text(GROUP, "utf-8")
    (folder / "sums.yaml").write_text(TASK, "utf-8")
    (folder / "sums.jsonl").write_text('{"question": "1 + 1?", "answer": "2"}\n', "utf-8")
    return folder


def test_ls_names_the_four_and_whose_they_are(gate: Run, own: Path) -> None:
    done = gate("suites", "ls")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:] if not line.startswith(" ")}
    assert (done.returncode, set(rows), done.stderr) == (0, set(SUITES), "")
    assert rows["regression"].split()[1:3] == ["1", "1"]
    assert "repository (and gate)" in rows["regression"]
    assert " gate " in rows["forgetting"]


def test_show_names_every_task_with_its_digest(gate: Run, own: Path) -> None:
    shown = gate("suites", "show", "regression")
    assert "Adds two [bold]numbers[/bold]." in shown.stdout
    (suite,) = json.loads(gate("suites", "show", "regression", "-o", "json").stdout)["suites"]
    assert suite["files"] == [
        "rules/suites/regression/regression.yaml", "gate:rules/suites/regression/regression.yaml",
    ]  # fmt: skip
    assert suite["tasks"][0]["digest"][:12] in shown.stdout
    wrong = gate("suites", "show", "regresion")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'regression'?" in wrong.stderr


def test_check_says_file_and_line(gate: Run, own: Path) -> None:
    for where in ((), ("rules/suites/regression",), (".",)):
        done = gate("suites", "check", *where)
        assert (done.returncode, done.stdout) == (0, "")
        assert "1 task, 1 items, every one can be asked" in " ".join(done.stderr.split())
    (own / "sums.yaml").write_text(TASK.replace("doc_to_text", "doc_to_txt"), "utf-8")
    done = gate("suites", "check", "rules/suites/regression")
    assert done.returncode == 2
    assert done.stderr.startswith("gate: rules/suites/regression/sums.yaml:5: doc_to_txt: there is no such key")
    assert "did you mean 'doc_to_text'?" in done.stderr
    listed = gate("suites", "ls")
    assert (listed.returncode, "cannot be read" in listed.stdout) == (2, True)


def test_check_reads_how_tasks_of_the_test_split_are_made(gate: Run, own: Path) -> None:
    (own / "regression.yaml").write_text(GROUP.replace("extends:", "snapshot: {shots: {seed: x}}, extends:"), "utf-8")
    for command in (("check",), ("show", "regression")):
        done = gate("suites", *command)
        assert done.returncode == 2
        assert "rules/suites/regression/regression.yaml:3: shots.seed: input should be a valid integer" in done.stderr


def test_check_of_what_is_no_suite(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, said in (("empty", "no suite lies there"), ("none", "there is no such folder")):
        done = gate("suites", "check", path)
        assert (done.returncode, said in done.stderr) == (2, True)
