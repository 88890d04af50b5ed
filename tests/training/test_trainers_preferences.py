"""Preferences are learned: margins grow, a reward model tells good answers from bad, and RL raises what it is told is
good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.made import Approved, run_of
from tests.training.scripts import Finished, train
from tests.training.tasks import judged, pairs

Seal = Callable[..., Approved]
QUICK = {"evaluate_every": 1000, "log_every": 5, "samples": 0, "batch": 8, "device_batch": 8, "max_steps": 15}


@pytest.fixture(scope="module")
def preferred(seal: Seal) -> Approved:
    rows = pairs()
    return seal(rows[:120], rows[120:140], name="preferred")


@pytest.fixture(scope="module")
def liked(seal: Seal) -> Approved:
    rows = judged()
    return seal(rows[:120], rows[120:140], name="liked")


@pytest.mark.parametrize(
    ("objective", "method", "lr"),
    [
        ("dpo", "lora", 2e-3),
        ("dpo", "full", 3e-4),
        ("orpo", "lora", 2e-3),
        ("kto", "lora", 3e-3),
        ("kto", "full", 5e-4),
    ],
)
def test_what_is_preferred_becomes_likelier(
    tmp_path: Path, tiny_base: Path, preferred: Approved, liked: Approved, objective: str, method: str, lr: float
) -> None:
    approved = liked if objective == "kto" else preferred
    keys = QUICK | {"objective": objective, "method": method, "lr": lr}
    finished = train(run_of(tmp_path / "run", tiny_base, approved, **keys))
    margins, losses = finished.figures("rewards/margins"), finished.figures("loss")
    assert margins[-1] > margins[0] + 0.1
    assert losses[-1] < losses[0]
    (figures,) = finished.accounting["snapshots"]
    assert (figures["rows"], figures["trained"], figures["unseen"]) == (120, 120, 0)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, preferred: Approved) -> Finished:
    keys = QUICK | {"objective": "reward", "method": "full", "lr": 1e-3}
    return train(run_of(tmp_path_factory.mktemp("reward") / "run", tiny_base, preferred, **keys))


def test_a_reward_model_tells_good_answers_from_bad(judge: Finished) -> None:
    assert judge.figures("eval_accuracy")[-1] >= 0.95
    assert judge.figures("eval_margin")[-1] > 1


@pytest.mark.parametrize(("objective", "method", "lr"), [("rloo", "lora", 5e-3), ("grpo", "full", 5e-4)])
def test_answers_come_to_score_better(
    tmp_path: Path, tiny_base: Path, preferred: Approved, judge: Finished, objective: str, method: str, lr: float
) -> None:
    keys = {"objective": objective, "method": method, "lr": lr, "reward_model": str(judge.run.candidate), "beta": 0.02}
    more = {"generations": 4, "batch": 32, "device_batch": 32, "max_new_tokens": 4}
    finished = train(run_of(tmp_path / "run", tiny_base, preferred, **(QUICK | keys | more)))
    rewards = finished.figures("reward")
    assert rewards[-1] > rewards[0] + 1
    (figures,) = finished.accounting["snapshots"]
    assert (figures["rows"], figures["trained"], figures["unseen"]) == (120, 120, 0)
