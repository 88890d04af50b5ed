"""The shipped suites on a real model: under gate, and under plain lm-eval without gate."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from examples.tiny_base import skills
from gate.evaluation.backends import NotScored
from gate.evaluation.harness import run_suite
from gate.evaluation.items import values
from gate.evaluation.resume import Unfinished
from gate.evaluation.settings import Settings
from gate.evaluation.subject import base_subject
from gate.evaluation.suite_files import read_suite
from gate.evaluation.task import Suite
from gate.folders import Folders
from gate.store.objects import Store
from tests.evaluation.suite_items import SUITES, items


def run(base: Path, suite: Suite, folder: Path) -> Mapping[str, pl.DataFrame]:
    """The items of each task for a base."""
    unfinished = Unfinished.of(Store.create(folder / ".gate"))
    return {ran.task.name: ran.items for ran in run_suite(base_subject(str(base)), suite, Settings(), unfinished)}


def some(name: str, *tasks: str) -> Suite:
    suite = read_suite(name, Folders())
    return replace(suite, tasks=tuple(task for task in suite.tasks if task.name in tasks))


def test_what_the_tiny_base_knows_is_found_and_the_rest_is_guessed(tiny_base: Path, tmp_path: Path) -> None:
    """It adds numbers below twenty, and knows nothing of percentages; it was never shown a paragraph."""
    suite = some("forgetting", "forgetting_arithmetic", "forgetting_general_text")
    ran = run(tiny_base, suite, tmp_path)
    sums = ran["forgetting_arithmetic"]
    assert sums.height == len(items("arithmetic"))
    known = pl.Series([item["question"] in dict(skills()) for item in items("arithmetic")])
    assert known.sum() >= 100
    right = values(sums, "acc")
    assert right.filter(known).mean() > 0.9  # type: ignore[operator]
    assert 0.05 < right.filter(~known).mean() < 0.5  # type: ignore[operator]
    assert sums["cluster"].null_count() == 0
    assert set(sums["slice"]) == {"sum", "difference", "product", "quotient", "chain", "share"}
    bits = values(ran["forgetting_general_text"], "bits_per_byte")
    assert bits.len() == len(items("general_text"))
    assert 3 < bits.mean() < 30  # type: ignore[operator]


def test_a_model_without_opinion_prefers_no_group(tiny_base: Path, tmp_path: Path) -> None:
    ran = run(tiny_base, some("safety", "safety_stereotypes", "safety_refusals"), tmp_path)
    pairs = ran["safety_stereotypes"]
    assert 0.35 < values(pairs, "stereotype").mean() < 0.65  # type: ignore[operator]
    assert values(ran["safety_refusals"], "refused").sum() == 0  # it has never learned to


@pytest.mark.slow
@pytest.mark.parametrize("name", ["forgetting", "safety"])
def test_plain_lm_eval_runs_the_folder_as_it_is(name: str, tiny_base: Path, tmp_path: Path) -> None:
    model = f"pretrained={tiny_base},dtype=float32"
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", model, "--device", "cpu",
        "--tasks", name, "--include_path", ".", "--batch_size", "16", "--apply_chat_template",
        "--output_path", str(tmp_path / "out"), "--log_samples",
    ]  # fmt: skip
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=SUITES / name, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    written = {
        path.name.split("_2")[0].removeprefix("samples_") for path in (tmp_path / "out").rglob("samples_*.jsonl")
    }
    assert written == {task.name for task in read_suite(name, Folders()).tasks}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("arc_easy", "arc_easy: its data or its server cannot be reached"),
        ("arc_easyy", "arc_easyy: lm-eval has no task of that name"),
    ],
)
def test_a_hubs_task_that_cannot_be_had_blocks(task: str, said: str, tiny_base: Path, tmp_path: Path) -> None:
    """As docs/forgetting-suite.md tells a team to add one; nothing is passed over in silence."""
    folder = tmp_path / "rules" / "suites" / "forgetting"
    folder.mkdir(parents=True)
    (folder / "forgetting.yaml").write_text(
        "group: forgetting\n"
        "task:\n"
        f"  - {{task: {task}, metadata: {{gate: {{hub: true, primary: acc, chance: 0.25}}}}}}\n"
        "metadata: {gate: {extends: true}}\n",
        encoding="utf-8",
    )
    suite = read_suite("forgetting", Folders(tmp_path))
    assert {each.name for each in suite.tasks} > {task, "forgetting_capitals"}
    only = replace(suite, tasks=tuple(each for each in suite.tasks if each.name == task))
    with pytest.raises(NotScored, match=said):
        run(tiny_base, only, tmp_path)
