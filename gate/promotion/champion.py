"""The champion: the last promoted model, which a name stands for. Its history is the name's numbered refs."""

from __future__ import annotations

from dataclasses import dataclass

from gate.errors import GateError
from gate.promotion.naming import vouched
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import model_standing, revoked_models
from gate.provenance.statements import ModelRef, Promotion, Statement
from gate.provenance.trust import Trust
from gate.store.objects import Damaged


class NotPromoted(GateError):
    """The name was not moved: the model may not take it."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Champion:
    """A model that a name stands for, or stood for."""

    ref: Statement
    promotion: Statement
    """That it rests on."""

    @property
    def about(self) -> ModelRef:
        assert isinstance(self.ref.about, ModelRef)
        return self.ref.about

    @property
    def promoted(self) -> Promotion:
        assert isinstance(self.promotion.about, Promotion)
        return self.promotion.about


def champion_of(ledger: Ledger, trust: Trust, name: str) -> Champion | None:
    """The champion of a name; None where nobody has it yet.

    Raises:
        Untrusted: the last ref is not by somebody who may promote, or its promotion is not.
        Damaged: the ref is none, or points at something else than the promotion of its model.
        NotPromoted: the model was revoked since.
    """
    numbers = ledger.store.refs().get(name, [])
    if not numbers:
        return None
    found = at_number(ledger, trust, name, max(numbers))
    if (revoked := revoked_models(ledger, trust).get(found.about.model)) is not None:
        raise NotPromoted(
            f"the {name} {found.promoted.name} was revoked by {revoked.author}, and nothing is compared with it",
            where=f"refs/{name}",
            remedy="gate models rollback --why … brings back the one before it",
        )
    return found


def at_number(ledger: Ledger, trust: Trust, name: str, number: int) -> Champion:
    """What a name stood for at a number.

    Raises:
        as `champion_of`.
    """
    ref = ledger.ref(name, number)
    where = f"refs/{name}/{number:06}.json"
    if not isinstance(ref.about, ModelRef):
        raise Damaged("it stands for a dataset, and not for a model", where=where)
    trust.vouched(ref, "model")
    promotion = ledger.statement(ref.about.statement)
    about = promotion.about
    if not isinstance(about, Promotion) or (about.model, about.champion_name) != (ref.about.model, name):
        raise Damaged("it points at something that is not the promotion of its model", where=where)
    trust.vouched(promotion, "model")
    if about.verdict != "pass":
        raise Damaged(f"it points at a promotion that ended as {about.verdict}", where=where)
    return Champion(ref, promotion)


def history(ledger: Ledger, trust: Trust | None, name: str) -> list[Statement]:
    """The refs of a name, the oldest first; with a trust file only those that count."""
    refs = [ledger.ref(name, number) for number in ledger.store.refs().get(name, [])]
    return [ref for ref in refs if isinstance(ref.about, ModelRef) and (trust is None or vouched(trust, ref))]


def check_promotable(ledger: Ledger, trust: Trust, promotion: Statement) -> None:
    """That a promotion may move its name now.

    Raises:
        NotPromoted: it did not pass, is not approved, or its model was revoked.
        Untrusted: it is not by somebody who may promote.
    """
    about = promotion.about
    assert isinstance(about, Promotion)
    where = f"promotion {promotion.digest[:12]}"
    if about.verdict != "pass":
        raise NotPromoted(f"{about.name} did not pass: {about.verdict}", where=where)
    stands = model_standing(ledger, trust, promotion)
    if stands.status != "approved":
        raise NotPromoted(
            f"{about.name} is not approved ({stands.status}): {'; '.join(stands.reasons)}",
            where=where,
            remedy=f"gate approve {promotion.digest[:12]}" if stands.status == "waiting" else None,
        )


def move(ledger: Ledger, trust: Trust, promotion: Statement, signer: Signer, why: str = "") -> Statement:
    """Let the promotion's name stand for its model from now on.

    Args:
        why: of a rollback.

    Raises:
        NotPromoted, Untrusted: it may not; or another champion came since it was judged.
        UsageError: the name stands for datasets.
    """
    check_promotable(ledger, trust, promotion)
    about = promotion.about
    assert isinstance(about, Promotion)
    last = ledger.ref(about.champion_name).about if ledger.store.refs().get(about.champion_name) else None
    if (last.statement if isinstance(last, ModelRef) else None) != about.champion_promotion:
        raise NotPromoted(
            f"another {about.champion_name} came since {about.name} was judged, and it was not compared with that",
            where=f"promotion {promotion.digest[:12]}",
            remedy=f"gate promote {about.name} judges it anew",
        )
    return ledger.refer_model(about.champion_name, about.model, promotion.digest, signer, why)
