"""lm-eval's own figures, over a whole task, are what comes out of the items that are kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from examples.tiny_base import CAPITALS, OPPOSITES
from gate.evaluation.backends import opened
from gate.evaluation.harness import score_task
from gate.evaluation.items import values
from gate.evaluation.quiet import quietly
from gate.evaluation.settings import Settings
from gate.evaluation.subject import find_subject
from gate.evaluation.suite_files import read_suite
from gate.evaluation.task import Task
from gate.evaluation.task_data import jsonl, placed
from gate.folders import Folders
from gate.provenance.ledger import Ledger
from tests.training.made import Approved

TASKS = {
    "generated": "output_type: generate_until\ndoc_to_text: question\ndoc_to_target: answer\n"
    "generation_kwargs: {max_gen_toks: 8, until: []}\nmetric_list: [{metric: exact_match}, {metric: bleu}, "
    "{metric: chrf}]\nmetadata: {gate: {scorers: [f1]}}\n",
    "chosen": "output_type: multiple_choice\ndoc_to_text: question\ndoc_to_target: 0\ndoc_to_choice: options\n",
    "read": "output_type: loglikelihood_rolling\ndoc_to_target: question\n",
}
Figures = dict[str, float]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    folder = tmp_path_factory.mktemp("suite") / "rules" / "suites" / "regression"
    folder.mkdir(parents=True)
    (folder / "regression.yaml").write_text(f"group: regression\ntask: [{', '.join(TASKS)}]\n", "utf-8")
    for name, said in TASKS.items():
        head = f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: items.jsonl}}}}\n"
        (folder / f"{name}.yaml").write_text(f"{head}test_split: test\n{said}", "utf-8")
    asked = [
        *((f"What is the capital of {country}?", city) for country, city in CAPITALS.items()),
        *((f"What is the opposite of {word}?", other) for word, other in OPPOSITES.items()),
        ("What is the capital of Sweden?", "Stockholm"),
        ("Wie heißt 北京 auf Deutsch?", "Peking"),
    ]
    rows = [{"question": text, "answer": answer, "options": [answer, "Quito", "a bell"]} for text, answer in asked]
    (folder / "items.jsonl").write_bytes(jsonl(rows))
    return {task.name: task for task in read_suite("regression", Folders(folder.parents[2])).tasks}


@pytest.fixture(scope="module")
def both(
    tasks: dict[str, Task], tiny_base: Path, approved: Approved, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[pl.DataFrame, Figures]]:
    """Of each task the items as they are kept, and lm-eval's own figures."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    subject = find_subject(str(tiny_base), approved.store, Ledger(approved.store), trust=approved.people.trust)
    settings, found = Settings(), {}
    with opened(subject, settings) as backend:
        for name, task in tasks.items():
            items, _ = score_task(task, settings, backend, lambda done, total: None)
            config: Any = dict(placed(task, tmp_path_factory.mktemp(name)).config)
            with quietly():
                manager = TaskManager(include_defaults=False)
                whole = simple_evaluate(
                    model=backend.lm, tasks=[config], task_manager=manager, bootstrap_iters=0, apply_chat_template=True,
                    fewshot_as_multiturn=True, batch_size=16,
                )  # fmt: skip
            figures = whole["results"][name]
            found[name] = items, {key.partition(",")[0]: figures[key] for key in figures if "," in key}
    return found


def test_the_base_knows_some_and_not_all(both: dict[str, tuple[pl.DataFrame, Figures]]) -> None:
    items, _ = both["generated"]
    assert 0.5 < values(items, "exact_match").mean() < 1  # type: ignore[operator]


def test_exact_match(both: dict[str, tuple[pl.DataFrame, Figures]]) -> None:
    items, figures = both["generated"]
    again = (items["output"].str.strip_chars() == items["target"]).cast(pl.Float64)
    assert values(items, "exact_match").mean() == pytest.approx(figures["exact_match"])
    assert again.mean() == pytest.approx(figures["exact_match"])


def test_bleu_and_chrf(both: dict[str, tuple[pl.DataFrame, Figures]]) -> None:
    from lm_eval.api.registry import get_aggregation

    items, figures = both["generated"]
    pairs = list(zip(items["target"], items["output"], strict=True))
    for name in ("bleu", "chrf"):
        assert get_aggregation(name)(pairs) == pytest.approx(figures[name])
    single = [get_aggregation("chrf")([pair]) / 100 for pair in pairs]
    assert values(items, "chrf").to_list() == pytest.approx(single)


def test_accuracy_of_choices(both: dict[str, tuple[pl.DataFrame, Figures]]) -> None:
    items, figures = both["chosen"]
    for name in ("acc", "acc_norm"):
        assert values(items, name).mean() == pytest.approx(figures[name])
    again = (items["output"] == items["target"]).cast(pl.Float64)
    assert again.to_list() == values(items, "acc").to_list()


def test_bits_per_byte(both: dict[str, tuple[pl.DataFrame, Figures]]) -> None:
    items, figures = both["read"]
    sizes = [len(text.encode()) for text in items["target"]]
    bits = values(items, "bits_per_byte").to_list()
    weighted = sum(each * size for each, size in zip(bits, sizes, strict=True)) / sum(sizes)
    assert weighted == pytest.approx(figures["bits_per_byte"], rel=1e-5)
    assert math.log2(figures["byte_perplexity"]) == pytest.approx(weighted, rel=1e-5)
