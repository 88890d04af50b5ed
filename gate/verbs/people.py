"""`gate approve`, `reject` and `revoke`: what a person says of a snapshot, signed.

Whoever signs is shown first what it is about, and what would not count is not signed: an approval of one's own
admission, of something revoked, by a key without the role, of a snapshot that is damaged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Standing, standing
from gate.provenance.statements import (
    About,
    Admission,
    Approval,
    Ref,
    Rejection,
    Revocation,
    Statement,
    now,
)
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.reach import named, read_descriptor
from gate.store.objects import Damaged, Store
from gate.verbs.surroundings import named_trust, open_store, open_trust

Path_ = str | os.PathLike[str]
_SHORTEST = 8
"""Digits of a digest by which it may be named: of a million statements two share as many with probability 1e-4 each."""


class Refused(GateError):
    """It was not signed: it would not count, or what it is about does not hold."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody is about to sign."""

    kind: str
    signer: str
    about: Statement
    """The admission."""
    stands: Standing | None
    """How its snapshot stands before; None where no trust file was named, or nobody trusted has admitted it."""

    @property
    def admission(self) -> Admission:
        assert isinstance(self.about.about, Admission)
        return self.about.about


@dataclass(frozen=True, slots=True)
class Said:
    """What was signed."""

    statement: Statement
    proposal: Proposal
    stands: Standing | None
    """How the snapshot stands now; None where no trust file was named, or nobody trusted has admitted it."""


Confirm = Callable[[Proposal], bool]


def approve(
    what: str,
    *,
    signer: Signer,
    note: str = "",
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    confirm: Confirm = lambda proposal: True,
) -> Said:
    """Approve a snapshot: sign that its admission was looked at, and that the signer stands behind it.

    Args:
        what: a dataset's name (what it stands for now), or eight or more digits of the admission's digest or of the
            snapshot's id.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision (`trust_revision`, as `REV:path`), else `GATE_TRUST`.
        confirm: is shown what is about to be signed, and says whether it is to be.

    Raises:
        UsageError: nothing of that name; nobody said whom to trust.
        Untrusted: it was not admitted by a trusted owner, or the signer is not trusted to approve.
        Refused: one's own, or revoked, erased, or resting on a waiver that is over.
        Damaged: what was admitted is not whole.
    """
    ledger = _ledger(store)
    believed = trust if isinstance(trust, Trust) else open_trust(_path(trust), trust_revision)
    admission = find_admission(ledger, what, believed)
    at = now()
    key = believed.signer(signer.keyid, signer.name, "approval", at)
    author = believed.vouched(admission)
    where = f"admission {admission.digest[:12]}"
    if author.name == key.name and not believed.demand("snapshot").by_author:
        raise Refused(
            f"{key.name} admitted it, and by {believed.origin} nobody approves their own",
            where=where,
            remedy="ask somebody else to look at it",
        )
    stands = standing(ledger, believed, _about(admission).snapshot, at=at)
    if stands.status in ("revoked", "erased", "expired"):
        raise Refused(
            f"nothing new may rest on this snapshot: {'; '.join(stands.reasons)}",
            where=where,
            remedy="admit the data anew, and approve that",
        )
    whole(ledger.store, admission)
    return _said(ledger, Approval(statement=admission.digest, note=note), signer, admission, stands, believed, confirm)


def reject(
    what: str,
    why: str,
    *,
    signer: Signer,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    confirm: Confirm = lambda proposal: True,
) -> Said:
    """Reject a snapshot: it is not approved, whoever else approves it, until the signer does.

    Args:
        what, store, trust, trust_revision, confirm: as for `approve`; a trust file need not be named.
        why: for whoever asks.

    Raises:
        UsageError: nothing of that name, or no reason.
        Untrusted: with a trust file, by which the rejection would not count.
    """
    ledger, believed = _ledger(store), _believed(trust, trust_revision)
    admission = find_admission(ledger, what, believed)
    stands = _may_say(ledger, believed, signer, "rejection", admission)
    about = Rejection(statement=admission.digest, why=_reason(why))
    return _said(ledger, about, signer, admission, stands, believed, confirm)


def revoke(
    what: str,
    why: str,
    *,
    signer: Signer,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    confirm: Confirm = lambda proposal: True,
) -> Said:
    """Revoke a snapshot: nothing new may rest on it from now on, whoever admits or approves it again.

    Args:
        what, store, trust, trust_revision, confirm: as for `approve`; a trust file need not be named.
        why: for whoever meets it.

    Raises:
        UsageError: nothing of that name, or no reason.
        Untrusted: with a trust file, by which the revocation would not count.
    """
    ledger, believed = _ledger(store), _believed(trust, trust_revision)
    admission = find_admission(ledger, what, believed)
    stands = _may_say(ledger, believed, signer, "revocation", admission)
    about = Revocation(snapshot=_about(admission).snapshot, why=_reason(why))
    return _said(ledger, about, signer, admission, stands, believed, confirm)


def find_admission(ledger: Ledger, what: str, trust: Trust | None = None) -> Statement:
    """The admission that a person means: by a name (what it stands for now), the first eight or more digits of its
    digest, or those of its snapshot's id, of which the youngest admission is meant.

    Args:
        trust: by whom a name has to have been given; anybody, where it is not given.

    Raises:
        UsageError: there is none, or more than one.
        Untrusted: the name was not given by a trusted person.
        Damaged: the name's ref, or a statement, is not what it says.
    """
    if what in ledger.store.refs():
        ref = ledger.ref(what)
        if trust is not None:
            trust.vouched(ref)
        assert isinstance(ref.about, Ref)
        found = ledger.statement(ref.about.statement)
        if not isinstance(found.about, Admission) or found.about.snapshot != ref.about.snapshot:
            raise Damaged("it points at the admission of another snapshot", where=f"refs/{what}")
        return found
    digits = what.lower().removeprefix("sha256:")
    meant: dict[str, Statement] = {}
    others: list[Statement] = []
    if len(digits) >= _SHORTEST and re.fullmatch(r"[0-9a-f]+", digits):
        for each in ledger.all():
            if isinstance(each.about, Admission):
                if each.digest.startswith(digits):
                    meant[each.digest] = each
                elif each.about.snapshot.startswith(digits):
                    meant[each.about.snapshot] = each  # later ones last
            elif each.digest.startswith(digits):
                others.append(each)
    if len(meant) == 1 and not others:
        return next(iter(meant.values()))
    where = os.fspath(ledger.store.root)
    if len(meant) + len(others) > 1:
        listed = ", ".join([*(each[:16] for each in meant), *(each.digest[:16] for each in others)][:4])
        raise UsageError(
            f"{what} begins {len(meant) + len(others)} digests: {listed}", where=where, remedy="write more"
        )
    if others:
        raise UsageError(
            f"{what} is not the admission of a snapshot but {_a(others[0].kind)} by {others[0].author}", where=where
        )
    names = ", ".join(sorted(ledger.store.refs())) or "none"
    raise UsageError(
        f"there is no snapshot, statement or name {what[:100]!r}",
        where=where,
        remedy=f"names: {names}; a digest takes at least {_SHORTEST} digits (`gate snapshots ls`)",
    )


def whole(store: Store, admission: Statement) -> None:
    """That what an admission names itself is there and is what it says: descriptor, policy, findings, report. Rows are
    verified by whoever opens them.

    Raises:
        Damaged: something is not.
    """
    for object_ in named(admission):
        store.verified(object_.digest, object_.kind)
    about = _about(admission)
    descriptor = read_descriptor(store, about.descriptor)
    if (descriptor.snapshot, descriptor.policy) != (about.snapshot, about.policy):
        raise Damaged(
            "it describes another snapshot than the admission", where=store.name(store.path(about.descriptor, "json"))
        )


def _may_say(ledger: Ledger, trust: Trust | None, signer: Signer, kind: str, admission: Statement) -> Standing | None:
    """How the snapshot stands, once it is known that what is about to be said would count."""
    if trust is None:
        return None
    at = now()
    trust.signer(signer.keyid, signer.name, kind, at)
    return _stands(ledger, trust, admission, at)


def _said(
    ledger: Ledger,
    about: About,
    signer: Signer,
    admission: Statement,
    stands: Standing | None,
    trust: Trust | None,
    confirm: Confirm,
) -> Said:
    proposal = Proposal(about.kind, signer.name, admission, stands)
    if not confirm(proposal):
        raise UsageError("nothing was signed")
    statement = ledger.say(about, signer)
    after = None if trust is None else _stands(ledger, trust, admission, max(now(), statement.made))
    return Said(statement, proposal, after)


def _stands(ledger: Ledger, trust: Trust, admission: Statement, at: str) -> Standing | None:
    try:
        return standing(ledger, trust, _about(admission).snapshot, at=at)
    except Untrusted:  # what nobody trusted has admitted can still be rejected and revoked
        return None


def _about(admission: Statement) -> Admission:
    assert isinstance(admission.about, Admission)
    return admission.about


def _reason(why: str) -> str:
    if not why.strip():
        raise UsageError("no reason is given", remedy="--why TEXT, for whoever asks later")
    if len(why) > 2000:
        raise UsageError("the reason is longer than 2000 characters", remedy="link to the long story")
    return why


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _path(path: Path_ | None) -> Path | None:
    return None if path is None else Path(path)


def _ledger(store: Store | Path_ | None) -> Ledger:
    return Ledger(store if isinstance(store, Store) else open_store(_path(store)))


def _believed(trust: Trust | Path_ | None, revision: str | None) -> Trust | None:
    return trust if isinstance(trust, Trust) else named_trust(_path(trust), revision)
