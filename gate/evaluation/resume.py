"""What was scored before, so that nothing is scored twice: by trusted statements, and by evaluations that were killed.

    .gate/evaluations/KEY.json      of a task that is finished while its suite is not: which object holds its items

An index is written after its object, whole or not at all, so that half a task never counts. Like a run's folder, these
files are of this machine: they are not pushed, git ignores them, and sealing takes them away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.errors import GateError
from gate.evaluation.items import ITEMS
from gate.evaluation.results import check_items, find_evaluations
from gate.evaluation.task_document import TaskDocument
from gate.provenance.about import Digest
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, TaskScores
from gate.provenance.trust import Trust
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.store.files import opened, refused
from gate.store.objects import Damaged, Store

FOLDER = "evaluations"
LARGEST_INDEX = 1 << 16


class Index(BaseModel):
    """`KEY.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    key: Digest
    task: str
    items: Digest
    """The object (parquet)."""
    n: Annotated[int, Field(ge=1)]
    notes: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that need not be scored again."""

    items: pl.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Tasks that are finished while their suite is not."""

    place: Path
    """`.gate/evaluations`."""
    store: Store

    @classmethod
    def of(cls, store: Store) -> Unfinished:
        return cls(store.root / FOLDER, store)

    def keep(self, key: str, document: TaskDocument, items: pl.DataFrame, notes: tuple[str, ...] = ()) -> None:
        """Keep a finished task.

        Raises:
            Damaged: an item lacks a metric, or has one that is no finite number.
            StoreError: there is no room.
        """
        check_items(items, document, document.task)
        digest = self.store.put(to_parquet(items, ITEMS), "parquet")
        index = Index(key=key, task=document.task, items=digest, n=items.height, notes=list(notes))
        path = self.place / f"{key}.json"
        temporary = path.with_name(f".{key}.tmp")
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            if not (self.place / ".gitignore").exists():
                (self.place / ".gitignore").write_text("*\n", "utf-8")
            temporary.write_text(index.model_dump_json(), "utf-8")
            temporary.replace(path)
        except OSError as error:
            raise refused(error, path) from None

    def find(self, key: str, document: TaskDocument) -> Finished | None:
        """A task as it was kept; None where it was not, or where what lies there is not whole."""
        try:
            with opened(self.place / f"{key}.json") as file:
                index = Index.model_validate_json(file.read(LARGEST_INDEX))
            if (index.key, index.task) != (key, document.task):
                return None
            items = from_parquet(self.store.read(index.items, "parquet"), ITEMS, document.task, rows=index.n)
            check_items(items, document, document.task)
        except (OSError, ValidationError, ValueError, GateError):
            return None  # it is scored again, which costs time and nothing else
        return Finished(items, tuple(index.notes))

    def forget(self, key: str) -> None:
        """A suite is sealed: its tasks are found by its statement now."""
        with contextlib.suppress(OSError):
            (self.place / f"{key}.json").unlink(missing_ok=True)

    def erase(self, referred: Collection[str]) -> None:
        """Remove all of it: indexes, and objects that nothing else refers to. What they hold is made of rows, and can
        be scored again.

        Args:
            referred: digests of objects that statements name.
        """
        for path in sorted(self.place.glob("*.json")):
            with contextlib.suppress(OSError, ValidationError, ValueError, GateError):
                with opened(path) as file:
                    items = Index.model_validate_json(file.read(LARGEST_INDEX)).items
                if items not in referred:
                    self.store.path(items, "parquet").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def sealed_before(ledger: Ledger, trust: Trust, model: str) -> Mapping[str, TaskScores]:
    """The tasks that trusted people have scored a model on, by their keys. Repeats, made for noise, are not."""
    found: dict[str, TaskScores] = {}
    for statement in find_evaluations(ledger, trust, model):
        about = statement.about
        if isinstance(about, Evaluation) and about.repeat is None:
            found |= {each.key: each for each in about.tasks}
    return found


def read_items(store: Store, scores: TaskScores, document: TaskDocument) -> pl.DataFrame:
    """The items of a task that was sealed, verified.

    Raises:
        Damaged: they are gone, or are not what the statement says.
    """
    where = store.name(store.path(scores.items, "parquet"))
    items = from_parquet(store.read(scores.items, "parquet"), ITEMS, where, rows=scores.n)
    check_items(items, document, where)
    return items


__all__ = ["FOLDER", "Damaged", "Finished", "Index", "Unfinished", "read_items", "sealed_before"]
