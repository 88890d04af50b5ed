"""`gate export` as a person or a machine runs it: what is printed, where, and the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import psutil
import pytest
from click.testing import CliRunner

from gate.cli.export import EPILOG, command
from gate.training import release_worker
from gate.training.release import COMBINATIONS, FORMS, QUANTISATIONS, Job
from gate.verbs import release as verb
from tests.training.conftest import approved, people, policy, seal, tiny_base  # noqa: F401  # fixtures
from tests.training.made import Approved
from tests.training.release_made import Candidate, candidate

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def trained(tiny_base: Path, approved: Approved) -> Candidate:  # noqa: F811
    return candidate("desk-lora-1", tiny_base, approved, method="lora")


@pytest.fixture
def run(gate: Run, trained: Candidate, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`gate export` with ana's key, in the store of the candidate."""
    of = trained.approved.people
    monkeypatch.setenv("GATE_KEYS", str(of.keys))
    monkeypatch.delenv("GATE_KEY", raising=False)
    monkeypatch.setenv("GATE_TRUST", str(of.trust_file))
    monkeypatch.setenv("GATE_STORE", str(trained.approved.store.root))
    return lambda *arguments: gate("export", "--key", "ana", *arguments)


def test_a_form_is_made_signed_and_verified(run: Run, gate: Run, trained: Candidate, tmp_path: Path) -> None:
    done = run("desk-lora-1", "--as", "merged", "-o", "json")
    assert done.returncode == 0, done.stderr
    for part in ("RELEASED  merged", "desk-lora-1-merged", "made of    desk-lora-1 (lora)", "is allowed", "next: "):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    said = json.loads(done.stdout)
    assert said["schema"] == "gate.export/1"
    assert 0 <= said["difference"] <= said["tolerance"]
    assert (said["prompts"], said["agreement"]) == (20, 1.0)
    assert said["candidates"][0]["statement"] == trained.statement.digest
    assert [path.name for path in tmp_path.iterdir()] == ["desk-lora-1-merged"]
    assert "model.safetensors" in said["outputs"]
    # Somebody else checks it against the statement, from the files.
    verified = gate("verify", "desk-lora-1-merged")
    assert verified.returncode == 0, verified.stdout
    weights = tmp_path / "desk-lora-1-merged" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = gate("verify", "desk-lora-1-merged")
    assert changed.returncode == 1
    assert "model.safetensors" in changed.stderr + changed.stdout


def test_the_statement_is_all_that_stdout_says(
    run: Run, trained: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here(job: Job, step: str) -> None:
        {"make": release_worker.make, "compare": release_worker.check}[step](job)

    monkeypatch.setattr(verb, "run_step", here)
    arguments = ["desk-lora-1", "--as", "adapter", "--out", str(tmp_path / "there" / "it"), "--quiet", "--key", "ana"]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.return_value == 0
    assert "RELEASED" not in done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert trained.approved.store.statement_path(done.stdout.strip()).exists()
    assert (tmp_path / "there" / "it" / "adapter_model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("desk-lora-1",), 2, "--as"),
        (("desk-lora-1", "--as", "zip"), 2, "'zip' is not one of"),
        (("desk-lora-2", "--as", "merged"), 2, "there is no candidate 'desk-lora-2'"),
        (("desk-lora-1", "--as", "merged", "--quantise", "q8_0"), 2, "--quantise takes fp32, fp16, bf16"),
        (("desk-lora-1", "--as", "adapter", "--quantize", "q8_0"), 2, "leave --quantise out"),
        (("desk-lora-1", "--as", "merged", "--with", "desk-lora-9=1"), 2, "runs: desk-lora-1"),
        (("desk-lora-1=x", "--as", "merged"), 2, "'x' is no weight"),
        (("desk-lora-1", "--as", "merged", "--tolerance", "-1"), 2, "no positive number"),
        (("desk-lora-1", "--as", "merged", "--out", "."), 2, "something there already"),
        (("desk-lora-1", "--as", "merged", "--base", "nowhere"), 2, "name its folder with --base DIR"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    arguments: tuple[str, ...], code: int, says: str, run: Run, tmp_path: Path
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not any(tmp_path.iterdir())


def test_told_to_end_it_leaves_neither_files_nor_processes(run: Run, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "gate", "export", "--key", "ana", "desk-lora-1", "--as", "merged"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    workers: list[psutil.Process] = []
    while not workers and process.poll() is None:
        time.sleep(0.1)
        workers = psutil.Process(process.pid).children(recursive=True)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    assert "Traceback" not in stderr
    assert not any(tmp_path.iterdir())
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_help_names_every_form_and_quantisation() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    for form in FORMS:
        assert f"  {form} " in EPILOG
        for quantisation in QUANTISATIONS[form]:
            assert quantisation in EPILOG
    for combination in COMBINATIONS:
        assert combination in text
