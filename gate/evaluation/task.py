"""A task that is ready to run, and what a model made of one of its items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gate.evaluation.task_document import SuiteName, TaskDocument


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model made of one item; what a scorer looks at."""

    doc: Mapping[str, Any]
    """The item, as it stands in the JSONL."""
    target: str
    """The right answer as text; empty where the task has none."""
    prompt: str
    """As the model got it."""
    outputs: tuple[str, ...]
    """Generated texts after the task's filter: one, or none for likelihoods."""
    likelihoods: tuple[float, ...]
    """Log-likelihoods in nats: of each choice, of the continuation, or of the whole text (rolling)."""
    greedy: tuple[bool, ...]
    """Of each likelihood whether it was what the model would have said."""


Scorer = Callable[[Sample], Mapping[str, float]]
"""Metrics of one item by name: finite numbers, 0 or 1 where the metric is binary."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its data."""

    document: TaskDocument
    """What it is; its digest is the task's."""
    config: Mapping[str, Any]
    """What lm-eval runs: the document's configuration, with the paths of this machine."""
    documents: tuple[Mapping[str, Any], ...] = ()
    """Its items, where gate has them (not of a hub's task). An item may hold `example` (a content id), and what
    `cluster` and `slice` name."""
    shot_documents: tuple[Mapping[str, Any], ...] = ()
    """The items that few-shot examples are drawn from; the document's `shots_data` is their digest."""
    scorers: tuple[Scorer, ...] = ()
    """Beside lm-eval's own metrics."""
    cluster: str | None = None
    """The item's field that says which items are not independent."""
    slice: str | None = None
    """The item's field that reports group by."""

    @property
    def name(self) -> str:
        return self.document.task


@dataclass(frozen=True, slots=True)
class Suite:
    """Tasks that are run together."""

    name: SuiteName
    about: str
    tasks: tuple[Task, ...]
    files: tuple[Path, ...] = field(default=(), compare=False)
    """Where they were read from."""


def merged(name: SuiteName, suites: Sequence[Suite]) -> Suite:
    """One suite of several parts (a team's tasks, those of the test split)."""
    tasks = tuple(task for suite in suites for task in suite.tasks)
    about = " ".join(dict.fromkeys(suite.about for suite in suites if suite.about))
    return Suite(name, about, tasks, tuple(path for suite in suites for path in suite.files))
