"""Results as they are kept: by key, so that the same model is scored once on the same task under the same settings."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError

from gate.evaluation.items import ITEMS, values
from gate.evaluation.settings import Settings
from gate.evaluation.task_document import SuiteName, TaskDocument
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, Statement, TaskScores
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Objects
from gate.store.objects import Damaged

VERSION = 1
"""Of how gate makes items of what lm-eval gives back; another one, and nothing kept is used again."""


@dataclass(frozen=True, slots=True)
class EvaluatedTask:
    """A task's results for one model, verified."""

    document: TaskDocument
    items: pl.DataFrame
    """Schema gate.evaluation.items.ITEMS."""
    scores: TaskScores


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation statement with what it points at."""

    statement: Statement
    tasks: Mapping[str, EvaluatedTask]
    """By name."""
    settings: Settings

    @property
    def about(self) -> Evaluation:
        about = self.statement.about
        assert isinstance(about, Evaluation)
        return about


def key_of(model: str, document: str, settings: Settings, base: str | None = None) -> str:
    """SHA-256 (hex) of what a result follows from.

    Args:
        model: digest of the model's files.
        document: digest of the task's document, which names the scorers with their versions.
        base: digest of the base that an adapter lies on.
    """
    whole = {
        "base": base,
        "document": document,
        "model": model,
        "settings": settings.digest(),
        "version": VERSION,
    }
    return hashlib.sha256(canonical(whole)).hexdigest()


def find_evaluations(ledger: Ledger, trust: Trust, model: str, *, suite: SuiteName | None = None) -> list[Statement]:
    """The evaluations of a model by people whose word counts, the oldest first.

    Args:
        model: digest of its files.
        suite: only those on this suite.

    Raises:
        Damaged: a statement of the store cannot be read.
    """
    return [
        each
        for each in ledger.all()
        if isinstance(each.about, Evaluation)
        and each.about.model == model
        and (suite is None or each.about.suite == suite)
        and _vouched(trust, each)
    ]


def _vouched(trust: Trust, statement: Statement) -> bool:
    try:
        trust.vouched(statement)
    except Untrusted:
        return False
    return True


def open_evaluation(ledger: Ledger, statement: Statement, erasures: Iterable[Statement] = ()) -> Evaluated:
    """What an evaluation points at, every object of it verified: hashed, of its schema, and in agreement with the
    statement, so that no mean is believed that its items do not give.

    Who signed it is not looked at here (`find_evaluations`).

    Args:
        erasures: by people who may erase (gate.snapshots.sealed_objects.trusted_erasures): items that they cut texts
            from are read as they stand now, with every score.

    Raises:
        Damaged: an object is gone, is another one than it was, or says something else than the statement.
    """
    about = statement.about
    if not isinstance(about, Evaluation):
        raise Damaged("it is no evaluation", where=f"statements/{statement.digest}.json")
    objects = Objects(ledger.store, erasures)
    settings = _document(ledger, about.settings, Settings, "settings of an evaluation")
    for digest in (about.environment, about.prompts):
        if digest is not None:
            ledger.store.read(digest, "json")
    if len({each.task for each in about.tasks}) < len(about.tasks):
        raise Damaged("it names a task twice", where=f"statements/{statement.digest}.json")
    base = about.base if about.form == "adapter" else None
    tasks = {}
    for scores in about.tasks:
        document = _document(ledger, scores.document, TaskDocument, "a task")
        where = ledger.store.name(ledger.store.path(scores.items, "parquet"))
        if (document.task, document.suite) != (scores.task, about.suite):
            raise Damaged("its document is that of another task", where=where)
        if key_of(about.model, scores.document, settings, base) != scores.key:
            raise Damaged(f"the key of {scores.task} is not that of model, task and settings", where=where)
        items = from_parquet(objects.read(scores.items, "parquet", cut=True).content, ITEMS, where, rows=scores.n)
        check_items(items, document, where)
        if means(items, document) != scores.scores:
            raise Damaged(f"the scores of {scores.task} are not the means of its items", where=where)
        tasks[scores.task] = EvaluatedTask(document, items, scores)
    return Evaluated(statement, tasks, settings)


_M = TypeVar("_M", bound=BaseModel)


def _document(ledger: Ledger, digest: str, form: type[_M], what: str) -> _M:
    """A small object as the model that it has to be, in the one way to write it."""
    content = ledger.store.read(digest, "json")
    try:
        read = form.model_validate_json(content)
        if canonical(read.model_dump(mode="json")) != content:
            raise ValueError
    except (ValidationError, ValueError, RecursionError):
        where = ledger.store.name(ledger.store.path(digest, "json"))
        raise Damaged(f"it is not {what}", where=where) from None
    return read


def check_items(items: pl.DataFrame, document: TaskDocument, where: str) -> None:
    """That a frame holds every item once, in order, each with every metric of its task as a finite number.

    Raises:
        Damaged: it does not.
    """
    if items.is_empty() or items["index"].to_list() != list(range(items.height)):
        raise Damaged("its items are not numbered from 0 on", where=where)
    if nulls := [name for name in _FILLED if items[name].null_count()]:
        raise Damaged(f"an item has no {nulls[0]}", where=where)
    names = [each.name for each in document.metrics]
    fields = items.select(
        pl.col("scores").list.eval(pl.element().struct.field("metric")).alias("names"),
        pl.col("scores")
        .list.eval(pl.element().struct.field("value").is_finite().fill_null(False))
        .list.all()
        .alias("finite"),
    )
    if not fields["finite"].all():
        raise Damaged("a score is no finite number", where=where)
    if any(each != names for each in fields["names"].to_list()):
        raise Damaged(f"its items do not have the metrics {', '.join(names)}", where=where)
    for metric in document.metrics:
        if metric.binary and not values(items, metric.name).is_in([0.0, 1.0]).all():
            raise Damaged(f"{metric.name} of an item is neither 0 nor 1", where=where)


_FILLED = ("doc_hash", "prompt_hash", "target_hash", "prompt", "target", "output", "scores")


def means(items: pl.DataFrame, document: TaskDocument) -> dict[str, float]:
    """The mean of each metric over all items, summed exactly (math.fsum), so that it is the same anywhere."""
    return {each.name: math.fsum(values(items, each.name)) / items.height for each in document.metrics}
