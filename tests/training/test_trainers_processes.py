"""Several processes train as one: what is learned and what is counted are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.training.events import read_events
from gate.training.run_file import Run
from tests.training.made import Approved, run_of
from tests.training.scripts import TRAINERS, Finished, train
from tests.training.tasks import orders, pairs, sizes

Seal = Callable[..., Approved]
KEYS = {"evaluate_every": 4, "log_every": 1, "samples": 1, "batch": 16, "dropout": 0.0, "lr": 3e-3}


def launched(run: Run, processes: int) -> Finished:
    """Run a script under accelerate, on the CPU."""
    run.write()
    script = {"sft": "sft", "classify": "classify", "dpo": "preference", "rloo": "rl"}[run.recipe.objective]
    done = subprocess.run(
        [
            sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes),
            "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
            str(TRAINERS / f"{script}.py"), str(run.place / "run.json"),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},  # --cpu would start one process only
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    finished = Finished(run, read_events(run.place)[0])
    assert finished.of("stage")[-1]["device"] == f"{processes} x cpu"
    return finished


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "label"), [("sft", None), ("classify", "sum.size"), ("dpo", None)])
def test_two_processes_learn_what_one_does(
    tmp_path: Path, tiny_base: Path, seal: Seal, objective: str, label: str | None
) -> None:
    rows = {"sft": orders, "classify": sizes}.get(objective, pairs)()
    approved = seal(rows[:90], rows[90:120], name=f"shared-{objective}")  # the last batch of a pass is not full
    keys = KEYS | {"objective": objective, "label": label, "max_steps": 8}
    one = train(run_of(tmp_path / "one", tiny_base, approved, **keys, device_batch=16))
    two = launched(run_of(tmp_path / "two", tiny_base, approved, **keys, device_batch=8), 2)
    assert two.curve("loss")[:5] == pytest.approx(one.curve("loss")[:5], rel=1e-3)
    assert two.curve("grad_norm")[:5] == pytest.approx(one.curve("grad_norm")[:5], rel=1e-2)
    assert two.accounting == one.accounting
    assert [fields["name"] for fields in two.of("stage")].count("saved") == 1
    assert (two.run.candidate / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_two_processes_draw_answers_for_every_prompt(tmp_path: Path, tiny_base: Path, seal: Seal) -> None:
    rows = pairs()
    approved = seal(rows[:90], rows[90:120], name="drawn")
    keys = KEYS | {"batch": 8, "device_batch": 8, "max_steps": 15, "lr": 1e-3, "method": "full", "samples": 0}
    judge = train(run_of(tmp_path / "judge", tiny_base, approved, **keys, objective="reward"))
    keys |= {"batch": 32, "generations": 4, "max_new_tokens": 4, "beta": 0.02, "method": "lora", "lr": 5e-3}
    run = run_of(tmp_path / "run", tiny_base, approved, **keys, objective="rloo", reward_model=str(judge.run.candidate))
    finished = launched(run, 2)
    assert finished.figures("reward")[-1] > finished.figures("reward")[0] + 1
    (figures,) = finished.accounting["snapshots"]
    assert (figures["trained"], figures["unseen"]) == (90, 0)  # 12 steps of 8 prompts are a pass
