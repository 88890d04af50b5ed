"""What a promotion's report tells beside the decision itself: the data and the run behind the candidate, figures of
safety and leakage, what people said of its outputs, and who has to approve it.

`gate.verbs.promotion_told` gathers it from the store; everything in it was verified there, but for `preview`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gate.evaluation.figures import Figure
from gate.provenance.statements import Admission, Statement, TrainedOn
from gate.provenance.trust import DEFAULT, Demand
from gate.training.history import History

# Plain JSON of the run's folder; what is not as expected is left out where it is read.
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class UsedData:
    """A snapshot that the candidate was trained on: what was admitted to it, and what training made of that."""

    use: TrainedOn
    admission: Admission | None
    """None: the statement is not in this store."""
    excluded: Mapping[str, int] | None = None
    """Examples that each rule left out, the most first; None: not known here."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person said of one output: the last word of each person counts."""

    id: str
    """gate.reporting.promotion_outputs.output_id."""
    verdict: str
    """`good`, `bad` or `skip`."""
    reason: str | None
    reviewer: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure of the candidate, and the base's where it has the same."""

    candidate: Figure
    base: Figure | None


@dataclass(frozen=True, slots=True)
class Told:
    """All of that. Empty where nothing is known: the report says so."""

    history: History = field(default_factory=History)
    """The run's sealed events."""
    data: tuple[UsedData, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Rows of the train splits that the trainer dropped, by its reason; the most first."""
    preview: Json | None = None
    """preview.json of the run's folder, which is not signed; None where the folder is not here."""
    figures: tuple[Measured, ...] = ()
    """Of the suites safety and memorization."""
    marks: tuple[Mark, ...] = ()
    """On outputs of the candidate, by trusted people."""
    reviews: tuple[str, ...] = ()
    """The review statements that these stand in."""
    demand: Demand = DEFAULT
    """What it takes to approve a model."""
    approvers: tuple[str, ...] = ()
    """Names of people who could approve it, by the trust file; its author left out where that is demanded."""
    approvals: tuple[Statement, ...] = ()
    """Those so far that count, the oldest first."""
    promotion: str | None = None
    """The promotion statement, where this is made after it was signed."""
    notes: tuple[str, ...] = ()
    """What could not be looked up, in sentences."""
