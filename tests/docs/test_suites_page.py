"""docs/suites.md: its example is a suite, its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.evaluation.scorers import Metrics, described
from gate.evaluation.scorers_format import CHECKS, Check
from gate.evaluation.snapshot_rules import snapshot_task_rules
from gate.evaluation.suite_files import read_suite
from gate.evaluation.task_form import GateForm
from gate.folders import SHIPPED, Folders

PAGE = (SHIPPED / "docs" / "suites.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "rules" / "suites" / "regression"
    folder.mkdir(parents=True)
    group, task = blocks("yaml")[:2]
    (folder / "regression.yaml").write_text(group, "utf-8")
    (folder / "invoice_totals.yaml").write_text(task, "utf-8")
    (folder / "invoice_totals.jsonl").write_text(blocks("json")[0], "utf-8")
    return tmp_path


def test_the_example_is_a_suite(repository: Path) -> None:
    (task,) = read_suite("regression", Folders(repository)).tasks
    assert (task.document.primary, len(task.documents), task.cluster) == ("numeric_match", 2, "invoice")
    written = sum(len(block.splitlines()) for block in (*blocks("yaml")[:2], blocks("json")[0]))
    assert written <= 20


def test_the_hub_tasks_of_the_example_are_named(repository: Path) -> None:
    path = repository / "rules/suites/regression/regression.yaml"
    path.write_text("group: regression\n" + blocks("yaml")[2], "utf-8")
    tasks = read_suite("regression", Folders(repository)).tasks
    assert [task.document.source for task in tasks] == ["suite", "hub", "hub"]


def test_the_rules_of_the_example_are_laid_over_gates(repository: Path) -> None:
    (repository / "rules/suites/regression/regression.yaml").write_text(blocks("yaml")[3], "utf-8")
    rules = snapshot_task_rules(Folders(repository))
    assert (rules.cluster, rules.generate.tokens.at_most) == (["ticket_id"], 256)
    assert rules.generate.tokens.at_least == snapshot_task_rules(Folders()).generate.tokens.at_least


@pytest.mark.parametrize(
    ("written", "match"),
    [
        ("generate: {tokens: {at_mots: 2}}", "at_mots: there is no such key"),
        ("generate: {scorers: [f2]}", "there is no scorer 'f2'"),
        ("generate: {short: {primary: bleurt}}", "'bleurt' is no metric of its scorers"),
        ("cluster: null", "cluster"),
    ],
)
def test_rules_that_say_something_else(repository: Path, written: str, match: str) -> None:
    path = repository / "rules/suites/regression/regression.yaml"
    path.write_text(f"group: regression\ntask: []\nmetadata:\n  gate:\n    snapshot:\n      {written}\n", "utf-8")
    with pytest.raises(PolicyError, match=match) as caught:
        snapshot_task_rules(Folders(repository))
    assert str(caught.value.where).startswith("rules/suites/regression/regression.yaml:6")


def test_every_scorer_stands_in_the_table() -> None:
    for name, about, metrics in described():
        assert f"| `{name}` | {_metrics(metrics)} | {about} |" in PAGE


def _metrics(metrics: Metrics) -> str:
    said = []
    for metric in metrics:
        more = ([] if not metric.binary else ["0/1"]) + ([] if metric.higher_is_better else ["less is better"])
        said.append(f"`{metric.name}`" + (f" ({', '.join(more)})" if more else ""))
    return ", ".join(said)


def test_every_check_and_key_stands_on_the_page() -> None:
    assert all(f"`{check}`" in PAGE for check in CHECKS)
    assert all(f"`{key}`" in PAGE for key in Check.model_fields if key != "check")
    assert all(f"| `{key}` |" in PAGE for key in GateForm.model_fields if key != "hub")
