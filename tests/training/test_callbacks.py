"""The eyes on a run: what is told when, and what stops it. Each sign on a real tiny run that has it."""

from __future__ import annotations

import math
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gate.training.callbacks import callbacks, curves_of
from gate.training.checkpoints import last_whole
from gate.training.events import Events, read_events
from gate.training.model import load_tokenizer
from tests.training.made import Approved, run_of
from trainers import sft

torch = pytest.importorskip("torch")

Told = dict[str, list[dict[str, Any]]]


def told_by(folder: Path) -> Told:
    told: Told = {}
    for event in read_events(folder)[0]:
        told.setdefault(event.kind, []).append(event.fields)
    return told


def train(folder: Path, base: Path, approved: Approved, **keys: object) -> Told:
    run_of(folder, base, approved, **keys)
    sft.main(str(folder / "run.json"))
    return told_by(folder)


def codes(told: Told) -> list[str]:
    return [each["code"] for each in told.get("finding", [])]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, approved: Approved) -> tuple[Path, Told]:
    """A run as it should be."""
    folder = tmp_path_factory.mktemp("quiet") / "run"
    return folder, train(folder, tiny_base, approved, lr=3e-4, samples=2)


def test_curves_samples_and_the_end_are_told(quiet: tuple[Path, Told]) -> None:
    folder, told = quiet
    assert [each["step"] for each in told["step"]] == list(range(1, 11))
    for step in told["step"]:
        assert step["steps"] == 10
        assert 0 < step["epoch"] <= 1
        assert math.isfinite(step["loss"])
        assert step["grad_norm"] > 0
        assert step["memory"] > 100 << 20
        assert 0 < step["device"] <= 1
        assert step["tokens_per_second"] > 0
        assert not any(key.startswith(("train_", "num_")) for key in step)
    assert told["step"][-1]["tokens"] == 10 * told["step"][0]["tokens"] > 0
    assert [each["step"] for each in told["evaluation"]] == [5, 10]
    assert [each["step"] for each in told["samples"]] == [0, 5, 10]
    prompts = [[answer["prompt"] for answer in each["answers"]] for each in told["samples"]]
    assert prompts[0] == prompts[1] == prompts[2]
    assert len(prompts[0]) == 2
    (end,) = told["end"]
    assert (end["reason"], end["step"], end["best_step"]) == ("finished", 10, 10)
    assert end["best_loss"] == told["evaluation"][-1]["loss"]
    assert end["tokens"] == told["step"][-1]["tokens"]
    kinds = [event.kind for event in read_events(folder)[0]]
    assert kinds[kinds.index("end") + 1 :] == ["stage"]  # after it, only what the script itself says


def test_every_checkpoint_is_closed(quiet: tuple[Path, Told]) -> None:
    folder, _ = quiet
    found = last_whole(folder / "checkpoints")
    assert found.step == 10
    assert found.passed_over == ()


def test_a_rate_that_no_guide_names_is_told(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    told = train(tmp_path / "run", tiny_base, approved, max_steps=2, lr=1e-2)
    (finding,) = [each for each in told["finding"] if each["code"] == "rate_outside"]
    assert "lr 0.01 is outside" in finding["message"].replace("1e-2", "0.01")
    assert finding["remedy"].startswith("--set lr=")


def test_validation_that_stops_getting_better_ends_the_run(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    told = train(tmp_path / "run", tiny_base, approved, lr=1e-8, max_steps=40, evaluate_every=2, patience=2, samples=0)
    (end,) = told["end"]
    assert (end["reason"], end["step"]) == ("early_stop", 6)


def test_overfitting_is_seen(tmp_path: Path, tiny_base: Path, seal: Callable[..., Approved]) -> None:
    """Of numbers that were drawn there is nothing to learn but the rows themselves."""
    draw = random.Random(0)
    rows = [{"instruction": f"What is {a} plus {a + 3}?", "output": str(draw.randrange(100, 999))} for a in range(90)]
    told = train(
        tmp_path / "over", tiny_base, seal(rows[:40], rows[40:], name="lots"), method="full", lr=2e-3, max_steps=60,
        epochs=30, evaluate_every=6, batch=20, device_batch=20, patience=0, samples=0, schedule="constant",
    )  # fmt: skip
    assert "overfitting" in codes(told)
    assert len(codes(told)) == len(set(codes(told)))  # each once


def test_a_loss_that_barely_moves_is_seen(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    still = train(
        tmp_path / "still", tiny_base, approved, lr=1e-9, epochs=4, max_steps=30, log_every=3, samples=0, patience=0
    )
    assert "barely_moves" in codes(still)


class _Broken:
    """Makes the loss of a later step infinite or NaN, from within the model."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, value: float) -> None:
        from trl import SFTTrainer

        plain = SFTTrainer.compute_loss

        def compute_loss(trainer: Any, *args: Any, **keys: Any) -> Any:
            loss = plain(trainer, *args, **keys)
            return loss * value if trainer.model.training and trainer.state.global_step + 1 == step else loss

        monkeypatch.setattr(SFTTrainer, "compute_loss", compute_loss)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run_before_a_weight_is_lost(
    tmp_path: Path, tiny_base: Path, approved: Approved, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    from safetensors.torch import load_file

    _Broken(monkeypatch, 7, value)
    run = run_of(tmp_path / "run", tiny_base, approved)
    with pytest.raises(SystemExit) as stopped:
        sft.main(str(run.place / "run.json"))
    assert stopped.value.code == 1
    told = told_by(run.place)
    (finding,) = [each for each in told["finding"] if each["code"] == "not_finite"]
    assert (finding["step"], finding["severity"]) == (7, "error")
    assert (told["end"][0]["reason"], told["end"][0]["step"], told["end"][0]["best_step"]) == ("nan", 6, 5)
    assert "the weights of step 5 were the best" in told["error"][0]["message"]
    found = last_whole(run.checkpoints)
    assert found.step == 5
    assert found.checkpoint is not None
    assert all(each.isfinite().all() for each in load_file(found.checkpoint / "adapter_model.safetensors").values())
    assert not run.candidate.exists()


def test_a_validation_loss_that_is_no_number_stops_it_too(
    tmp_path: Path, tiny_base: Path, approved: Approved, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl import SFTTrainer

    plain = SFTTrainer.prediction_step
    monkeypatch.setattr(
        SFTTrainer, "prediction_step", lambda *args, **keys: (plain(*args, **keys)[0] * math.nan, None, None)
    )
    run = run_of(tmp_path / "run", tiny_base, approved)
    with pytest.raises(SystemExit):
        sft.main(str(run.place / "run.json"))
    told = told_by(run.place)
    assert told["end"][0]["reason"] == "nan"
    assert "the validation loss is nan" in told["error"][0]["message"]


def test_sigterm_finishes_the_step_and_going_on_changes_nothing(
    tmp_path: Path, tiny_base: Path, approved: Approved, quiet: tuple[Path, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl import SFTTrainer

    plain = SFTTrainer.training_step

    def training_step(trainer: Any, *args: Any, **keys: Any) -> Any:
        if trainer.state.global_step + 1 == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(trainer, *args, **keys)

    before = signal.getsignal(signal.SIGTERM)
    run = run_of(tmp_path / "run", tiny_base, approved, lr=3e-4, samples=2)
    with monkeypatch.context() as patch:
        patch.setattr(SFTTrainer, "training_step", training_step)
        sft.main(str(run.place / "run.json"))
    assert signal.getsignal(signal.SIGTERM) is before
    (end,) = told_by(run.place)["end"]
    assert (end["reason"], end["step"]) == ("interrupted", 7)
    found = last_whole(run.checkpoints)
    assert found.step == 7
    run = run.model_copy(update={"resume": str(found.checkpoint)})
    run.write()
    sft.main(str(run.place / "run.json"))
    uninterrupted, told = quiet
    again = told_by(run.place)
    assert [each["step"] for each in again["step"]] == [*range(1, 8), 8, 9, 10]
    for one, other in zip(told["step"], again["step"], strict=True):
        assert {key: one[key] for key in ("loss", "lr", "grad_norm", "tokens")} == {
            key: other[key] for key in ("loss", "lr", "grad_norm", "tokens")
        }
    assert again["samples"][-1] == told["samples"][-1]
    assert [each["step"] for each in again["samples"]] == [0, 5, 10]
    assert again["end"][-1]["best_step"] == 10
    names = ("candidate/adapter_model.safetensors", "candidate/adapter_config.json")
    for name in names:
        assert (run.place / name).read_bytes() == (uninterrupted / name).read_bytes(), name


def test_guards_parts_are_the_curve_that_signs_are_looked_for_in() -> None:
    history = [{"loss": 9.0, "task_loss": 1.0, "step": 1}, {"eval_loss": 2.0, "step": 1}, {"loss": 8.0, "step": 2}]
    curves = curves_of(history, 1.0)
    assert [point.loss for point in curves.points] == [1.0, 8.0]
    assert [each.loss for each in curves.evaluations] == [2.0]


def test_nothing_heavy_is_imported_to_make_them(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    run = run_of(tmp_path / "run", tiny_base, approved, samples=0)
    from gate.training.rows import Rows

    made = callbacks(run, load_tokenizer(run), Rows([], [], []), Events(tmp_path))
    assert [type(each).__name__ for each in made] == [
        "Finite", "Telling", "Looking", "EarlyStop", "Interruption", "Closing", "Ended",
    ]  # fmt: skip
