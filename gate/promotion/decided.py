"""What the promotion gate found and decided, as values: the report shows it, the statement binds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gate.evaluation.items import ITEMS as ITEMS
from gate.evaluation.results import Evaluated
from gate.evaluation.task_document import TaskDocument
from gate.promotion.comparison import Comparison
from gate.provenance.statements import Statement, Training

Verdict = Literal["pass", "fail", "inconclusive"]
Against = Literal["base", "champion", "prompt"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One demand of the policy, on one task against one model: a line of the report's table."""

    demand: Literal["no_worse", "better", "limit"]
    """Not worse by more than the margin; better; a hard limit on a figure of the candidate's own."""
    suite: str
    task: TaskDocument
    metric: str
    against: Against | None
    """None of a limit."""
    comparison: Comparison | None
    """None of a limit."""
    value: float | None
    """Of a limit: the candidate's figure."""
    limit: float | None
    """Of a limit: the most (or least) that is allowed."""
    verdict: Verdict
    why: str
    """One sentence with the figures, for people."""
    settles: str | None
    """What would change it: the n that would settle it, or by how much it missed; None where it passed."""
    gated: bool = True
    """False: shown, and decides nothing."""
    waiver: str | None = None
    """The statement of the waiver that covers it."""
    place: str | None = None
    """Where the policy demands it: file and line."""
    holm: float | None = None
    """p_difference, adjusted by Holm over the tasks of the report: for the which-tasks-changed table only."""


@dataclass(frozen=True, slots=True)
class Side:
    """A model of the comparison."""

    role: Literal["candidate", "base", "champion"]
    name: str
    model: str
    """Its digest."""
    evaluations: Mapping[str, Evaluated]
    """By suite."""
    repeats: Mapping[str, Evaluated]
    """The same run again, by suite, where that was done."""
    prompts: tuple[Evaluated, ...] = ()
    """Of the base: prompt baselines."""


@dataclass(frozen=True, slots=True)
class CriterionChange:
    """A demand that differs from what was declared before training."""

    key: str
    declared: str
    applied: str


@dataclass(frozen=True, slots=True)
class Decided:
    """Everything."""

    verdict: Verdict
    reasons: tuple[str, ...]
    """One to three sentences, the weightiest first."""
    would_change: tuple[str, ...]
    """What would change the verdict; as long as `reasons`, or shorter."""
    outcomes: tuple[Outcome, ...]
    candidate: Side
    base: Side
    champion: Side | None
    first: bool
    """Somebody said --first."""
    training: Statement
    """About: Training."""
    policy: Mapping[str, object]
    """The policy's document as it was applied."""
    policy_digest: str
    criteria_changes: tuple[CriterionChange, ...]
    criteria_declared: bool
    warnings: tuple[str, ...]
    """For the reader: uses of the test split, another chat template, noise, remote backends, waivers about to end."""
    split_uses: Mapping[str, int]
    """How many different candidates were scored on the test split of each snapshot, this one included."""
    others: tuple[Mapping[str, object], ...]
    """Earlier promotions of the store, oldest first: name, model, verdict, made, learned, forgotten."""
    waivers: tuple[Statement, ...]
    alpha: float
    made: str
    """UTC, RFC 3339 with microseconds."""

    @property
    def trained(self) -> Training:
        about = self.training.about
        assert isinstance(about, Training)
        return about
