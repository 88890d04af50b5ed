"""What changes nothing: how a batch is divided, packing, running again, and going on from a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.training.model_files import hashed_files, model_digest
from gate.training.run_file import Run
from tests.training.made import Approved, run_of
from tests.training.scripts import Finished, tokens_of, train
from tests.training.tasks import orders, pairs, sizes, texts

Seal = Callable[..., Approved]
QUICK = {"evaluate_every": 3, "log_every": 1, "samples": 0, "keep": 9}


def digest(run: Run) -> str:
    return model_digest(hashed_files(run.candidate))


# --- The same again ---

SEVERAL = QUICK | {"max_steps": 9, "batch": 8, "device_batch": 4, "lr": 3e-3, "dropout": 0.1}
"""36 rows in steps of 8 are five a pass: the ninth step is the fourth of the second pass."""


@pytest.fixture(scope="module")
def few(seal: Seal) -> Approved:
    rows = orders()
    return seal(rows[:36], rows[36:110], rows[110:120], name="few")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, few: Approved) -> Finished:
    return train(run_of(tmp_path_factory.mktemp("whole") / "run", tiny_base, few, **SEVERAL))


def test_the_same_run_again_is_the_same_to_the_bit(
    tmp_path: Path, tiny_base: Path, few: Approved, whole: Finished
) -> None:
    again = train(run_of(tmp_path / "run", tiny_base, few, **SEVERAL))
    assert digest(again.run) == digest(whole.run)
    assert again.curve("loss") == whole.curve("loss")


@pytest.mark.parametrize("step", [3, 6], ids=["within the first pass", "within the second pass"])
def test_going_on_from_a_checkpoint_is_the_same_to_the_bit(tmp_path: Path, whole: Finished, step: int) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole.run.place, folder, ignore=shutil.ignore_patterns("candidate", "events.jsonl"))
    for path in (folder / "checkpoints").glob("checkpoint-*"):
        if int(path.name.split("-")[1]) > step:
            shutil.rmtree(path)
    resume = str(folder / "checkpoints" / f"checkpoint-{step}")
    resumed = train(whole.run.model_copy(update={"folder": str(folder), "resume": resume}))
    assert resumed.curve("loss") == whole.curve("loss")[step:]
    assert digest(resumed.run) == digest(whole.run)
    assert resumed.accounting == whole.accounting


def test_another_seed_is_another_run(tmp_path: Path, tiny_base: Path, few: Approved, whole: Finished) -> None:
    other = train(run_of(tmp_path / "run", tiny_base, few, **SEVERAL, seed=1))
    assert digest(other.run) != digest(whole.run)


# --- A batch, divided ---


@pytest.mark.parametrize(
    ("objective", "method", "label"),
    [("sft", "lora", None), ("classify", "lora", "sum.size"), ("dpo", "lora", None), ("orpo", "lora", None)],
)
def test_accumulation_equals_the_large_batch(
    tmp_path: Path, tiny_base: Path, seal: Seal, objective: str, method: str, label: str | None
) -> None:
    rows = {"sft": orders, "classify": sizes}.get(objective, pairs)()
    approved = seal(rows[:96], rows[96:120], name=f"divided-{objective}")
    keys = QUICK | {"objective": objective, "method": method, "label": label, "dropout": 0.0, "max_steps": 3}
    runs = [
        train(run_of(tmp_path / f"run{size}", tiny_base, approved, **keys, batch=16, device_batch=size))
        for size in (16, 4)
    ]
    losses, norms = ([each.curve(name) for each in runs] for name in ("loss", "grad_norm"))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


# --- Packed ---


@pytest.mark.parametrize("objective", ["sft", "pretrain"])
def test_packed_examples_are_learned_as_each_alone(tmp_path: Path, tiny_base: Path, seal: Seal, objective: str) -> None:
    rows = orders() if objective == "sft" else texts()
    approved = seal(rows[:80], rows[80:110], name=f"packed-{objective}")
    keys = QUICK | {"objective": objective, "dropout": 0.0, "max_steps": 2, "max_length": 128, "evaluate_every": 100}
    alone = train(run_of(tmp_path / "alone", tiny_base, approved, **keys, batch=80, device_batch=80))
    positions = len(tokens_of(run_of(tmp_path / "counted", tiny_base, approved, **keys, packing=True)).train)
    packed = train(
        run_of(tmp_path / "packed", tiny_base, approved, **keys, packing=True, batch=positions, device_batch=positions)
    )
    assert positions < 40
    assert packed.curve("loss") == pytest.approx(alone.curve("loss"), rel=1e-4)
    assert packed.curve("grad_norm") == pytest.approx(alone.curve("grad_norm"), rel=1e-3)
    assert packed.accounting["snapshots"][0]["trained"] == 80


def test_a_model_whose_examples_would_see_one_another_is_not_packed(
    tmp_path: Path, tiny_base: Path, few: Approved
) -> None:
    from transformers import FalconConfig, FalconForCausalLM

    from gate.training.isolation import check_packing

    config = FalconConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=99)
    with pytest.raises(UsageError, match="see one another"):
        check_packing(FalconForCausalLM(config), run_of(tmp_path / "run", tiny_base, few, packing=True))


# --- Beside a quantised base ---


@pytest.mark.parametrize("objective", ["sft", "reward"])
def test_what_is_trained_keeps_its_precision_beside_a_quantised_base(
    tmp_path: Path, tiny_base: Path, seal: Seal, objective: str
) -> None:
    """trl rounds it to 16 bits, where an update a thousandth as large as the weight is lost."""
    from safetensors.torch import load_file

    rows = orders() if objective == "sft" else pairs()
    approved = seal(rows[:40], rows[40:110], name=f"quantised-{objective}")
    keys = QUICK | {"objective": objective, "method": "qlora", "quantisation": "nf4", "max_steps": 2}
    finished = train(run_of(tmp_path / "run", tiny_base, approved, **keys))
    files = list(finished.run.place.rglob("adapter_model.safetensors"))
    assert len(files) == 2, "of the checkpoint and the candidate"
    assert {str(weight.dtype) for file in files for weight in load_file(file).values()} == {"torch.float32"}
