"""What a person says of a model, signed: `gate approve`, `reject` and `revoke` of a promotion or a run.

An approval or a rejection is of the promotion's statement; a revocation is of the model, whatever was decided of it.
"""

from __future__ import annotations

from gate.errors import UsageError
from gate.promotion.naming import find_model, find_promotion, nothing_called
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import ModelStanding, model_standing
from gate.provenance.statements import (
    About,
    Approval,
    Promotion,
    Rejection,
    Release,
    Revocation,
    Statement,
    Training,
    now,
)
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.naming import digits_of, numbered
from gate.snapshots.reach import named
from gate.verbs.people import Confirm, Proposal, Refused, Said


def means_model(ledger: Ledger, what: str) -> bool:
    """Whether a model or a promotion is called so. A dataset's name, a snapshot's id or its admission comes first.

    Raises:
        UsageError: more than one model is called so.
    """
    from gate.provenance.statements import Admission, ModelRef

    if (meant := numbered(ledger.store, what)) is not None:
        return isinstance(ledger.ref(*meant).about, ModelRef)
    digits = digits_of(what)
    if digits is not None:
        admissions = [one for one in ledger.all() if isinstance(one.about, Admission)]
        if any(one.digest.startswith(digits) or one.about.snapshot.startswith(digits) for one in admissions):  # type: ignore[attr-defined]  # admissions
            return False
    return find_promotion(ledger, what) is not None or find_model(ledger, what) is not None


def approve_model(ledger: Ledger, what: str, note: str, signer: Signer, trust: Trust, confirm: Confirm) -> Said:
    """Approve a promotion.

    Raises:
        UsageError: nothing was decided of such a model.
        Untrusted: it is not by somebody who may promote, or the signer is not trusted to approve models.
        Refused: it did not pass; or it is one's own, revoked, or rests on a waiver that is over.
        Damaged: what was decided is not whole.
    """
    promotion = _promotion(ledger, what, trust)
    about = _about(promotion)
    key = trust.signer(signer.keyid, signer.name, "approval", now(), "model")
    where = f"promotion {promotion.digest[:12]}"
    if about.verdict != "pass":
        raise Refused(
            f"{about.name} did not pass ({about.verdict}), and nobody approves that",
            where=where,
            remedy="gate waive promotion/SUITE makes an exception, where the policy allows it",
        )
    if trust.vouched(promotion, "model").name == key.name and not trust.demand("model").by_author:
        raise Refused(
            f"{key.name} asked for the promotion, and by {trust.origin} nobody approves their own",
            where=where,
            remedy="ask somebody else to look at it",
        )
    stands = model_standing(ledger, trust, promotion)
    if stands.status in ("revoked", "expired"):
        raise Refused(
            f"it may not be promoted any more: {'; '.join(stands.reasons)}", where=where, remedy="gate promote anew"
        )
    for each in named(promotion):
        ledger.store.verified(each.digest, each.kind)
    return _said(ledger, Approval(statement=promotion.digest, note=note), signer, promotion, stands, trust, confirm)


def reject_model(ledger: Ledger, what: str, why: str, signer: Signer, trust: Trust | None, confirm: Confirm) -> Said:
    """Reject a promotion: it is not approved, whoever else approves it, until the signer does.

    Raises:
        UsageError: nothing was decided of such a model.
        Untrusted: with a trust file, by which the rejection would not count.
    """
    promotion = _promotion(ledger, what, trust)
    stands = _may_say(ledger, trust, signer, "rejection", promotion)
    about = Rejection(statement=promotion.digest, why=why)
    return _said(ledger, about, signer, promotion, stands, trust, confirm)


def revoke_model(ledger: Ledger, what: str, why: str, signer: Signer, trust: Trust | None, confirm: Confirm) -> Said:
    """Revoke a model: it is not promoted any more, nothing is compared with it, and it is not brought back.

    Raises:
        UsageError: there is no such model.
        Untrusted: with a trust file, by which the revocation would not count.
    """
    promotion = find_promotion(ledger, what)
    model = _about(promotion).model if promotion is not None else find_model(ledger, what)
    if model is None:
        raise nothing_called(ledger, what)
    of = (
        promotion
        or [one for one in ledger.all() if isinstance(one.about, Training | Release) and one.about.model == model][-1]
    )
    stands = _may_say(ledger, trust, signer, "revocation", of)
    return _said(ledger, Revocation(snapshot=model, why=why, what="model"), signer, of, stands, trust, confirm)


def _promotion(ledger: Ledger, what: str, trust: Trust | None) -> Statement:
    found = find_promotion(ledger, what, trust) or find_promotion(ledger, what)
    if found is None:
        raise UsageError(
            f"nothing was decided of {what[:100]} yet",
            remedy=f"gate promote {what[:100]} judges it; there is nothing to look at before",
        )
    if trust is not None:
        trust.vouched(found, "model")
    return found


def _may_say(ledger: Ledger, trust: Trust | None, signer: Signer, kind: str, of: Statement) -> ModelStanding | None:
    if trust is None:
        return None
    trust.signer(signer.keyid, signer.name, kind, now(), "model")
    return _stands(ledger, trust, of)


def _said(
    ledger: Ledger,
    about: About,
    signer: Signer,
    of: Statement,
    stands: ModelStanding | None,
    trust: Trust | None,
    confirm: Confirm,
) -> Said:
    proposal = Proposal(about.kind, signer.name, of, stands)
    if not confirm(proposal):
        raise UsageError("nothing was signed")
    statement = ledger.say(about, signer)
    return Said(statement, proposal, None if trust is None else _stands(ledger, trust, of))


def _stands(ledger: Ledger, trust: Trust, of: Statement) -> ModelStanding | None:
    if not isinstance(of.about, Promotion):
        return None
    try:
        return model_standing(ledger, trust, of)
    except Untrusted:  # what nobody trusted has asked for can still be rejected and revoked
        return None


def _about(promotion: Statement) -> Promotion:
    assert isinstance(promotion.about, Promotion)
    return promotion.about
