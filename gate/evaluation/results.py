"""Results as they are kept: by key, so that the same model is scored once on the same task under the same settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from gate.evaluation.settings import Settings
from gate.evaluation.task_document import TaskDocument
from gate.provenance.envelope import canonical
from gate.provenance.statements import Evaluation, Statement, TaskScores

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
