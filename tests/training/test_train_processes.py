"""Several processes that train together under `gate train`: one record, books that close, and an end in good order.

`--cpu --num_processes 2` starts one process only; torchrun's launcher, on CPUs, starts two.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.provenance.statements import Training
from gate.training.events import Event
from gate.training.outcome import Interrupted, Watching
from tests.training.made import Approved, additions
from tests.training.ran import resume, run_gate_train

TWO = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
num_machines: 1
num_processes: 2
machine_rank: 0
use_cpu: true
gpu_ids: all
mixed_precision: "no"
"""
QUICK = ["max_steps=40", "evaluate_every=20", "log_every=1", "samples=0", "dropout=0.0"]


@pytest.mark.slow
def test_two_processes_are_recorded_as_one_run_and_end_together(
    seal: Callable[..., Approved], tiny_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    rows = additions(20, 40)
    own = seal(rows[:150], rows[150:170], rows[170:190], name="shared")

    def ask(event: Event) -> None:
        if event.kind == "step" and event.fields["step"] == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    launch = str(tmp_path / "two.yaml")
    with pytest.raises(Interrupted, match="ended at step"):
        run_gate_train(own, tiny_base, overrides=QUICK, name="pair", launch=launch, watching=Watching(on_event=ask))
    about = resume(own, "pair").statement.about
    assert isinstance(about, Training)
    assert about.device == "2 x cpu"
    (on,) = about.snapshots
    assert (on.rows, on.trained, about.steps) == (150, 150, 40)
