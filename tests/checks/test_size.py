"""How many examples are enough, by task, and which of them count."""

from __future__ import annotations

from typing import cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import Context, Measurement
from gate.checks.size import SizeParams, size
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
TASKS = {"style": {"minimum": 5, "recommended": 10}}


def measure(*splits: str | None, malformed: int = 0, task: str | None = None) -> Measurement:
    rows = [{"id": str(at), "file": "a.jsonl", "row": at, "kind": "text", "split": s} for at, s in enumerate(splits)]
    bad = pl.DataFrame([{"file": "b.jsonl", "row": row} for row in range(malformed)], schema=MALFORMED)
    params = SizeParams.model_validate({"any_task": {"minimum": 2, "recommended": 4}, "tasks": TASKS, "task": task})
    return size.run(Frames(pl.DataFrame(rows, schema=EXAMPLES), bad), params, CONTEXT)


@pytest.mark.parametrize(
    ("rows", "task", "code", "score"),
    [
        (1, None, "too_small", 0.5),
        (2, None, "below_recommended", 0.5),
        (3, None, "below_recommended", 0.25),
        (4, None, None, None),
        (4, "style", "too_small", 0.2),
        (5, "style", "below_recommended", 0.5),
        (10, "style", None, None),
    ],
)
def test_too_few_is_a_finding_and_fewer_than_recommended_information(rows, task, code, score) -> None:
    found = measure(*[None] * rows, task=task).findings
    assert found["code"].to_list() == ([code] if code else [])
    assert found["score"].to_list() == ([pytest.approx(score)] if code else [])
    assert found["severity"].to_list() == ([None if code == "too_small" else "info"] if code else [])
    assert found["file"].null_count() == found["row"].null_count() == found.height


def test_what_is_held_out_is_not_trained_on() -> None:
    measured = measure("train", "validation", "test", "test", None)
    assert measured.figures["examples to train on"] == 2
    assert measured.examined == 5
    assert measure("test", "test").findings["code"].to_list() == ["too_small"]


def test_a_dataset_of_rows_that_cannot_be_read_is_too_small_and_not_left_alone() -> None:
    measured = measure(malformed=3)
    assert (measured.examined, measured.skipped) == (3, None)
    assert measured.findings["score"].to_list() == [1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"any_task": {"minimum": 5, "recommended": 4}},
        {"any_task": {"minimum": 0, "recommended": 4}},
        {"task": "reasoning"},
        {"task": "cooking"},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SizeParams.model_validate({"any_task": {"minimum": 2, "recommended": 4}, "tasks": TASKS, **wrong})
