"""How a snapshot stands at a moment: admitted, approved, rejected, revoked, or resting on a waiver that is over."""

from __future__ import annotations

from dataclasses import dataclass

from gate.provenance.hearing import Hearing, by, heard
from gate.provenance.hearing import Status as Status
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Erasure, Rejection, Revocation, Statement, now
from gate.provenance.trust import Trust, Untrusted

_BEST: tuple[Status, ...] = ("approved", "waiting", "rejected", "expired")
"""Which of several admissions of a snapshot counts."""


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
        at: the moment of the new action, as statements write time; statements made later are not looked at. Where it
            is not given, it is now, and what was said against the snapshot counts whatever its date.

    Raises:
        Untrusted: nobody who is trusted has admitted it.
        Damaged: a statement in the store is none, or is older than one that it rests on.
    """
    moment = at or now()
    # A clock that was set back must not unmake what was said against a snapshot.
    against = (Revocation, Rejection, Erasure)
    said = [each for each in ledger.all() if each.made <= moment or (at is None and isinstance(each.about, against))]
    hearing = Hearing({each.digest: each for each in said}, trust)

    admissions = hearing.of(Admission, lambda about: about.snapshot == snapshot)
    if not admissions:
        why = "; ".join(hearing.ignored)
        raise Untrusted(
            f"nobody whom {trust.origin} trusts has admitted this snapshot" + (f" ({why})" if why else ""),
            where=f"snapshot {snapshot[:12]}",
            remedy="`gate admit` seals a snapshot; --trust names whose word counts",
        )
    revocations = hearing.of(Revocation, lambda about: about.snapshot == snapshot)
    erasures = hearing.of(Erasure, lambda about: snapshot in about.snapshots)
    # Who rejects an admission rejects what was sealed: to admit it again does not get round that.
    same = {admission.digest for admission in admissions}
    rejecting = hearing.of(Rejection, lambda about: about.statement in same)
    demand = trust.demand("snapshot")
    each_stands = [heard(hearing, demand, admission, rejecting, moment) for admission in admissions]
    best = min(each_stands, key=lambda each: (_BEST.index(each.status), each.statement.made, each.statement.digest))
    status: Status = "erased" if erasures else "revoked" if revocations else best.status
    over = [
        *(f"revoked by {by(each)}: {each.about.why}" for each in revocations if isinstance(each.about, Revocation)),
        *(f"erased in part by {by(each)}: {each.about.why}" for each in erasures if isinstance(each.about, Erasure)),
    ]
    return Standing(
        snapshot=snapshot,
        status=status,
        reasons=(*over, *best.reasons),
        admission=best.statement,
        approvals=best.approvals,
        rejections=best.rejections,
        revocations=revocations,
        waivers=best.waivers,
        erasures=erasures,
        ignored=tuple(dict.fromkeys(hearing.ignored)),
    )
