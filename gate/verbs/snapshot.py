"""`gate.open_snapshot`: from what a person names to an approved snapshot, verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gate.provenance.ledger import Ledger
from gate.provenance.trust import Trust
from gate.snapshots.open import Snapshot, opened
from gate.store.objects import Store
from gate.verbs.surroundings import open_store, open_trust

Path_ = str | os.PathLike[str]


def open_snapshot(
    what: str,
    *,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Snapshot:
    """An approved snapshot, every object of which has just been verified: the only way to training rows.

    Args:
        what: a dataset's name, a snapshot's id, or the first six or more digits of one.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision (`trust_revision`, as `REV:path`), else `GATE_TRUST`.
        on_bytes: told of bytes verified, and of those in all.

    Raises:
        UsageError: no such store or snapshot; or nobody said whom to trust.
        Untrusted: nobody who is trusted has admitted it.
        NotApproved: it waits for approval, or was rejected, revoked or erased, or rests on a waiver that is over.
        Damaged: something in it is not what was admitted.
    """
    believed = trust if isinstance(trust, Trust) else open_trust(None if trust is None else Path(trust), trust_revision)
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    return opened(Ledger(place), believed, what, on_bytes)
