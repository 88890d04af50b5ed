"""What a person is shown of suites: where they come from, and what each task asks, of how many items, under which
digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gate.evaluation.record import document_bytes
from gate.evaluation.task import Suite, Task


@dataclass(frozen=True, slots=True)
class ShownTask:
    """A task."""

    name: str
    about: str
    source: str
    """`suite` or `hub`: the others are made when a model is scored."""
    items: int | None
    """None of a hub's task, whose data is not here."""
    kind: str
    """lm-eval's output type; `hub` where lm-eval knows it."""
    primary: str
    metrics: tuple[str, ...]
    chance: float | None
    shots: int
    code: str | None
    digest: str
    """SHA-256 (hex) of its document: prompts, data, scoring, shots."""


@dataclass(frozen=True, slots=True)
class ShownSuite:
    """A suite."""

    name: str
    about: str
    files: tuple[str, ...]
    """Its group's YAML: the repository's own first."""
    tasks: tuple[ShownTask, ...]
    made: str = ""
    """Which tasks are made for it when a model is scored."""
    problem: str = ""
    """Why it cannot be read."""

    @property
    def items(self) -> int:
        """Of all tasks whose items are here."""
        return sum(task.items or 0 for task in self.tasks)


MADE = {
    "regression": "tasks of the test split of what a candidate was trained on",
    "memorization": "tasks of the rows and canaries that a candidate was trained on",
}
"""What is added to a suite when a model is scored."""


def shown(suite: Suite, files: tuple[str, ...]) -> ShownSuite:
    """A suite that was read."""
    return ShownSuite(suite.name, suite.about, files, tuple(map(_shown, suite.tasks)), MADE.get(suite.name, ""))


def _shown(task: Task) -> ShownTask:
    document = task.document
    return ShownTask(
        name=task.name,
        about=document.about,
        source=document.source,
        items=len(task.documents) if document.data is not None else None,
        kind=str(document.config.get("output_type", "generate_until")) if document.data is not None else "hub",
        primary=document.primary,
        metrics=tuple(metric.name for metric in document.metrics),
        chance=document.chance,
        shots=document.shots,
        code=document.code,
        digest=hashlib.sha256(document_bytes(document)).hexdigest(),
    )
