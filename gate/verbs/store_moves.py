"""`gate store push`, `pull`, `bundle` and `unbundle`: a store, or a snapshot's chain, on another machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from gate.promotion.naming import find_model
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Evaluation, ModelRef, Promotion, Ref
from gate.snapshots.naming import find_snapshot
from gate.snapshots.reach import chain, erased, model_chain, reach
from gate.store.bundle import Bundled, unpack, write_bundle
from gate.store.objects import Damaged, Store, StoreError
from gate.store.remote import Local, open_side
from gate.store.transfer import Copied, OnBytes, copy
from gate.verbs.store import parse


def pushed(store: Store, url: str, on_bytes: OnBytes = lambda done, total: None) -> Copied:
    """Copy what the store at `url` lacks; it is made where there is none.

    Raises:
        Damaged: a file is not what its name says.
        StoreError: the other store cannot be reached or written to, or has another format.
    """
    return copy(Local(store), open_side(url, create=True), read=parse, gone=_gone(store), on_bytes=on_bytes)


def pulled(store: Store, url: str, on_bytes: OnBytes = lambda done, total: None) -> Copied:
    """Copy what this store lacks and the one at `url` has; every file is verified before it is put in place.

    Raises:
        Damaged: a file is not what its name says, or rests on something that is not there.
        StoreError: the other store cannot be reached, or there is no room.
    """
    return copy(open_side(url), Local(store), read=_arriving(store), gone=_gone(store), on_bytes=on_bytes)


def _arriving(store: Store) -> Callable[[str, bytes], None]:
    """Reads what comes from elsewhere. Objects came before, and statements before refs: a ref has to point at
    something."""

    def arrived(name: str, content: bytes) -> None:
        found = parse(name, content)
        if isinstance(found.about, ModelRef):
            promotion = Ledger(store).statement(found.about.statement).about
            if not isinstance(promotion, Promotion) or promotion.model != found.about.model:
                raise Damaged("it points at something that is not the promotion of its model", where=name)
        if isinstance(found.about, Ref):
            admission = Ledger(store).statement(found.about.statement).about
            if not isinstance(admission, Admission) or admission.snapshot != found.about.snapshot:
                raise Damaged("it points at something that is not the admission of its snapshot", where=name)

    return arrived


def _gone(store: Store) -> Callable[[Mapping[str, bytes]], frozenset[str]]:
    """The digests of objects that erasures replaced, here or there. Nobody has to be trusted for it: leaving a copy
    where it is deletes nothing."""

    def gone(arriving: Mapping[str, bytes]) -> frozenset[str]:
        every = [*Ledger(store).all(), *(parse(name, content) for name, content in arriving.items())]
        return frozenset(erased(every))

    return gone


def bundled(store: Store, what: str, out: Path) -> Bundled:
    """Write the whole chain of a snapshot or a model into one file: its objects, every statement about it and what
    these rest on, and the refs that point at it. A model's own files are not in the store.

    Args:
        what: what the snapshot (gate.snapshots.naming) or the model (gate.promotion.naming) is called.

    Raises:
        UsageError: there is none of that name, or several.
        Damaged: an object of it is missing or damaged.
    """
    ledger = Ledger(store)
    gone = erased(ledger.all())
    if (model := find_model(ledger, what)) is not None:
        statements, refs = model_chain(ledger, model)
        own = statements
    else:
        snapshot = find_snapshot(ledger, what)
        statements, refs = chain(ledger, snapshot)
        own = [
            one
            for one in statements
            if isinstance(one.about, Evaluation) or getattr(one.about, "snapshot", None) in (snapshot, None)
        ]
    found = reach(store, [*own, *refs], gone)
    for each, one in found.missing.items():
        raise Damaged(f"it is missing, and {one.kind} {one.digest[:12]} names it", where=each.name)
    names = [each.name for each in found.objects if store.path(each.digest, each.kind).is_file()]
    names += [f"statements/{one.digest}.json" for one in statements]
    names += [
        f"refs/{ref.about.name}/{ref.about.number:06}.json" for ref in refs if isinstance(ref.about, Ref | ModelRef)
    ]
    return write_bundle(store, names, out)


def unbundled(store: Store, path: Path) -> Copied:
    """Put what a bundle holds in place, each file once it is whole.

    Raises:
        Damaged: it is no bundle, or something in it is not what its name says.
        StoreError: it cannot be read, or there is no room.
    """
    try:
        with path.open("rb") as file:
            return unpack(Local(store), file, path.name, read=_arriving(store), gone=_gone(store)({}))
    except OSError as error:
        raise StoreError(
            f"it cannot be read ({(error.strerror or 'refused').lower()})", where=os.fspath(path)
        ) from None
