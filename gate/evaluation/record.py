"""Seals what a model scored on a suite: the objects first, then the statement that binds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from gate.errors import UsageError
from gate.evaluation.items import ITEMS
from gate.evaluation.results import check_items, key_of, means
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Task
from gate.evaluation.task_document import SuiteName, TaskDocument
from gate.provenance.envelope import Signer, canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, Statement, TaskScores
from gate.snapshots.parquet import to_parquet
from gate.store.objects import Store


@dataclass(frozen=True, slots=True)
class Ran:
    """A task that a model was scored on, whole."""

    task: Task
    key: str
    """gate.evaluation.results.key_of."""
    items: pl.DataFrame
    """Schema gate.evaluation.items.ITEMS."""
    scores: Mapping[str, float]
    """The mean of each metric."""
    kept: bool = False
    """Scored before, under the same key, and not again."""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What a person should know of it, sentences without their full stops."""


def document_bytes(document: TaskDocument) -> bytes:
    """A task's document as the object whose digest is the task's."""
    return canonical(document.model_dump(mode="json"))


def put_task(store: Store, subject: Subject, settings: Settings, task: Task, items: pl.DataFrame) -> TaskScores:
    """Keep a task's document and its items as objects.

    Raises:
        Damaged: an item lacks a metric, or has one that is no finite number.
        StoreError: there is no room.
    """
    check_items(items, task.document, task.name)
    document = store.put(document_bytes(task.document), "json")
    return TaskScores(
        task=task.name,
        document=document,
        key=key_of(subject.model, document, settings, subject.beneath),
        items=store.put(to_parquet(items, ITEMS), "parquet"),
        n=items.height,
        scores=means(items, task.document),
    )


def seal_evaluation(
    subject: Subject,
    suite: SuiteName,
    ran: Sequence[Ran],
    settings: Settings,
    environment: Mapping[str, object],
    ledger: Ledger,
    signer: Signer,
    *,
    prompts: Mapping[str, object] | None = None,
    repeat: str | None = None,
    seconds: float = 0.0,
) -> Statement:
    """Keep what a model scored on every task of a suite, and sign it.

    Args:
        environment: gate.training.environment.environment_document.
        prompts: `system` and `shots` of a prompt baseline.
        repeat: the evaluation that this one repeats.
        seconds: that it took.

    Raises:
        UsageError: there is no task.
        Damaged: an item lacks a metric, or has one that is no finite number.
        StoreError: there is no room.
    """
    if not ran:
        raise UsageError(f"nothing was scored on {suite}", where=subject.name, remedy="name a suite that has tasks")
    store = ledger.store
    snapshots = list(dict.fromkeys(each.task.document.snapshot for each in ran if each.task.document.snapshot))
    about = Evaluation(
        name=subject.name,
        model=subject.model,
        form=subject.form,
        base=subject.base,
        training=subject.training,
        suite=suite,
        snapshot=snapshots[0] if len(snapshots) == 1 else None,
        tasks=[put_task(store, subject, settings, each.task, each.items) for each in ran],
        settings=store.put(canonical(settings.model_dump(mode="json")), "json"),
        environment=store.put(canonical(dict(environment)), "json"),
        prompts=None if prompts is None else store.put(canonical(dict(prompts)), "json"),
        repeat=repeat,
        seconds=max(0, round(seconds)),
    )
    return ledger.say(about, signer)
