"""Every method through `trainers/sft.py`: the candidate is the model that trl's trainer ended with, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.training import finish
from gate.training.model_files import hashed_files
from gate.training.saving import load_candidate
from tests.training.made import Approved, run_of
from tests.training.scripts import train
from tests.training.tiny_models import batch, logits_of

if TYPE_CHECKING:
    import torch
    from transformers import Trainer

STEPS = {"max_steps": 4, "evaluate_every": 2, "samples": 1, "lr": 1e-2}


QUICK, SLOW = ("qlora", "ptuning"), ("full", "lora", "dora", "rslora", "prefix", "ia3")
"""test_methods.py trains them all, without trl."""


@pytest.mark.parametrize("method", [*QUICK, *(pytest.param(method, marks=pytest.mark.slow) for method in SLOW)])
def test_what_was_trained_is_what_is_saved(
    method: str, tiny_base: Path, approved: Approved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[str, torch.Tensor] = {}
    device = finish._device

    def ended(trainer: Trainer) -> str:
        said["logits"] = logits_of(trainer.model, batch(trainer.processing_class))
        return device(trainer)

    monkeypatch.setattr(finish, "_device", ended)  # the last thing that a script does
    run = run_of(tmp_path / method, tiny_base, approved, method=method, **STEPS)
    before = hashed_files(tiny_base)
    done = train(run)
    model, tokenizer = load_candidate(run.candidate, tiny_base)
    assert logits_of(model, batch(tokenizer)).equal(said["logits"])
    losses = done.curve("loss")
    assert losses[-1] < losses[0]
    assert not list(run.candidate.rglob("*.bin"))
    assert hashed_files(tiny_base) == before
