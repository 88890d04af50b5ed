"""How a promotion stands at a moment: approved, waiting, rejected, revoked with its model, or resting on a waiver that
is over. Whether it passed is its own to say."""

from __future__ import annotations

from dataclasses import dataclass

from gate.provenance.hearing import Hearing, Status, by, heard
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Promotion, Rejection, Revocation, Statement, now
from gate.provenance.trust import Trust, Untrusted


@dataclass(frozen=True, slots=True)
class ModelStanding:
    """What trusted people have said of a promotion and of its model, and what follows for a new action now."""

    promotion: Statement
    status: Status
    reasons: tuple[str, ...]
    """Sentences that say why it is not approved, with names and dates; empty where it is."""
    approvals: tuple[Statement, ...]
    rejections: tuple[Statement, ...]
    revocations: tuple[Statement, ...]
    """Of the model."""
    waivers: tuple[Statement, ...]
    """Those that the promotion rests on."""
    ignored: tuple[str, ...] = ()
    """Statements about it that do not count, and why."""

    @property
    def about(self) -> Promotion:
        about = self.promotion.about
        assert isinstance(about, Promotion)
        return about


def model_standing(ledger: Ledger, trust: Trust, promotion: Statement, *, at: str | None = None) -> ModelStanding:
    """How a promotion stands.

    Args:
        at: the moment of the new action, as statements write time; statements made later are not looked at. Where it
            is not given, it is now, and what was said against the model counts whatever its date.

    Raises:
        Untrusted: it is not by somebody whose word counts, or rests on a statement that is not.
        Damaged: a statement in the store is none, or is older than one that it rests on.
    """
    assert isinstance(promotion.about, Promotion)
    about, moment = promotion.about, at or now()
    against = (Revocation, Rejection)
    said = [each for each in ledger.all() if each.made <= moment or (at is None and isinstance(each.about, against))]
    hearing = Hearing({each.digest: each for each in said}, trust, "model")
    trust.vouched(promotion, "model")
    if not hearing.of(Promotion, lambda other: other == about):
        raise Untrusted(
            f"the promotion does not count ({'; '.join(hearing.ignored) or 'it was made later'})",
            where=f"promotion {promotion.digest[:12]}",
            remedy="gate promote judges anew",
        )
    hearing.ignored.clear()
    revocations = hearing.of(Revocation, lambda revoked: revoked.snapshot == about.model)
    # Who rejects a promotion rejects its model on this evidence: to judge it again, with the same, does not get round.
    same = {
        each.digest
        for each in said
        if isinstance(each.about, Promotion)
        and (each.about.model, sorted(each.about.evaluations)) == (about.model, sorted(about.evaluations))
    }
    rejecting = hearing.of(Rejection, lambda rejected: rejected.statement in same)
    found = heard(hearing, trust.demand("model"), promotion, rejecting, moment)
    over = [f"revoked by {by(each)}: {each.about.why}" for each in revocations if isinstance(each.about, Revocation)]
    return ModelStanding(
        promotion=promotion,
        status="revoked" if revocations else found.status,
        reasons=(*over, *found.reasons),
        approvals=found.approvals,
        rejections=found.rejections,
        revocations=revocations,
        waivers=found.waivers,
        ignored=tuple(dict.fromkeys(hearing.ignored)),
    )


def revoked_models(ledger: Ledger, trust: Trust) -> dict[str, Statement]:
    """The digests that trusted people have revoked, whatever the date, each with the first revocation."""
    hearing = Hearing({each.digest: each for each in ledger.all()}, trust, "model")
    found: dict[str, Statement] = {}
    for one in hearing.of(Revocation, lambda about: True):
        assert isinstance(one.about, Revocation)
        found.setdefault(one.about.snapshot, one)
    return found
