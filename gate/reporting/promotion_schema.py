"""The published form of a promotion as JSON, `gate.promotion/1`: what every key means, and the JSON Schema made from
it. Within version 1 keys are only added. A reader should ignore keys that it does not know.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from gate.evaluation.task_document import SuiteName

SCHEMA: Literal["gate.promotion/1"] = "gate.promotion/1"
_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)
Ended = Literal["pass", "fail", "inconclusive"]


@with_config(_DOCUMENTED)
class ReasonEntry(TypedDict):
    """Why it was decided so."""

    said: str
    change: str | None
    """What would change it."""


@with_config(_DOCUMENTED)
class ModelEntry(TypedDict):
    """A model of the comparison."""

    role: Literal["candidate", "base", "champion"]
    name: str
    model: str
    """model_digest of its files."""
    evaluations: dict[str, str]
    """The evaluation statement on each suite."""
    repeats: dict[str, str]
    """The same of what was scored a second time."""
    prompts: list[str]
    """Evaluation statements of the base under other prompts."""


@with_config(_DOCUMENTED)
class CriterionEntry(TypedDict):
    """A demand that differs from what was declared before training."""

    key: str
    declared: str
    applied: str


@with_config(_DOCUMENTED)
class ComparisonEntry(TypedDict):
    """Candidate against another model, on the same items. More is better throughout: a metric of which less is better
    is negated."""

    kind: Literal["binary", "continuous"]
    n: int
    clusters: int | None
    before: float
    after: float
    difference: float
    lost: int | None
    """Right before, wrong after; null where the metric is no yes or no."""
    gained: int | None
    lower: float
    upper: float
    """One-sided bounds of the difference, each at 1 − alpha."""
    margin: float
    """How much worse it may be; below 0: by how much it has to be better."""
    noise: float
    """By how much the interval was widened at each end."""
    p_difference: float
    p_worse: float
    minimum_detectable: float | None
    """The smallest true loss that would fail a model with probability 0.8; null: no loss would."""
    required_n: int | None
    smallest_n: int
    critical: float
    method: str
    adjusted_forgotten: float | None
    """Sample-wise forgetting beyond chance, as a share of all items."""
    adjusted_learned: float | None


@with_config(_DOCUMENTED)
class OutcomeEntry(TypedDict):
    """One demand of the policy, on one task against one model."""

    demand: Literal["no_worse", "better", "limit"]
    asked: str
    """The demand in words."""
    suite: SuiteName
    task: str
    metric: str
    higher_is_better: bool
    against: Literal["base", "champion", "prompt"] | None
    verdict: Ended
    ended: str
    """The verdict in words."""
    gated: bool
    """False: shown, and decides nothing."""
    waiver: str | None
    why: str
    settles: str | None
    place: str | None
    """Where the policy demands it: file and line."""
    value: float | None
    limit: float | None
    comparison: ComparisonEntry | None
    holm: float | None
    """p_difference, adjusted by Holm over the tasks of the report."""
    changed: bool
    """Whether that is below alpha."""


@with_config(_DOCUMENTED)
class ForgettingEntry(TypedDict):
    """What was forgotten and learned against the base."""

    items: int
    known: int
    """Items that the base got right."""
    lost: int
    gained: int
    retained: float | None
    """Share of what the base got right that the candidate gets right too."""
    forgotten: float
    """1 → 0 as a share of all items, beyond chance."""
    learned: float


@with_config(_DOCUMENTED)
class BitsEntry(TypedDict):
    """Bits per byte of a text task; less is better."""

    task: str
    before: float
    after: float


@with_config(_DOCUMENTED)
class FigureEntry(TypedDict):
    """A figure of safety or leakage."""

    suite: SuiteName
    task: str
    name: str
    value: float | None
    lower: float | None
    upper: float | None
    base: float | None
    n: int
    higher_is_better: bool
    about: str


@with_config(_DOCUMENTED)
class SaidEntry(TypedDict):
    """What a model made of an item."""

    role: Literal["base", "champion", "candidate"]
    output: str
    """Masked, inert, and cut; what is common to both sides and long is left out."""
    value: float
    other_prompt: bool
    """It got another prompt than the candidate."""


@with_config(_DOCUMENTED)
class ChangedEntry(TypedDict):
    """An item on which the candidate did otherwise."""

    suite: SuiteName
    task: str
    index: int
    doc_hash: str
    slice: str | None
    change: Literal["lost", "lost_champion", "gained"]
    prompt: str
    target: str
    said: list[SaidEntry]


@with_config(_DOCUMENTED)
class MarkEntry(TypedDict):
    """What a person said of an output."""

    verdict: str
    reason: str | None
    reviewer: str


@with_config(_DOCUMENTED)
class OutputEntry(TypedDict):
    """An output that was drawn for reading."""

    id: str
    """SHA-256 of model, task document and item: what a review calls it."""
    suite: SuiteName
    task: str
    index: int
    changed: bool
    prompt: str
    target: str
    output: str
    base: str | None
    value: float
    marks: list[MarkEntry]


@with_config(_DOCUMENTED)
class DataEntry(TypedDict):
    """A snapshot that the candidate was trained on."""

    name: str
    snapshot: str
    role: str
    rows_read: int | None
    malformed: int | None
    admitted: int | None
    excluded: int | None
    excluded_by: dict[str, int] | None
    """Examples that each rule left out."""
    rows: int
    """In its train split."""
    trained: int
    dropped: int
    unseen: int
    truncated: int


@with_config(_DOCUMENTED)
class WaiverEntry(TypedDict):
    """An exception that the decision rests on."""

    rule: str
    by: str
    until: str
    over: bool
    why: str
    statement: str


@with_config(_DOCUMENTED)
class ApprovalEntry(TypedDict):
    """An approval so far."""

    by: str
    at: str
    note: str


@with_config(_DOCUMENTED)
class EarlierEntry(TypedDict):
    """A candidate of the store in the plot of learned against forgotten."""

    name: str
    made: str
    verdict: str
    learned: float
    forgotten: float


@with_config(_DOCUMENTED)
class PromotionEntry(TypedDict):
    """What `gate promote --output json` writes, and what its statement binds."""

    schema: Literal["gate.promotion/1"]
    version: str
    """Of gate."""
    made: str
    name: str
    """The candidate's run."""
    model: str
    verdict: Ended
    word: str
    """The verdict as a person is told it."""
    reasons: list[ReasonEntry]
    warnings: list[str]
    models: list[ModelEntry]
    first: bool
    training: str
    """The training statement."""
    snapshots: dict[str, str]
    """Names and ids of what it was trained on."""
    policy: dict[str, object]
    policy_digest: str
    alpha: float
    criteria_declared: bool
    criteria: str
    """Whether what is demanded is what was declared, in a sentence."""
    criteria_changes: list[CriterionEntry]
    split_uses: dict[str, int]
    outcomes: list[OutcomeEntry]
    forgetting: ForgettingEntry | None
    """Over the suite `forgetting`."""
    task: ForgettingEntry | None
    """The same over the suite `regression`."""
    bits_per_byte: list[BitsEntry]
    divergence: float | None
    """KL to the base while training, nats per token, at the last step that told of it."""
    learned: float | None
    """Where it stands in the plot: share of items of `regression` learned beyond chance."""
    forgotten: float | None
    others: list[EarlierEntry]
    figures: list[FigureEntry]
    changed: list[ChangedEntry]
    changed_counts: dict[str, dict[str, int]]
    """By task and change, how many there are; `changed` shows some."""
    outputs: list[OutputEntry]
    outputs_population: int
    marked_good: int
    marked_bad: int
    reviewers: list[str]
    reviews: list[str]
    """The review statements."""
    data: list[DataEntry]
    dropped: dict[str, int]
    """Rows that the trainer dropped, by reason."""
    curves: dict[str, list[tuple[int, float]]]
    """(step, value) of loss, validation loss, learning rate, gradient norm, retention and KL, thinned to 300 points."""
    waivers: list[WaiverEntry]
    limitations: list[str]
    needed: str
    """Approvals, in words."""
    approvers: list[str]
    approvals: list[ApprovalEntry]


def promotion_schema() -> dict[str, object]:
    """The JSON Schema of `gate.promotion/1`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(PromotionEntry).json_schema(mode="serialization"),
        "title": "A promotion of gate",
    }
