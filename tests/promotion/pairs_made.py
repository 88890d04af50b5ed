"""Results of a task for one model, made by hand: what the statistics are tried on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from gate.evaluation.items import ITEMS
from gate.evaluation.results import EvaluatedTask
from gate.evaluation.task_document import Metric, TaskDocument
from gate.provenance.statements import TaskScores

EXACT = Metric(name="exact_match", binary=True, scorer="lm_eval")
F1 = Metric(name="f1", binary=False, scorer="f1@1")


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def result(
    right: Sequence[float],
    *,
    task: str = "additions",
    questions: Sequence[str] | None = None,
    template: str = "Q: {}",
    clusters: Sequence[str | None] | None = None,
    scores: Mapping[str, Sequence[float | None]] | None = None,
    version: str = "1",
    shots: int = 0,
) -> EvaluatedTask:
    """A task that a model got these items of right.

    Args:
        questions: what makes each item; numbered where none are given.
        template: what the prompt is made by.
        scores: of further metrics.
        version: of the task: another one is another digest.
    """
    asked = list(questions) if questions is not None else [f"question {number}" for number in range(len(right))]
    whole = {"exact_match": list(right), "f1": list(right)} | {
        name: list(each) for name, each in (scores or {}).items()
    }
    document = TaskDocument(
        task=task, suite="regression", about="Additions.", source="suite",
        config={"version": version, "num_fewshot": shots}, data=hashed(version), metrics=[EXACT, F1],
        primary="exact_match", shots=shots,
    )  # fmt: skip
    items = pl.DataFrame(
        {
            "index": range(len(asked)),
            "doc_hash": [hashed(each) for each in asked],
            "prompt_hash": [hashed(template.format(each)) for each in asked],
            "target_hash": [hashed("answer to " + each) for each in asked],
            "example": [None] * len(asked),
            "cluster": list(clusters) if clusters is not None else [None] * len(asked),
            "slice": [None] * len(asked),
            "prompt": [template.format(each) for each in asked],
            "target": ["42"] * len(asked),
            "output": ["42" if each == 1 else "41" for each in right],
            "scores": [
                [{"metric": name, "value": column[place]} for name, column in whole.items() if place < len(column)]
                for place in range(len(asked))
            ],
        },
        schema=ITEMS,
    )
    means = {"exact_match": sum(right) / len(right) if right else 0.0}
    digest = hashed(document.model_dump_json())
    kept = TaskScores(
        task=task, document=digest, key=hashed("key"), items=hashed("items"), n=max(1, len(asked)), scores=means
    )
    return EvaluatedTask(document, items, kept)
