"""`gate train` and `gate runs` as they are typed: what is printed where, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import approved, people, policy, seal, tiny_base  # noqa: F401 - fixtures
from tests.training.made import Approved, additions
from tests.training.ran import STAND_IN

Gate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:  # noqa: F811
    rows = additions(20, 40)
    return seal(rows[:120], rows[120:140], rows[140:160], name="typed")


@pytest.fixture
def train(gate: Gate, own: Approved, tiny_base: Path) -> Gate:  # noqa: F811
    """`gate train` with store, trust and key named, by the stand-in."""
    environment = os.environ | {"GATE_KEYS": str(own.people.keys)}

    def run(*more: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        named = ["--store", own.store.root, "--trust", own.people.trust_file, "--key", "ana"]
        if "--resume" not in more:
            named += ["--base", tiny_base, "--recipe", "lora", "--script", STAND_IN, "--launch", "cpu"]
            named += [] if "--snapshot" in more else ["--snapshot", "typed"]
        return gate("train", *named, *more, env=environment | (env or {}))

    return run


def test_a_run_is_told_on_stderr_and_its_record_as_json_on_stdout(train: Gate, gate: Gate, own: Approved) -> None:
    done = train("--output", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["state"], document["run"]) == ("gate.training/1", "finished", "typed-lora-1")
    assert document["snapshots"][0]["trained"] == 120
    for wanted in (
        "run typed-lora-1",
        "10 of 1,000 parameters train (1.00%)",
        "validation loss",
        "TRAINED",
        "= 120 trained",
    ):
        assert wanted in done.stderr
    assert "\x1b" not in done.stderr
    shown = gate("runs", "ls", "--store", own.store.root)
    assert "typed-lora-1" in shown.stdout
    assert gate("verify", "typed-lora-1", "--store", own.store.root, "--trust", own.people.trust_file).returncode == 0


def test_quiet_prints_nothing(train: Gate) -> None:
    done = train("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_dry_run_prints_the_exact_command_and_the_recipe_and_leaves_nothing(train: Gate, own: Approved) -> None:
    before = sorted((own.store.root / "runs").glob("*"))
    done = train("--dry-run", "--set", "lr=1e-3")
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.split()[:4] == [sys.executable, "-P", "-m", "accelerate.commands.launch"]
    assert first.endswith("run.json")
    assert "stand_in.py" in first
    assert any(line.startswith("lr: 0.001") and "--set lr=1e-3" in line for line in done.stdout.splitlines())
    assert sorted((own.store.root / "runs").glob("*")) == before
    document = json.loads(train("--dry-run", "--output", "json").stdout)
    assert document["state"] == "prepared"
    assert document["command"][-1].endswith("run.json")


def test_a_mishap_is_told_without_a_traceback_of_gates(train: Gate) -> None:
    done = train("--output", "json", env={"STAND_IN": "told:2"})
    assert done.returncode == 1
    assert "row 7: the rows are of no use\n  take others" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["code"] == "told"


def test_interrupted_it_exits_130_and_resume_goes_on(own: Approved, tiny_base: Path, train: Gate) -> None:  # noqa: F811
    command = [sys.executable, "-m", "gate", "train", "--store", own.store.root, "--trust", own.people.trust_file,
               "--key", "ana", "--snapshot", "typed", "--base", tiny_base, "--recipe", "lora", "--script", STAND_IN,
               "--name", "stopped"]  # fmt: skip
    environment = os.environ | {"GATE_KEYS": str(own.people.keys), "STAND_IN_SECONDS": "1"}
    process = subprocess.Popen(list(map(str, command)), env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 1 of 8" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.communicate(timeout=120)[1]
    assert process.returncode == 130
    assert "told to end: the trainer finishes its step" in rest
    assert "gate train --resume stopped goes on from there" in rest
    done = train("--resume", "stopped")
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--snapshot", "rows.jsonl"], 2, "no flag makes it read a file"),
        (["--snapshot", "typd"], 2, "there is no snapshot"),
        (["--set", "lr"], 2, "lr"),
        (["--launch", "gpu"], 2, "there is no configuration"),
        (["--chat-template", "missing.jinja"], 2, "the chat template cannot be read"),
        (["--allow-code", "anything"], 2, "NAME@DIGEST"),
        (["--resume", "nothing", "--set", "lr=1"], 2, "--resume goes on with one as it began"),
        (["--resume", "nothing"], 2, "there is no run 'nothing'"),
        (["--key", "eve"], 1, "does not trust the key of 'eve'"),
    ],
)
def test_what_is_typed_wrongly_is_told_in_a_sentence(train: Gate, arguments: list[str], code: int, said: str) -> None:
    done = train(*arguments)
    assert said in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_what_is_left_out_is_told(gate: Gate, own: Approved) -> None:
    assert "--base is needed" in gate("train", "--snapshot", "typed").stderr
    assert "--recipe is needed" in gate("train", "--snapshot", "typed", "--base", "x").stderr
    assert "no trust file is named" in gate("train", "--snapshot", "typed", "--base", "x", "--recipe", "lora").stderr
    environment = os.environ | {"GATE_KEYS": str(own.people.keys)}
    named = ["--base", "x", "--recipe", "lora", "--trust", own.people.trust_file, "--store", own.store.root]
    alone = gate("train", *named, env=environment)
    assert alone.returncode == 2
