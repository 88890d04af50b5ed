"""How a snapshot stands at a moment: admitted, approved, rejected, revoked, or resting on a waiver that is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from gate.provenance.ledger import Ledger
from gate.provenance.moments import minute_of
from gate.provenance.statements import (
    About,
    Admission,
    Approval,
    Erasure,
    Rejection,
    Review,
    Revocation,
    Statement,
    Waiver,
    now,
)
from gate.provenance.trust import Demand, Trust, Untrusted, roles_text
from gate.store.objects import Damaged

A = TypeVar("A", bound=About)
Status = Literal["approved", "waiting", "rejected", "revoked", "expired", "erased"]
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
    hearing = _Hearing({each.digest: each for each in said}, trust)

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
    each_stands = [_admitted(hearing, demand, admission, rejecting, moment) for admission in admissions]
    best = min(each_stands, key=lambda each: (_BEST.index(each.status), each.admission.made, each.admission.digest))
    status: Status = "erased" if erasures else "revoked" if revocations else best.status
    over = [
        *(f"revoked by {_by(each)}: {each.about.why}" for each in revocations if isinstance(each.about, Revocation)),
        *(f"erased in part by {_by(each)}: {each.about.why}" for each in erasures if isinstance(each.about, Erasure)),
    ]
    return Standing(
        snapshot=snapshot,
        status=status,
        reasons=(*over, *best.reasons),
        admission=best.admission,
        approvals=best.approvals,
        rejections=best.rejections,
        revocations=revocations,
        waivers=best.waivers,
        erasures=erasures,
        ignored=tuple(dict.fromkeys(hearing.ignored)),
    )


@dataclass(frozen=True, slots=True)
class _Admitted:
    """How one admission stands, whatever happened to its snapshot."""

    admission: Statement
    status: Status
    reasons: tuple[str, ...]
    approvals: tuple[Statement, ...]
    rejections: tuple[Statement, ...]
    waivers: tuple[Statement, ...]


def _admitted(
    hearing: _Hearing, demand: Demand, admission: Statement, rejecting: tuple[Statement, ...], moment: str
) -> _Admitted:
    assert isinstance(admission.about, Admission)
    waivers = tuple(hearing.said[digest] for digest in admission.about.waivers)
    expired = [
        f"the waiver of {each.about.rule} by {each.author} was over on {minute_of(each.about.until)}"
        for each in waivers
        if isinstance(each.about, Waiver) and each.about.until <= moment
    ]
    author = hearing.trust.keys[admission.keyid].name
    # The last word of each person counts, and a person is a name: two keys of one name are one voice.
    last: dict[str, Statement] = {}
    approving = hearing.of(Approval, lambda about: about.statement == admission.digest)
    for each in sorted((*approving, *rejecting), key=lambda word: (word.made, word.kind == "rejection")):
        person = hearing.trust.keys[each.keyid].name
        if isinstance(each.about, Approval) and person == author and not demand.by_author:
            hearing.ignore(each, f"{person} admitted the snapshot, and nobody approves their own")
        else:
            last[person] = each
    approvals = tuple(each for each in last.values() if isinstance(each.about, Approval))
    rejections = tuple(each for each in last.values() if isinstance(each.about, Rejection))
    missing = demand.count - len(approvals)
    reasons = [f"rejected by {_by(each)}: {each.about.why}" for each in rejections if isinstance(each.about, Rejection)]
    if missing > 0 and not rejections:
        more = f"{missing} approval{'s' if missing > 1 else ''}"
        others = "" if demand.by_author else f", other than {author},"
        more = f"{more} by {roles_text(demand.roles)}{others} {'is' if missing == 1 else 'are'} still needed"
        reasons.append(f"{more} ({len(approvals)} of {demand.count})" if approvals else more)
    status: Status = "expired" if expired else "rejected" if rejections else "waiting" if missing > 0 else "approved"
    return _Admitted(
        admission,
        status,
        (*expired, *reasons),
        tuple(sorted(approvals, key=_age)),
        tuple(sorted(rejections, key=_age)),
        waivers,
    )


class _Hearing:
    """What was said, of which only what trusted people said is heard."""

    def __init__(self, said: dict[str, Statement], trust: Trust) -> None:
        self.said, self.trust = said, trust
        self.ignored: list[str] = []

    def of(self, kind: type[A], about: Callable[[A], bool]) -> tuple[Statement, ...]:
        """The statements of a kind that are about it and count, the oldest first."""
        return tuple(
            each
            for each in self.said.values()
            if isinstance(each.about, kind) and about(each.about) and self._counts(each)
        )

    def ignore(self, statement: Statement, why: str) -> None:
        self.ignored.append(f"{statement.kind} {statement.digest[:12]}: {why}")

    def _counts(self, statement: Statement) -> bool:
        try:
            self.trust.vouched(statement)
            for parent in self._parents(statement):
                # An admission stands on its waivers and reviews: each has to count by itself.
                if not isinstance(parent.about, Admission):
                    self.trust.vouched(parent)
                if isinstance(parent.about, Waiver) and parent.about.until <= statement.made:
                    raise Untrusted(
                        f"it rests on waiver {parent.digest[:12]}, which was over before it was made",
                        where=f"{statement.kind} {statement.digest[:12]}",
                    )
        except Untrusted as error:
            self.ignored.append(f"{error.where}: {error.what}")
            return False
        return True

    def _parents(self, statement: Statement) -> Iterable[Statement]:
        for digest in statement.parents:
            parent = self.said.get(digest)
            if parent is None:
                raise Damaged(
                    f"it rests on statement {digest[:12]}, which is not there or is younger",
                    where=f"statements/{statement.digest}.json",
                    remedy="`gate store pull` fetches what is missing; a statement never rests on a later one",
                )
            if parent.made > statement.made:
                raise Damaged(
                    f"it is older than statement {digest[:12]}, on which it rests",
                    where=f"statements/{statement.digest}.json",
                    remedy="its author signs it again, on a machine whose clock is right",
                )
            yield parent
        if isinstance(statement.about, Admission):
            named = [(Waiver, statement.about.waivers), (Review, statement.about.reviews)]
            wrong = [one for kind, each in named for one in each if not isinstance(self.said[one].about, kind)]
            if wrong:
                raise Damaged(
                    f"it names statement {wrong[0][:12]} as a waiver or review, which is neither",
                    where=f"statements/{statement.digest}.json",
                )


def _by(statement: Statement) -> str:
    return f"{statement.author} on {minute_of(statement.made)}"


def _age(statement: Statement) -> tuple[str, str]:
    return statement.made, statement.digest
