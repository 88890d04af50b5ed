"""Brings a champion back: a new ref to the promotion of an earlier one, signed and with a reason."""

from __future__ import annotations

import os

from gate.errors import UsageError
from gate.promotion.champion import NotPromoted, at_number, check_promotable, history
from gate.promotion.naming import find_model
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import revoked_models
from gate.provenance.statements import ModelRef, Promotion, Statement
from gate.provenance.trust import Trust


def rolled_back(
    ledger: Ledger, trust: Trust, name: str, to: str | None, why: str, signer: Signer
) -> tuple[Statement, Promotion]:
    """Let a champion's name stand for an earlier one again.

    Args:
        to: a number of the name's history, or a model that it stood for; the one before the last, where it is not
            given.
        why: for whoever asks; kept in the ref.

    Returns:
        the new ref, and the promotion that it rests on.

    Raises:
        UsageError: there is no such champion, it is the one already, or no reason is given.
        NotPromoted: it was revoked, or is not approved any more.
    """
    if not why.strip():
        raise UsageError("no reason is given", remedy="--why TEXT, for whoever asks later")
    numbers = ledger.store.refs().get(name, [])
    if not numbers:
        raise UsageError(f"there is no {name}", where=os.fspath(ledger.store.root), remedy="gate promote makes one")
    current = at_number(ledger, trust, name, max(numbers))
    before = [at_number(ledger, trust, name, _number(ref)) for ref in history(ledger, trust, name)]
    meant = [each for each in before if each.about.model != current.about.model]
    if to is not None:
        model = None if to.isdecimal() and len(to) <= 6 else find_model(ledger, to)
        meant = [each for each in before if str(each.about.number) == to or each.about.model == model]
        if not meant:
            known = ", ".join(f"{each.about.number} {each.promoted.name}" for each in before)
            raise UsageError(f"{name} never stood for {to[:100]!r}", remedy=f"it stood for: {known}")
        if meant[-1].about.model == current.about.model:
            raise UsageError(f"{meant[-1].promoted.name} is {name} already", remedy="name an earlier one")
    revoked = revoked_models(ledger, trust)
    if to is None:
        meant = [each for each in meant if each.about.model not in revoked]
    if not meant:
        raise UsageError(f"{name} stood for no other model that may be used", remedy="gate promote judges another one")
    back = meant[-1]
    if back.about.model in revoked:
        raise NotPromoted(
            f"{back.promoted.name} was revoked by {revoked[back.about.model].author}",
            where=f"refs/{name}/{back.about.number:06}.json",
            remedy="name another one",
        )
    check_promotable(ledger, trust, back.promotion)
    return ledger.refer_model(name, back.about.model, back.promotion.digest, signer, why), back.promoted


def _number(ref: Statement) -> int:
    assert isinstance(ref.about, ModelRef)
    return ref.about.number
