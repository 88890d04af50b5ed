"""The real trainer in trouble: a disk that is full at a checkpoint, a loss that is no number at step k, rows that would
be lost. Each is told, and what there was before stays."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.training.checkpoints import last_whole
from gate.training.mishaps import TrainingFailed
from gate.training.runs import find_run
from tests.training.made import Approved, additions
from tests.training.ran import resume, run_gate_train

QUICK = ["max_steps=6", "evaluate_every=2", "log_every=1", "samples=0", "device_batch=16"]


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:
    rows = additions(20, 40)
    return seal(rows[:120], rows[120:140], rows[140:160], name="troubled")


@pytest.mark.slow
def test_rows_that_would_be_cut_stop_it_before_the_model_is_loaded(own: Approved, tiny_base: Path) -> None:
    with pytest.raises(TrainingFailed, match="max_length") as failed:
        run_gate_train(own, tiny_base, overrides=[*QUICK, "max_length=8"], name="cut")
    assert (failed.value.code, failed.value.exit_code) == ("told", 1)
    run = find_run(own.store.root, "cut")
    assert '"name": "model"' not in (run.folder / "events.jsonl").read_text()


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_it_and_the_last_checkpoint_stays(own: Approved, tiny_base: Path) -> None:
    wild = [*QUICK, "lr=1e30", "clip=1e30", "warmup=4"]
    with pytest.raises(TrainingFailed, match="no number any more") as failed:
        run_gate_train(own, tiny_base, overrides=wild, name="wild")
    assert (failed.value.code, failed.value.exit_code) == ("nan", 1)
    assert "--set lr=1e+29" in str(failed.value)
    assert find_run(own.store.root, "wild").state.statement is None


@pytest.mark.slow
def test_a_disk_that_is_full_at_a_checkpoint_is_told_and_the_run_goes_on(own: Approved, tiny_base: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))  # an adapter has 500,000 bytes

    command = [sys.executable, "-m", "gate", "train", "--snapshot", own.name, "--base", tiny_base, "--recipe", "lora",
               "--launch", "cpu", "--name", "full", "--store", own.store.root, "--trust", own.people.trust_file,
               "--key", "ana", *(part for each in QUICK for part in ("--set", each))]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), env=os.environ | {"GATE_KEYS": str(own.people.keys)}, preexec_fn=small_files,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "there is no room left on the disk" in done.stderr
    run = find_run(own.store.root, "full")
    assert run.stands == "interrupted"
    assert last_whole(run.folder / "checkpoints").checkpoint is None
    assert resume(own, "full").statement.about.snapshots[0].rows == 120  # type: ignore[attr-defined]
