"""Evaluations as JSON, `gate.evaluation/1`: what every key means, and the JSON Schema made from it.

Within version 1 keys are only added. A reader should ignore keys that it does not know.
"""

from __future__ import annotations

from typing import Literal

import orjson
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from gate.errors import GateError
from gate.evaluation.outcome import Evaluations, Scored
from gate.evaluation.results import EvaluatedTask
from gate.evaluation.subject import Form
from gate.evaluation.task_document import SuiteName

SCHEMA: Literal["gate.evaluation/1"] = "gate.evaluation/1"
_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


@with_config(_DOCUMENTED)
class TaskEntry(TypedDict):
    """A task that a model was scored on."""

    task: str
    about: str
    n: int
    """Items."""
    primary: str
    """The metric that a verdict is about."""
    scores: dict[str, float]
    """The mean of each metric over all items."""
    chance: float | None
    """What guessing scores on the primary metric; null where nobody knows."""
    document: str
    """The task's digest."""
    key: str
    """Of model, task and settings: equal keys are not computed twice."""
    items: str
    """The object (parquet) with every item."""


@with_config(_DOCUMENTED)
class EvaluationEntry(TypedDict):
    """A model on a suite: a signed statement."""

    statement: str
    """Its digest."""
    name: str
    model: str
    """Digest of its files."""
    form: Form
    base: str | None
    """Digest of the base that a candidate was trained from."""
    training: str | None
    """The training statement of a candidate."""
    suite: SuiteName
    kept: bool
    """Scored before under the same keys, and found again."""
    repeat: str | None
    """The evaluation that it repeats."""
    settings: dict[str, object]
    """gate.evaluation.settings.Settings: system prompt and shots of a prompt baseline among them."""
    seconds: int
    notes: list[str]
    tasks: list[TaskEntry]


@with_config(_DOCUMENTED)
class FailureEntry(TypedDict):
    """A model that could not be scored on a suite. Nothing is sealed of it."""

    name: str
    model: str
    suite: SuiteName
    message: str


@with_config(_DOCUMENTED)
class EvaluationDocument(TypedDict):
    """What `gate eval --output json` prints."""

    schema: Literal["gate.evaluation/1"]
    exit_code: int
    """0: everything was scored. 4: something could not be. 1 or 2: nothing was, and `error` says why."""
    error: str | None
    evaluations: list[EvaluationEntry]
    failures: list[FailureEntry]
    notes: list[str]


def document(evaluations: Evaluations) -> bytes:
    """The JSON of it, one line."""
    whole = EvaluationDocument(
        schema=SCHEMA,
        exit_code=evaluations.exit_code,
        error=None,
        evaluations=[_entry(each) for each in evaluations.scored],
        failures=[
            FailureEntry(
                name=each.subject.name, model=each.subject.model, suite=each.suite, message=str(each.error)
            )
            for each in evaluations.failures
        ],
        notes=list(evaluations.notes),
    )  # fmt: skip
    return orjson.dumps(whole) + b"\n"


def failure(error: GateError) -> bytes:
    """The JSON of an evaluation that did not begin."""
    whole = EvaluationDocument(
        schema=SCHEMA, exit_code=error.exit_code, error=str(error), evaluations=[], failures=[], notes=[]
    )
    return orjson.dumps(whole) + b"\n"


def _entry(scored: Scored) -> EvaluationEntry:
    about = scored.evaluated.about
    return EvaluationEntry(
        statement=scored.statement.digest,
        name=about.name,
        model=about.model,
        form=about.form,
        base=about.base,
        training=about.training,
        suite=about.suite,
        kept=scored.kept,
        repeat=about.repeat,
        settings=scored.evaluated.settings.model_dump(mode="json"),
        seconds=about.seconds,
        notes=list(scored.notes),
        tasks=[_task(each) for each in scored.evaluated.tasks.values()],
    )


def _task(task: EvaluatedTask) -> TaskEntry:
    return TaskEntry(
        task=task.scores.task,
        about=task.document.about,
        n=task.scores.n,
        primary=task.document.primary,
        scores=dict(task.scores.scores),
        chance=task.document.chance,
        document=task.scores.document,
        key=task.scores.key,
        items=task.scores.items,
    )


def evaluation_schema() -> dict[str, object]:
    """The JSON Schema of the document."""
    found = TypeAdapter(EvaluationDocument).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "An evaluation of gate"}
