"""`gate snapshots` as a person uses it: what is printed where, exit codes, and mistakes."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # what JSON holds

import pytest
from click.testing import CliRunner

POLICY = """
version: 1
name: quick
description: One rule that needs no model
min_examples: 1
rules:
  - id: structure
    check: structure
    severity: error
    tolerate: 0.2
    remedy: fix
    why: Rows that cannot be read teach nothing.
"""
Run = Callable[..., "Done"]


class Done:
    """A finished command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `desk@1` (approved) and `desk@2` (waiting), a trust file and the data."""
    from gate.provenance.keys import new_key
    from gate.provenance.ledger import Ledger
    from gate.provenance.statements import Approval
    from gate.provenance.trust import load_trust
    from gate.store.objects import Store
    from gate.verbs.admit import admit

    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(folder / "keys"))
        ana, ben = new_key("ana"), new_key("ben")
    keys = [(ana, "owner"), (ben, "reviewer")]
    lines = [
        f"  - {{name: {key.name}, public: {base64.b64encode(key.public).decode()}, roles: [{role}]}}\n"
        for key, role in keys
    ]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines))
    (folder / "policy.yaml").write_text(POLICY)
    dice = random.Random(3)
    words = ["tide", "lamp", "keeper", "rope", "gull", "chart", "anchor", "mast", "sail", "hull"]
    trust = load_trust(folder / "trust.yaml")
    for number in (1, 2):
        for split, size in (("train", 40), ("test", 10)):
            path = folder / f"data{number}" / f"{split}.jsonl"
            path.parent.mkdir(exist_ok=True)
            rows = [{"prompt": " ".join(dice.choices(words, k=12)), "completion": "yes"} for _ in range(size)]
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        one = admit(
            folder / f"data{number}", name="desk", signer=ana, trust=trust, policy=folder / "policy.yaml",
            report=False, store=folder / ".gate",
        )  # fmt: skip
        if number == 1:
            Ledger(Store(folder / ".gate")).say(Approval(statement=one.statement.digest), ben)
    return folder


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `gate snapshots …` in the place, in this process."""
    from gate.cli import gate
    from gate.errors import GateError

    monkeypatch.chdir(place)
    monkeypatch.delenv("GATE_TRUST", raising=False)
    monkeypatch.delenv("GATE_STORE", raising=False)

    def call(*arguments: object) -> Done:
        result = CliRunner().invoke(
            gate, ["snapshots", *map(str, arguments)], standalone_mode=False, catch_exceptions=True
        )
        if isinstance(result.exception, GateError):
            return Done(result.exception.exit_code, result.stdout, str(result.exception))
        if result.exception is not None:
            raise result.exception
        return Done(int(result.return_value or 0), result.stdout, result.stderr)

    return call


def test_ls_lists_to_standard_output_and_says_why_on_the_other(run: Run) -> None:
    done = run("ls", "--trust", "trust.yaml")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["name", "snapshot", "rows"]
    assert lines[1].split()[0] == "desk@1"
    assert lines[1].endswith("approved")
    assert lines[2].startswith("*  desk@2")
    assert lines[2].endswith("waiting")
    assert "desk@2 waiting: 1 approval by a reviewer" in done.err


def test_ls_without_trust_says_that_nothing_was_checked(run: Run) -> None:
    assert "approved" not in run("ls").out
    assert "not checked" in run("ls").out


def test_ls_as_json(run: Run) -> None:
    found = run("ls", "-o", "json", "--trust", "trust.yaml").json
    assert found["schema"] == "gate.snapshots/1"
    assert [(each["name"], each["number"], each["status"]) for each in found["snapshots"]] == [
        ("desk", 1, "approved"), ("desk", 2, "waiting"),
    ]  # fmt: skip
    assert found["snapshots"][0]["splits"] == {"train": 40, "test": 10}


def test_show_prints_what_is_known(run: Run) -> None:
    done = run("show", "desk@1", "--trust", "trust.yaml")
    assert done.code == 0
    for words in ("stands     approved", "train 40, test 10", "structure", "approval  ben", "train.jsonl", "desk@1"):
        assert words in done.out
    assert "not checked" in run("show", "desk").out
    found = run("show", "desk@1", "-o", "json").json
    assert found["rows"]["admitted"] == 50
    assert found["stands"] is None
    assert [rule["id"] for rule in found["rules"]] == ["structure"]


def test_diff_has_the_exit_codes_of_diff(run: Run) -> None:
    same, other = run("diff", "desk@1", "desk@1"), run("diff", "desk@1", "desk@2")
    assert (same.code, other.code) == (0, 1)
    assert same.out.startswith("SAME")
    assert other.out.startswith("DIFFERENT")
    found = run("diff", "desk@1", "desk", "--output", "json").json
    assert found["rows"] == {"same": 0, "added": 50, "removed": 50, "moved": 0, "other_columns": 0}
    assert found["sources"] == {"test.jsonl": "changed", "train.jsonl": "changed"}
    assert len(found["changes"]) == 100
    assert "| added | 50 |" in run("diff", "desk@1", "desk", "-o", "markdown").out


def test_export_says_what_it_wrote_and_that_nothing_is_masked(run: Run, tmp_path: Path) -> None:
    done = run("export", "desk@1", "--as", "datasets", "--out", tmp_path / "out", "--trust", "trust.yaml")
    assert done.code == 0
    assert done.out == ""
    assert "nothing is masked" in done.err
    assert "50 examples" in done.err
    assert (tmp_path / "out" / "croissant.json").exists()
    quiet = run("export", "desk@1", "--as", "chat", "--out", tmp_path / "quiet", "--trust", "trust.yaml", "-q")
    assert (quiet.out, quiet.err) == ("", "")


def test_what_waits_for_approval_is_not_exported(run: Run, tmp_path: Path) -> None:
    done = run("export", "desk", "--as", "chat", "--out", tmp_path / "out", "--trust", "trust.yaml")
    assert done.code == 1
    assert "not approved (waiting)" in done.err
    assert "gate approve" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "desks"), "there is no snapshot 'desks'"),
        (("show", "desk@9"), "no number 9"),
        (("show", "abcdef"), "there is no snapshot"),
        (("ls", "--store", "nowhere"), "there is no store"),
        (("ls", "--trust", "nobody.yaml"), "nobody.yaml"),
        (("export", "desk@1", "--as", "chat", "--out", "x"), "trust"),
        (("export", "desk@1", "--as", "chat", "--out", "data1", "--trust", "trust.yaml"), "not empty"),
        (("export", "desk@1", "--as", "chat", "--out", "x", "--split", "validation", "--trust", "trust.yaml"), "test"),
        (("export", "desk@1", "--as", "chat", "--out", "policy.yaml", "--trust", "trust.yaml"), "a file of that name"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(run: Run, place: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert words in done.err
    assert not (place / "x").exists()


def test_the_commands_explain_themselves(run: Run) -> None:
    for name in ("ls", "show", "diff", "export"):
        text = run(name, "--help").out
        assert f"gate snapshots {name}" in text, "an example"
        assert "--store" in text
        assert "--trust" in text


SLOW = """
import sys, time
from gate.snapshots import export_files
add = export_files._LineFile.add
def slow(self, examples):
    add(self, examples)
    print("writing", flush=True)
    time.sleep(60)
export_files._LineFile.add = slow
from gate.cli import main
sys.argv = ["gate", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_stopped_leaves_nothing(place: Path, tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["snapshots", "export", "desk@1", "--as", "chat", "--out", str(tmp_path / "new" / "out")]
    arguments += ["--trust", "trust.yaml"]
    begun = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert begun.stdout is not None
    assert begun.stdout.readline() == "writing\n", begun.stderr and begun.stderr.read()
    assert list((tmp_path / "new").iterdir()), "it was under way"
    time.sleep(0.2)
    begun.send_signal(number)
    begun.communicate(timeout=30)
    assert begun.returncode == 128 + number
    assert not list(tmp_path.iterdir())
