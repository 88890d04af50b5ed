"""`gate trace`: from an id, or from what somebody said, to the lives of the examples behind it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.trust import Trust
from gate.snapshots.tracing import Trace, Tracer
from gate.store.objects import Store
from gate.training.seen import with_runs
from gate.verbs.surroundings import named_trust, open_store

Path_ = str | os.PathLike[str]

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")


def trace(
    what: str | None = None,
    *,
    text: str | None = None,
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    limit: int = 20,
) -> Trace:
    """Where an example came from and where it went.

    Args:
        what: a content id or at least its first eight digits; or what an example says.
        text: what an example says, even where it looks like an id.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards of the working directory.
        trust: the trust file; else that of a git revision, else `GATE_TRUST`; without one, nothing is said of whether
            statements are by people whose word counts.
        limit: how many lives are told at most, 0 for all.

    Raises:
        UsageError: no such store, no such example, or nothing to look for. The text is in no message.
        Damaged: something in the store is not what its name says.
    """
    believed = (
        trust if isinstance(trust, Trust) else named_trust(None if trust is None else Path(trust), trust_revision)
    )
    place = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    tracer = Tracer(Ledger(place), believed)
    by, ids = "id", list[str]()
    if text is None and what is not None and (match := _ID.fullmatch(what.strip().lower())):
        ids = tracer.ids(match[1])
    if not ids:
        wanted = (text if text is not None else what or "").strip("\r\n")
        if not wanted.strip():
            raise UsageError("there is nothing to look for", remedy="name an id, or a text; - reads it from stdin")
        ids, whole = tracer.saying(wanted)
        by = "message" if whole else "part"
    if not ids:
        raise UsageError(
            "no example of this store has that id, or says that",
            where=os.fspath(place.root),
            remedy="what was left out of a snapshot is found by its id only: its text is not kept",
        )
    lives = with_runs(tracer, tracer.lives(ids[:limit] if limit else ids))
    return Trace(by, len(ids), tuple(lives), len(tracer.statements), None if believed is None else believed.origin)
