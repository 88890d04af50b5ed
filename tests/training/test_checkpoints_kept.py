"""Which checkpoints stay: the best ones, whatever their place, and the last one, to go on from."""

from __future__ import annotations

import re
from pathlib import Path

from gate.training.checkpoints import prune
from tests.training.made import Approved, run_of
from tests.training.scripts import train


def left(folder: Path) -> list[int]:
    return sorted(int(found[1]) for each in folder.iterdir() if (found := re.fullmatch(r"checkpoint-(\d+)", each.name)))


def made(folder: Path, *steps: int) -> Path:
    for step in steps:
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "weights").write_text("x")
    return folder


def test_the_best_stay_and_the_last(tmp_path: Path) -> None:
    prune(made(tmp_path / "a", 1, 2, 3, 4, 5), {1: 0.5, 2: 0.1, 3: 0.4, 4: 0.2, 5: 0.9}, 2)
    assert left(tmp_path / "a") == [2, 4, 5]
    prune(made(tmp_path / "b", 1, 2, 3), {1: 0.5, 2: 0.1, 3: 0.0}, 1)
    assert left(tmp_path / "b") == [3]
    prune(made(tmp_path / "c", 1, 2, 3), {1: 0.5, 2: 0.1, 3: 0.0}, 1, also=[1])
    assert left(tmp_path / "c") == [1, 3]
    prune(made(tmp_path / "d", 1, 2, 3), {}, 1)  # never judged: the last stays
    assert left(tmp_path / "d") == [3]


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    made(tmp_path, 1, 2)
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "checkpoint-old").mkdir()
    prune(tmp_path, {1: 0.0, 2: 1.0}, 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "README.md", "checkpoint-1", "checkpoint-2", "checkpoint-old",
    ]  # fmt: skip


def test_a_run_keeps_its_best(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    keys = {"max_steps": 10, "evaluate_every": 2, "lr": 5e-2, "samples": 0, "patience": 0}  # so high that it gets worse
    for keep in (1, 2):
        told = train(run_of(tmp_path / str(keep), tiny_base, approved, **keys, keep=keep))
        losses = {fields["step"]: fields["loss"] for fields in told.of("evaluation") if fields["step"]}
        best = sorted(losses, key=lambda step: losses[step])[:keep]
        assert left(told.run.checkpoints) == sorted({*best, 10})
