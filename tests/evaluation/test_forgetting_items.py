"""The forgetting suite as a whole: enough items, made as the script says, and none that can be had without knowing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bench.suites import make
from gate.evaluation.suite_files import read_suite
from gate.folders import Folders
from gate.training.retention import check_disjoint, item_digest
from gate.training.retention import read_suite as read_monitor
from tests.evaluation.suite_items import CHOSEN, ROOT, SUITES, WRITTEN, Item, items, right

MONITOR = read_monitor(ROOT / "rules" / "retention" / "general.jsonl", "general")


def test_there_are_enough_items_of_every_kind() -> None:
    counts = {task: len(items(task)) for task in (*CHOSEN, *WRITTEN)}
    assert len(counts) == 10
    assert min(counts.values()) >= 100
    assert sum(counts.values()) >= 1_000
    assert len(items("general_text")) >= 60


def test_they_are_what_the_script_makes_byte_for_byte(tmp_path: Path) -> None:
    for path, records in make.records().items():
        make.write(tmp_path / path, records)
        assert (tmp_path / path).read_bytes() == (SUITES / path).read_bytes(), (
            f"run `python -m bench.suites.make` ({path})"
        )


def test_gate_reads_the_suite_with_every_task_of_the_folder() -> None:
    suite = read_suite("forgetting", Folders())
    files = {path.stem for path in (SUITES / "forgetting").glob("*.jsonl")}
    assert {task.name.removeprefix("forgetting_") for task in suite.tasks} == files
    for task in suite.tasks:
        assert task.documents, task.name
        assert task.document.about
        shared = len({item["cluster"] for item in task.documents}) < len(task.documents)
        assert task.cluster == ("cluster" if shared else None), "clusters of one item each would only widen an interval"
        assert task.slice == "group"
        assert task.document.source == "suite"
    chances = {task.name: task.document.chance for task in suite.tasks if task.document.chance is not None}
    assert chances == {f"forgetting_{task}": 0.25 for task in CHOSEN}
    (text,) = (task for task in suite.tasks if task.name == "forgetting_general_text")
    assert text.document.primary == "bits_per_byte"
    assert not text.document.metric("bits_per_byte").higher_is_better


@pytest.mark.parametrize("task", [*CHOSEN, *WRITTEN, "general_text"])
def test_items_are_different_and_have_id_group_and_cluster(task: str) -> None:
    some = items(task)
    assert len({item["id"] for item in some}) == len(some)
    asked = [item.get("question") or item["text"] for item in some]
    assert len({item_digest(each) for each in asked}) == len(some)
    for item in some:
        assert item["group"]
        assert item["cluster"].startswith(f"{task}/")
        assert item["id"].startswith(f"{task}-")


@pytest.mark.parametrize("task", CHOSEN)
def test_four_different_choices_and_the_right_one_at_each_place_equally_often(task: str) -> None:
    for item in items(task):
        assert len({choice.strip().casefold() for choice in item["choices"]}) == 4, item
    places = Counter(item["gold"] for item in items(task))
    assert max(places.values()) - min(places.values()) <= 1


def _number(choice: str) -> float:
    return float(choice) if choice.lstrip("-").isdigit() else 0.0


def _second_highest(item: Item) -> list[str]:
    return [sorted(item["choices"], key=_number)[2]]


def _extreme(key: Callable[[str], float], item: Item) -> list[str]:
    most = max(map(key, item["choices"]))
    return [choice for choice in item["choices"] if key(choice) == most]


STRATEGIES: dict[str, Callable[[Item], list[str]]] = {
    "the first": lambda item: item["choices"][:1],
    "the last": lambda item: item["choices"][-1:],
    "the longest": lambda item: _extreme(len, item),
    "the shortest": lambda item: _extreme(lambda choice: -len(choice), item),
    "the longest in bytes": lambda item: _extreme(lambda choice: len(choice.encode()), item),
    "the first by the alphabet": lambda item: [min(item["choices"])],
}
NUMERIC: dict[str, Callable[[Item], list[str]]] = {
    "the largest": lambda item: _extreme(_number, item),
    "the smallest": lambda item: _extreme(lambda choice: -_number(choice), item),
    "the second largest": _second_highest,
}


def _expected(some: list[Item] | tuple[Item, ...], strategy: Callable[[Item], list[str]]) -> float:
    """Mean accuracy of a strategy that draws among what it likes best."""
    return sum((right(item) in (liked := strategy(item))) / len(liked) for item in some) / len(some)


@pytest.mark.parametrize("task", CHOSEN)
@pytest.mark.parametrize("name", STRATEGIES)
def test_no_strategy_without_knowledge_beats_guessing(task: str, name: str) -> None:
    """0.25 within four standard errors of some 240 items, which is 0.11; a giveaway comes out far above."""
    assert 0.12 <= _expected(items(task), STRATEGIES[name]) <= 0.38


@pytest.mark.parametrize("task", ["arithmetic", "sequences", "calendar", "elements", "reasoning"])
@pytest.mark.parametrize("name", NUMERIC)
def test_no_place_among_numbers_beats_guessing(task: str, name: str) -> None:
    numeric = [item for item in items(task) if all(each.lstrip("-").isdigit() for each in item["choices"])]
    assert len(numeric) >= 60
    assert 0.12 <= _expected(numeric, NUMERIC[name]) <= 0.38


def test_no_right_answer_stands_in_its_question_unless_every_choice_does() -> None:
    for task in ("capitals", "elements", "antonyms", "translation"):
        for item in items(task):
            words = item["question"].casefold().split()
            assert right(item).casefold() not in words, item


def test_what_steers_training_does_not_judge_it() -> None:
    questions = [item["question"] for task in (*CHOSEN, *WRITTEN) for item in items(task)]
    check_disjoint(MONITOR, questions)
    asked = {(item.group, (item.answers[item.gold or 0]).casefold()) for item in MONITOR}
    capitals = {answer for group, answer in asked if group == "capital"}
    assert not capitals & {right(item).casefold() for item in items("capitals")}
    symbols = {answer for group, answer in asked if group == "symbol"}
    assert not symbols & {right(item).casefold() for item in items("elements") if item["group"] == "symbol"}
    words = {item.prompt.split('"')[1] for item in MONITOR if item.group == "translation"}
    assert not words & {item["cluster"].split("/")[1] for item in items("translation")}
    pairs = {
        frozenset((item.prompt.split('"')[1], item.answers[item.gold or 0]))
        for item in MONITOR
        if item.group == "opposite"
    }
    assert not pairs & {frozenset(item["cluster"].split("/")[1].split("-")) for item in items("antonyms")}


def test_every_file_of_the_folder_is_named_in_the_group() -> None:
    for suite in ("forgetting", "safety"):
        folder = SUITES / suite
        group = yaml.safe_load((folder / f"{suite}.yaml").read_text("utf-8"))
        files = {
            yaml.safe_load(path.read_text("utf-8"))["task"] for path in folder.glob("*.yaml") if path.stem != suite
        }
        assert set(group["task"]) == files
        assert {path.stem for path in folder.glob("*.jsonl")} == {name.removeprefix(f"{suite}_") for name in files}


def test_paragraphs_are_short_and_alike_in_number() -> None:
    groups = Counter(item["group"] for item in items("general_text"))
    assert len(groups) >= 8
    assert max(groups.values()) <= 2 * min(groups.values())
    for item in items("general_text"):
        assert 200 <= len(item["text"]) <= 700, item["id"]
