"""What came of an evaluation: what was scored, what was found again, and what could not be scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gate.errors import GateError
from gate.evaluation.results import Evaluated
from gate.evaluation.subject import Subject
from gate.evaluation.task_document import SuiteName
from gate.provenance.statements import Statement

Role = Literal["candidate", "base", "champion", "model"]


@dataclass(frozen=True, slots=True)
class Scored:
    """A model on a suite, sealed."""

    subject: Subject
    suite: SuiteName
    evaluated: Evaluated
    kept: bool
    """Everything of it was scored before: its statement was there."""
    tasks_kept: int
    """Of its tasks how many were scored before, under the same key."""
    notes: tuple[str, ...] = ()
    system: str | None = None
    """The file's name of a prompt baseline's system prompt."""

    @property
    def statement(self) -> Statement:
        return self.evaluated.statement


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that could not be scored on a suite."""

    subject: Subject
    suite: SuiteName
    error: GateError


@dataclass(frozen=True, slots=True)
class Measured:
    """Models that are compared with one another: on the suites of one candidate."""

    name: str | None
    """The candidate's; None where there is none."""
    members: Mapping[Role, Subject]


@dataclass(frozen=True, slots=True)
class Evaluations:
    """All of it."""

    scored: tuple[Scored, ...]
    failures: tuple[Failure, ...]
    together: tuple[Measured, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where everything was scored, else 4."""
        return 4 if self.failures else 0

    def of(self, subject: Subject, suite: str | None = None) -> list[Scored]:
        """A model's own, without prompt baselines and repeats."""
        return [
            each
            for each in self.scored
            if each.subject.model == subject.model
            and suite in (None, each.suite)
            and each.evaluated.about.prompts is None
            and each.evaluated.about.repeat is None
        ]
