"""`gate models`: the models of a store, what was decided of each, two side by side, a champion brought back."""

from __future__ import annotations

import os
from pathlib import Path

from gate.promotion.models import Compared, Model, ModelList, compared, every_model, one_model
from gate.promotion.rollback import rolled_back
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Promotion, Statement, now
from gate.provenance.trust import Trust
from gate.store.objects import Store
from gate.verbs.surroundings import named_trust, open_signer, open_store, open_trust

Path_ = str | os.PathLike[str]


def list_models(
    store: Store | Path_ | None = None, trust: Trust | Path_ | None = None, trust_revision: str | None = None
) -> ModelList:
    """Every model that was trained or judged, the youngest first.

    Args:
        trust: only the word of these people counts; everybody's, where nobody says whom to trust.

    Raises:
        StoreError: there is no such store.
        Damaged: a statement or ref in the store is none.
    """
    return every_model(_ledger(store), _named(trust, trust_revision))


def show_model(
    what: str,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
) -> Model:
    """One model: by its run, its digest, a name that it has (`champion`), or a promotion.

    Raises:
        UsageError: there is none, or more than one.
    """
    return one_model(_ledger(store), _named(trust, trust_revision), what)


def compare_models(
    one: str,
    other: str,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    *,
    alpha: float,
) -> Compared:
    """Two models by what they were scored on, task by task, from stored evaluations: nothing is decided.

    Args:
        one, other: candidates, champions or bases: a run, a name, a digest, or how a base was named when scored.
        alpha: of each one-sided bound.

    Raises:
        UsageError: there is no such model, or it was not scored.
        Damaged: an evaluation is not what its statement says.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    return compared(_ledger(store), believed, one, other, alpha)


def roll_back(
    *,
    why: str,
    to: str | None = None,
    name: str = "champion",
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    signer: Signer | None = None,
) -> tuple[Statement, Promotion]:
    """Let a champion's name stand for an earlier one again: see gate.promotion.rollback.

    Raises:
        UsageError: there is no such champion, it is the one already, or no reason is given.
        NotPromoted: it was revoked, or is not approved any more.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    by = signer or open_signer()
    believed.signer(by.keyid, by.name, "model_ref", now(), "model")
    return rolled_back(_ledger(store), believed, name, to, why, by)


def _ledger(store: Store | Path_ | None) -> Ledger:
    return Ledger(store if isinstance(store, Store) else open_store(None if store is None else Path(store)))


def _named(trust: Trust | Path_ | None, revision: str | None) -> Trust | None:
    return trust if isinstance(trust, Trust) else named_trust(None if trust is None else Path(trust), revision)
