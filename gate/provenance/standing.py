"""How a snapshot stands at a moment: admitted, approved, rejected, revoked, or resting on a waiver that is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement
from gate.provenance.trust import Trust

Status = Literal["approved", "waiting", "rejected", "revoked", "expired", "erased"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What trusted people have said of a snapshot, and what follows for a new action now."""

    snapshot: str
    status: Status
    reasons: tuple[str, ...]
    """Sentences that say why it is not approved, with names and dates; empty where it is."""
    admission: Statement
    """By an owner; where several admit the same snapshot, the one with the best standing, then the oldest."""
    approvals: tuple[Statement, ...]
    """Those that count, the oldest first."""
    rejections: tuple[Statement, ...]
    revocations: tuple[Statement, ...]
    waivers: tuple[Statement, ...]
    """Those that the admission rests on."""
    erasures: tuple[Statement, ...]
    ignored: tuple[str, ...] = ()
    """Statements about it that do not count, and why (an untrusted key, a role, the author's own approval)."""


def standing(ledger: Ledger, trust: Trust, snapshot: str, *, at: str | None = None) -> Standing:
    """How a snapshot stands.

    Args:
        at: the moment of the new action, as statements write time; now, where it is not given. Statements made later
            are not looked at.

    Raises:
        Untrusted: nobody who is trusted has admitted it.
        Damaged: a statement in the store is none.
    """
    raise NotImplementedError
