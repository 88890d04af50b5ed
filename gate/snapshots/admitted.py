"""What an admission came to: the snapshot, who said so, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gate.admission.result import AdmissionResult
from gate.provenance.standing import Standing
from gate.provenance.statements import Admission, Statement
from gate.snapshots.division import Division
from gate.snapshots.seal import Sealed


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A dataset that passed and was sealed."""

    snapshot: str
    """Its id."""
    statement: Statement
    """The admission."""
    number: int
    """Of the ref: how many times the name has been given to a snapshot."""
    standing: Standing
    result: AdmissionResult
    sealed: Sealed
    division: Division
    """How the examples came to their splits."""
    before: str | None
    """The snapshot that the name stood for until now."""
    store: Path

    @property
    def admission(self) -> Admission:
        """What the admission says."""
        assert isinstance(self.statement.about, Admission)
        return self.statement.about

    @property
    def name(self) -> str:
        """The dataset's."""
        return self.admission.name

    @property
    def again(self) -> bool:
        """Whether the name stood for this very snapshot already."""
        return self.before == self.snapshot

    @property
    def exit_code(self) -> int:
        """0 where it is approved, 3 where it waits for approval."""
        return 0 if self.standing.status == "approved" else 3 if self.standing.status == "waiting" else 1

    def __repr__(self) -> str:
        return f"<Admitted {self.snapshot[:12]}: {self.sealed.admitted:,} examples, {self.standing.status}>"
