"""`sft`, `pretrain` and `classify` learn what their rows teach, and account for every one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.made import Approved, run_of
from tests.training.scripts import Finished, train
from tests.training.tasks import orders, share_right, sizes, texts

Seal = Callable[..., Approved]
QUICK = {"max_steps": None, "evaluate_every": 1000, "log_every": 10, "samples": 0, "batch": 8, "device_batch": 8}


@pytest.fixture(scope="module")
def chatted(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, seal: Seal) -> Finished:
    rows = orders()
    approved = seal(rows[:300], rows[300:320], rows[320:], name="orders")
    keys = QUICK | {"lr": 2e-3, "epochs": 6.0, "samples": 2}
    return train(run_of(tmp_path_factory.mktemp("sft") / "run", tiny_base, approved, **keys))


def test_instructions_are_learned_and_hold_for_what_was_not_seen(chatted: Finished) -> None:
    rows = orders()
    assert share_right(chatted.run, rows[:300]) >= 0.9
    assert share_right(chatted.run, rows[320:]) >= 0.8


def test_every_row_is_accounted_for(chatted: Finished) -> None:
    (figures,) = chatted.accounting["snapshots"]
    assert chatted.accounting["closed"]
    assert (figures["rows"], figures["trained"], figures["dropped"], figures["unseen"]) == (300, 300, 0, 0)


def test_what_is_done_and_what_came_of_it_is_told_in_order(chatted: Finished) -> None:
    assert [fields["name"] for fields in chatted.of("stage")] == ["data", "model", "training", "saved"]
    (parameters,) = chatted.of("parameters")
    assert 0 < parameters["trainable"] < parameters["total"]
    assert chatted.of("end")[0]["reason"] == "finished"
    assert len(chatted.of("samples")[-1]["answers"]) == 2


def test_no_model_card_is_left_that_nobody_wrote(chatted: Finished) -> None:
    assert not (chatted.run.checkpoints / "README.md").exists()


@pytest.fixture(scope="module")
def sized(seal: Seal) -> Approved:
    rows = sizes()
    return seal(rows[:160], rows[160:200], name="sizes")


@pytest.mark.parametrize(("method", "label", "lr"), [("head", "sum.size", 3e-2), ("lora", None, 3e-3)])
def test_a_classifier_learns(
    tmp_path: Path, tiny_base: Path, sized: Approved, method: str, label: str | None, lr: float
) -> None:
    """The class is a column of the record, or the answer; the base stays as it is, or has an adapter."""
    keys = QUICK | {"objective": "classify", "method": method, "label": label, "lr": lr}
    finished = train(run_of(tmp_path / "run", tiny_base, sized, **keys))
    assert finished.figures("eval_accuracy")[-1] >= 0.9
    assert finished.figures("eval_macro_f1")[-1] >= 0.9
    assert finished.accounting["snapshots"][0]["trained"] == 160


def test_text_is_learned(tmp_path: Path, tiny_base: Path, seal: Seal) -> None:
    rows = texts()
    approved = seal(rows[:170], rows[170:], name="almanac")
    keys = QUICK | {"objective": "pretrain", "method": "full", "evaluate_every": 10, "lr": 3e-3, "epochs": 2.0}
    finished = train(run_of(tmp_path / "run", tiny_base, approved, **keys))
    losses = finished.curve("loss", "evaluation")
    assert losses[-1] < losses[0] / 2
    assert finished.accounting["snapshots"][0]["trained"] == 170
