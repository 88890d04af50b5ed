"""What a person calls a model or a promotion, and which one is meant: the same in every command.

A name of a ref (`champion`), `NAME@NUMBER`, a run, or the first digits of a model's digest or of a statement about it.
"""

from __future__ import annotations

import os

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Release, Statement, Training
from gate.provenance.trust import Trust
from gate.snapshots.naming import SHORTEST, digits_of, numbered
from gate.snapshots.reach import erased, present


def model_ref(ledger: Ledger, what: str) -> Statement | None:
    """The ref (`about` is a `ModelRef`) of a name or of `NAME@NUMBER`; None where no name of models is meant.

    Raises:
        UsageError: the name has no such number.
        Damaged: the ref is none.
    """
    meant = numbered(ledger.store, what)
    ref = None if meant is None else ledger.ref(*meant)
    return ref if ref is not None and isinstance(ref.about, ModelRef) else None


def find_model(ledger: Ledger, what: str) -> str | None:
    """The digest of the model that is meant; None where nothing says anything of one that is called so.

    Raises:
        UsageError: more than one is called so; or the name has no such number.
        Damaged: a statement or ref in the store is none.
    """
    if (ref := model_ref(ledger, what)) is not None:
        assert isinstance(ref.about, ModelRef)
        return ref.about.model
    every = [one for one in ledger.all() if isinstance(one.about, Training | Promotion | Evaluation | Release)]
    found = [_model(one) for one in every if isinstance(one.about, Training | Promotion) and one.about.name == what]
    if found:
        return found[-1]  # of several runs of a name (other machines) the youngest
    digits = digits_of(what)
    if digits is None:
        return None
    meant = {_model(one) for one in every if _model(one).startswith(digits) or one.digest.startswith(digits)}
    if len(meant) > 1:
        raise UsageError(
            f"{len(meant)} models and statements begin with {what[:100]}",
            where=os.fspath(ledger.store.root),
            remedy="write more digits of the one that is meant",
        )
    return next(iter(meant), None)


def promotions(ledger: Ledger, trust: Trust | None = None, model: str | None = None) -> list[Statement]:
    """The promotion statements of a store, the oldest first.

    Args:
        trust: only those by people whose word counts.
        model: only those about a model, by its digest.
    """
    return [
        one
        for one in ledger.all()
        if isinstance(one.about, Promotion)
        and (model is None or one.about.model == model)
        and (trust is None or vouched(trust, one))
    ]


def find_promotion(ledger: Ledger, what: str, trust: Trust | None = None) -> Statement | None:
    """The promotion that is meant: by its own digest, else the youngest one of the model that is called so.

    Args:
        trust: by whom it has to be; anybody, where nobody said whom to trust.

    Returns:
        None where there is none.

    Raises:
        UsageError: more than one thing is called so.
    """
    every = promotions(ledger, trust)
    digits = digits_of(what)
    if digits is not None and numbered(ledger.store, what) is None:
        own = [one for one in every if one.digest.startswith(digits)]
        if len(own) > 1:
            raise UsageError(f"{len(own)} promotions begin with {what[:100]}", remedy="write more digits")
        if own:
            return own[0]
    model = find_model(ledger, what)
    found = [one for one in every if _model(one) == model]
    return found[-1] if found else None


def nothing_called(ledger: Ledger, what: str) -> UsageError:
    """That there is no model of that name."""
    names = sorted({one.about.name for one in ledger.all() if isinstance(one.about, Training | Promotion)})
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "none yet (gate train makes them)"
    return UsageError(
        f"there is no model {what[:100]!r}",
        where=os.fspath(ledger.store.root),
        remedy=f"models: {listed}; a digest takes at least {SHORTEST} digits (`gate models ls`)",
    )


def vouched(trust: Trust, one: Statement) -> bool:
    """Whether a statement is by somebody whose word counts for it."""
    from gate.provenance.trust import Untrusted

    try:
        trust.vouched(one, "model")
    except Untrusted:
        return False
    return True


def sealed_bytes(ledger: Ledger, digest: str, kind: str) -> bytes:
    """An object that a statement names; what stands for it, where somebody erased examples that it showed.

    Raises:
        Damaged: it is not there, or is not what its name says.
    """
    last = present(ledger.store, digest, kind, erased(ledger.all()))
    return ledger.store.read(last.digest, last.kind)


def _model(one: Statement) -> str:
    assert isinstance(one.about, Training | Promotion | Evaluation | Release)
    return one.about.model
