"""The items of a task with what each model made of them, side by side: what changed is read from it, and the outputs
that a person looks at are drawn from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import polars as pl

from gate.evaluation.items import values
from gate.evaluation.results import Evaluated, EvaluatedTask
from gate.evaluation.task_document import SuiteName

UNREAD = ("memorization",)
"""Suites whose texts are not shown: what they make a model say may be personal data, and their figures say enough."""

Answered = Mapping[str, Evaluated]
"""A model's evaluations by suite."""


def output_id(model: str, document: str, doc_hash: str) -> str:
    """What an output is called in a review: SHA-256 (hex) over the model's digest, the task document's and the item's
    hash. The same model's output on the same item of the same task has the same id in any report."""
    return hashlib.sha256(f"gate output 1\n{model}\n{document}\n{doc_hash}".encode()).hexdigest()


def generates(task: EvaluatedTask) -> bool:
    """Whether a model says something in it that a person can read: a text of its own, or a choice."""
    kind = task.document.config.get("output_type", "generate_until")
    return kind in ("generate_until", "multiple_choice") or bool((task.items["output"] != "").any())


def read_tasks(candidate: Answered) -> Iterator[tuple[SuiteName, str, EvaluatedTask]]:
    """Suite, name and results of each task of the candidate's whose texts are shown, in the order of the suites."""
    for suite, evaluated in candidate.items():
        if suite not in UNREAD:
            for name, task in evaluated.tasks.items():
                yield task.document.suite, name, task


def task_of(evaluations: Answered, suite: str, name: str) -> EvaluatedTask | None:
    """A model's results on a task, where it has them."""
    evaluated = evaluations.get(suite)
    return None if evaluated is None else evaluated.tasks.get(name)


def side_by_side(task: EvaluatedTask, others: Mapping[str, EvaluatedTask | None], metric: str) -> pl.DataFrame:
    """The candidate's items with what others made of them, paired by the item's hash (of equal items the first with
    the first). Of a metric of which less is better the values are negated: more is better.

    Args:
        others: by a short name; None has no columns.

    Returns:
        `index`, `doc_hash`, `slice`, `prompt`, `target`, `prompt_hash`, `output`, `value`, and for each other NAME
        `NAME_output`, `NAME_value`, `NAME_prompt_hash`, null where it does not have the item.
    """
    sign = 1.0 if task.document.metric(metric).higher_is_better else -1.0
    found = _numbered(task, metric, sign)
    for name, other in others.items():
        if other is None or metric not in {each.name for each in other.document.metrics}:
            continue
        theirs = _numbered(other, metric, sign).select(
            "doc_hash", "_place", *(pl.col(each).alias(f"{name}_{each}") for each in ("output", "value", "prompt_hash"))
        )
        found = found.join(theirs, on=["doc_hash", "_place"], how="left", maintain_order="left")
    return found.drop("_place")


def _numbered(task: EvaluatedTask, metric: str, sign: float) -> pl.DataFrame:
    kept = ("index", "doc_hash", "slice", "prompt", "target", "prompt_hash", "output")
    frame = task.items.select(*kept, pl.int_range(pl.len()).over("doc_hash").alias("_place"))
    return frame.with_columns((values(task.items, metric) * sign).alias("value"))


def outputs(candidate: Answered, base: Answered, model: str) -> pl.DataFrame:
    """Every output of the candidate's that a person can read.

    Args:
        model: the candidate's digest.

    Returns:
        `id` (`output_id`), `suite`, `task`, `index`, `changed` (`changed` or `unchanged`: whether the base said the
        same), one row for each different id.
    """
    parts = [pl.DataFrame(schema=OUTPUTS)]
    for suite, name, task in read_tasks(candidate):
        if not generates(task):
            continue
        other = task_of(base, suite, name)
        frame = side_by_side(task, {"base": other}, task.document.primary)
        same = pl.lit(False) if other is None else (pl.col("output") == pl.col("base_output")).fill_null(False)
        ids = [output_id(model, task.scores.document, each) for each in frame["doc_hash"]]
        parts.append(
            frame.select(
                pl.Series("id", ids, dtype=pl.String),
                suite=pl.lit(suite),
                task=pl.lit(name),
                index=pl.col("index"),
                changed=pl.when(same).then(pl.lit("unchanged")).otherwise(pl.lit("changed")),
            )
        )
    return pl.concat(parts).unique("id", keep="first", maintain_order=True)


OUTPUTS = pl.Schema(
    {"id": pl.String(), "suite": pl.String(), "task": pl.String(), "index": pl.UInt32(), "changed": pl.String()}
)
