"""docs/forgetting-suite.md and docs/safety-suite.md: their tables are the suites, and their example is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.evaluation.scorers_safety import HEAD, SAFETY_SCORERS
from gate.evaluation.suite_files import read_suite
from gate.folders import SHIPPED, Folders

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}-suite.md").read_text("utf-8") for name in ("forgetting", "safety")}


@pytest.mark.parametrize("name", PAGES)
def test_the_tables_name_every_task_with_its_items(name: str) -> None:
    table = dict(re.findall(rf"^\| `({name}_\w+)` \| (\d+) \|", PAGES[name], re.MULTILINE))
    tasks = read_suite(name, Folders(SHIPPED)).tasks
    assert {task: int(count) for task, count in table.items()} == {task.name: len(task.documents) for task in tasks}


def test_the_sum_is_right() -> None:
    tasks = read_suite("forgetting", Folders(SHIPPED)).tasks
    counts = {task.name: len(task.documents) for task in tasks}
    paragraphs = counts.pop("forgetting_general_text")
    assert f"{sum(counts.values()):,} questions\nand {paragraphs} paragraphs" in PAGES["forgetting"]


def test_the_example_adds_to_the_suite(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGES["forgetting"], re.DOTALL)
    folder = tmp_path / "rules" / "suites" / "forgetting"
    folder.mkdir(parents=True)
    (folder / "forgetting.yaml").write_text(example, "utf-8")
    names = {task.name for task in read_suite("forgetting", Folders(tmp_path)).tasks}
    assert names > {"hellaswag", "arc_challenge", "gsm8k", "mmlu", "forgetting_capitals"}


def test_every_scorer_and_metric_of_safety_is_told() -> None:
    for name, (_, metrics) in SAFETY_SCORERS.items():
        assert f"| `{name}` |" in PAGES["safety"]
        for metric in metrics:
            assert f"`{metric.name}`" in PAGES["safety"]
    assert f"first {HEAD} characters" in PAGES["safety"]


@pytest.mark.parametrize("name", PAGES)
def test_other_pages_are_there(name: str) -> None:
    for link in re.findall(r"\]\(([\w-]+\.md)\)", PAGES[name]):
        assert (DOCS / link).is_file(), link
