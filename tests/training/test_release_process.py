"""The processes of an export: what goes wrong in one is told as what it is, and none outlives the command."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import pytest

from gate.errors import MissingDependency
from gate.store.files import StoreError
from gate.training import release_worker
from gate.training.release import Compared, Ingredient, Job, Made, Trouble
from gate.training.release_process import ExportFailed, run_step


@pytest.fixture
def job(tiny_base: Path, tmp_path: Path) -> Job:
    """The tiny base itself, as if it had been trained in full."""
    work = tmp_path / "work"
    work.mkdir()
    folder = tmp_path / "candidate"
    folder.mkdir()
    for path in tiny_base.iterdir():
        (folder / path.name).symlink_to(path)
    said = {
        "kind": "causal", "objective": "sft", "method": "full", "base": {"name": "tiny", "digest": "0" * 64},
        "snapshots": [], "recipe": "0" * 64, "precision": "fp32",
    }  # fmt: skip
    (folder / "gate.json").write_text(json.dumps(said))
    own = Ingredient(name="tiny", folder=str(folder), method="full")
    return Job(
        form="merged", quantise="bf16", kind="causal", ingredients=[own], base=str(tiny_base), prompts=["What is 1?"],
        work=str(work),
    )  # fmt: skip


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """instead(lines): a shell script that runs in place of Python."""

    def put(*lines: str) -> None:
        script = tmp_path / "python"
        script.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return put


def test_the_comparison_looks_at_nothing_but_the_form_and_the_logits(job: Job) -> None:
    work = Path(job.work)
    release_worker.make(job)
    made = Made.model_validate_json((work / "made.json").read_bytes())
    assert made.dtype == "float32"
    gone = job.ingredients[0].model_copy(update={"folder": "/nowhere"})
    release_worker.check(job.model_copy(update={"ingredients": [gone], "base": "/nowhere"}))
    compared = Compared.model_validate_json((work / "compared.json").read_bytes())
    assert 0 < compared.difference <= compared.tolerance


@pytest.mark.slow
def test_a_full_disk_is_told_as_that(job: Job) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # the model has two million bytes
    try:
        with pytest.raises(StoreError, match="no room left") as told:
            run_step(job, "make")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "--out" in str(told.value)


def test_a_crash_shows_the_end_of_what_was_said(job: Job, instead) -> None:
    instead("echo 'Traceback: first' >&2", "echo 'RuntimeError: heads do not fit' >&2", "exit 1")
    with pytest.raises(ExportFailed, match="crashed") as told:
        run_step(job, "make")
    assert "heads do not fit" in str(told.value)
    assert told.value.exit_code == 4


def test_a_kill_is_most_likely_the_memory(job: Job, instead) -> None:
    instead("kill -9 $$")
    with pytest.raises(ExportFailed, match="ran out of memory"):
        run_step(job, "make")
    instead("kill -SEGV $$")
    with pytest.raises(ExportFailed, match="SIGSEGV"):
        run_step(job, "make")


def test_what_the_process_tells_is_raised_here(job: Job, instead) -> None:
    trouble = Trouble(code="MissingDependency", what="gguf is not installed", remedy="pip install gguf")
    (Path(job.work) / "told.json").write_text(trouble.model_dump_json())
    instead(f"cp {job.work}/told.json {job.work}/error.json", "exit 2")
    with pytest.raises(MissingDependency, match="gguf is not installed"):
        run_step(job, "make")


def test_it_runs_offline_and_not_what_lies_in_the_working_directory(
    job: Job, instead, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(f'echo "$@" > {job.work}/arguments', f"env > {job.work}/environment")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    run_step(job, "make")
    assert (Path(job.work) / "arguments").read_text().startswith("-P -m gate.training.release_worker make ")
    environment = (Path(job.work) / "environment").read_text().splitlines()
    assert {"HF_HUB_OFFLINE=1", "HF_HUB_DISABLE_TELEMETRY=1"} <= set(environment)


def test_an_interruption_ends_the_process(job: Job, instead, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    instead(f"echo $$ > {job.work}/pid", "exec sleep 60")
    wait, calls = subprocess.Popen.wait, []

    def interrupted(self: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        calls.append(timeout)
        if len(calls) == 1:
            while not (Path(job.work) / "pid").exists() or not (Path(job.work) / "pid").read_text():
                pass
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_step(job, "make")
    with pytest.raises(ProcessLookupError):
        os.kill(int((Path(job.work) / "pid").read_text()), 0)


def test_gate_itself_imports_nothing_heavy(tmp_path: Path) -> None:
    import subprocess

    script = (
        "import sys, gate.verbs.release, gate.cli.export, gate.reporting.release_terminal\n"
        "print([each for each in ('torch', 'transformers', 'peft', 'safetensors', 'gguf', 'onnx') "
        "if each in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
