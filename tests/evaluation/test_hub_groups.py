"""A group of lm-eval's own is its tasks; nothing is downloaded to know them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.evaluation.hub_groups import taken_apart
from gate.evaluation.suite_files import read_folder

GROUP = """group: forgetting
task:
  - {task: mmlu, num_fewshot: 5, metadata: {gate: {hub: true, primary: acc, chance: 0.25}}}
  - {task: mmlu_anatomy, metadata: {gate: {hub: true, primary: acc, chance: 0.25}}}
  - {task: no_such_task, metadata: {gate: {hub: true, primary: acc, chance: 0.25}}}
metadata: {gate: {about: Everything.}}
"""


@pytest.mark.slow  # lm-eval reads the 14,000 files of its tasks for an index
def test_a_group_is_taken_apart_and_what_its_line_says_is_said_of_each(tmp_path: Path) -> None:
    folder = tmp_path / "rules/suites/forgetting"
    folder.mkdir(parents=True)
    (folder / "forgetting.yaml").write_text(GROUP)
    suite = taken_apart(read_folder(folder, "forgetting", "forgetting", {})[0])
    names = [task.name for task in suite.tasks]
    assert len(names) == len(set(names)) == 58
    assert names[-1] == "no_such_task"
    assert {"mmlu_abstract_algebra", "mmlu_anatomy", "mmlu_world_religions"} < set(names)
    for task in suite.tasks[:57]:
        assert task.config["task"] == task.document.config["task"] == task.document.task == task.name
        assert (task.document.chance, task.document.shots, task.document.primary) == (0.25, 5, "acc")
