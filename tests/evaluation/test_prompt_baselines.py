"""Prompt baselines: every combination of shots and system prompts, on the items that a candidate will face."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.evaluation.prompts import baselines, check_shots
from gate.evaluation.settings import Settings
from gate.evaluation.snapshot_rules import snapshot_task_rules
from gate.evaluation.snapshot_tasks import snapshot_suite
from gate.folders import Folders
from tests.training.made import Approved


def test_every_combination_is_a_baseline(tmp_path: Path) -> None:
    for name, text in (("short.txt", "Add.\n"), ("kind.txt", "\ufeffPlease add, süß.\n")):
        (tmp_path / name).write_text(text, "utf-8")
    made = baselines([0, 5, 5], [tmp_path / "short.txt", tmp_path / "kind.txt"])
    assert [each.name for each in made] == [
        "short.txt, 0 shots", "short.txt, 5 shots", "kind.txt, 0 shots", "kind.txt, 5 shots",
    ]  # fmt: skip
    settings = made[3].settings(Settings(batch_size=4))
    assert (settings.system, settings.shots, settings.batch_size) == ("Please add, süß.", 5, 4)
    assert len({each.digest() for each in made}) == 4


def test_one_without_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Add.", "utf-8")
    assert [each.name for each in baselines([1])] == ["1 shot"]
    assert [(each.name, each.shots) for each in baselines(systems=[tmp_path / "a.txt"])] == [("a.txt", None)]
    assert baselines() == []


@pytest.mark.parametrize("shots", [-1, 101])
def test_so_many_shots_cannot_be_shown(shots: int) -> None:
    with pytest.raises(UsageError, match="shots cannot be shown"):
        baselines([0, shots])


def test_a_system_prompt_that_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n", "utf-8")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    for name, match in (("empty.txt", "is empty"), ("bytes.txt", "not UTF-8"), ("none.txt", "cannot be read")):
        with pytest.raises(UsageError, match=match):
            baselines(systems=[tmp_path / name])


def test_shots_never_come_from_what_is_scored(approved: Approved) -> None:
    suite = snapshot_suite(approved.opened, rules=snapshot_task_rules(Folders()))
    check_shots([suite], 10)
    with pytest.raises(UsageError, match="11 shots, and it has 10 examples to show"):
        check_shots([suite], 11)
    for task in suite.tasks:
        asked = {each["messages"] for each in task.documents}
        assert asked.isdisjoint(each["messages"] for each in task.shot_documents)
