"""`gate approve`, `reject`, `revoke`: what a person says of a snapshot, signed (of models: gate.verbs.people_models).

Whoever signs is shown first what it is about, and what would not count is not signed: an approval of one's own
admission, of something revoked, by a key without the role, of a snapshot that is damaged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import ModelStanding
from gate.provenance.standing import Standing, standing
from gate.provenance.statements import (
    About,
    Admission,
    Approval,
    Rejection,
    Revocation,
    Statement,
    now,
)
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.naming import find_admission
from gate.snapshots.reach import named, read_descriptor
from gate.store.objects import Damaged, Store
from gate.verbs.surroundings import named_trust, open_store, open_trust

Path_ = str | os.PathLike[str]


class Refused(GateError):
    """It was not signed: it would not count, or what it is about does not hold."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """What somebody is about to sign."""

    kind: str
    signer: str
    about: Statement
    """The admission; of a model its promotion, or the training statement of one that was never judged."""
    stands: Standing | ModelStanding | None
    """How it stands before; None where no trust file was named, or nobody trusted stands behind it."""

    @property
    def admission(self) -> Admission:
        assert isinstance(self.about.about, Admission)
        return self.about.about


@dataclass(frozen=True, slots=True)
class Said:
    """What was signed."""

    statement: Statement
    proposal: Proposal
    stands: Standing | ModelStanding | None
    """How it stands now; None where no trust file was named, or nobody trusted stands behind it."""


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
    """Approve a snapshot or a promotion: sign that it was looked at, and that the signer stands behind it.

    Args:
        what: a dataset's name (what it stands for now), or eight or more digits of the admission's digest or of the
            snapshot's id; of a model its run, or digits of its digest or of the promotion's.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision (`trust_revision`, as `REV:path`), else `GATE_TRUST`.
        confirm: is shown what is about to be signed, and says whether it is to be.

    Raises:
        UsageError: nothing of that name; nobody said whom to trust.
        Untrusted: it was not admitted by a trusted owner, or the signer is not trusted to approve.
        Refused: one's own, or revoked, erased, or resting on a waiver that is over; a promotion that did not pass.
        Damaged: what was admitted is not whole.
    """
    ledger = _ledger(store)
    believed = trust if isinstance(trust, Trust) else open_trust(_path(trust), trust_revision)
    from gate.verbs.people_models import approve_model, means_model

    if means_model(ledger, what):
        return approve_model(ledger, what, note, signer, believed, confirm)
    admission = find_admission(ledger, what, believed)
    key = believed.signer(signer.keyid, signer.name, "approval", now())
    author = believed.vouched(admission)
    where = f"admission {admission.digest[:12]}"
    if author.name == key.name and not believed.demand("snapshot").by_author:
        raise Refused(
            f"{key.name} admitted it, and by {believed.origin} nobody approves their own",
            where=where,
            remedy="ask somebody else to look at it",
        )
    stands = standing(ledger, believed, _about(admission).snapshot)
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
    """Reject a snapshot or a promotion: it is not approved, whoever else approves it, until the signer does.

    Args:
        what, store, trust, trust_revision, confirm: as for `approve`; a trust file need not be named.
        why: for whoever asks.

    Raises:
        UsageError: nothing of that name, or no reason.
        Untrusted: with a trust file, by which the rejection would not count.
    """
    ledger, believed = _ledger(store), _believed(trust, trust_revision)
    from gate.verbs.people_models import means_model, reject_model

    if means_model(ledger, what):
        return reject_model(ledger, what, _reason(why), signer, believed, confirm)
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
    """Revoke a snapshot or a model: nothing new may rest on it from now on, whoever admits or approves it again.

    Args:
        what, store, trust, trust_revision, confirm: as for `approve`; a trust file need not be named.
        why: for whoever meets it.

    Raises:
        UsageError: nothing of that name, or no reason.
        Untrusted: with a trust file, by which the revocation would not count.
    """
    ledger, believed = _ledger(store), _believed(trust, trust_revision)
    from gate.verbs.people_models import means_model, revoke_model

    if means_model(ledger, what):
        return revoke_model(ledger, what, _reason(why), signer, believed, confirm)
    admission = find_admission(ledger, what, believed)
    stands = _may_say(ledger, believed, signer, "revocation", admission)
    about = Revocation(snapshot=_about(admission).snapshot, why=_reason(why))
    return _said(ledger, about, signer, admission, stands, believed, confirm)


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
    trust.signer(signer.keyid, signer.name, kind, now())
    return _stands(ledger, trust, admission)


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
    after = None if trust is None else _stands(ledger, trust, admission)
    return Said(statement, proposal, after)


def _stands(ledger: Ledger, trust: Trust, admission: Statement) -> Standing | None:
    try:
        return standing(ledger, trust, _about(admission).snapshot)
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
