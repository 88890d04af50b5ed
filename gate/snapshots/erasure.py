"""Erases examples from a store: the one operation that removes content.

Every object that holds such an example is written anew without it, a signed tombstone says which object stands for
which, and only then are the old ones removed. So whatever interrupts it, the store says what is still to be removed,
and the same command again finishes it. Objects that nothing refers to are looked into as well.

Of a row its ids and its place stay (`gate.snapshots.erased_rows`); findings lose the evidence on it, verdicts the
reason, and items that a model was scored on their texts; a report, which cannot be cut, gives way to a page that says
so.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Erasure, Statement
from gate.provenance.trust import Trust
from gate.snapshots.erased_rows import without_content, without_evidence, without_reasons, without_texts
from gate.snapshots.erasure_plan import STANDS_FOR, Cut, Plan, plan
from gate.snapshots.parquet import to_parquet
from gate.store.files import refused
from gate.store.objects import Damaged, Store

_MOST_ROUNDS = 5  # a writer that keeps sealing the same example anew has to be stopped, not outrun
_WITHOUT: dict[str, Callable[[pl.DataFrame, Sequence[str]], pl.DataFrame]] = {
    "examples": without_content,
    "findings": without_evidence,
    "verdicts": without_reasons,
    "items": without_texts,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What was erased."""

    statement: Statement | None
    """The tombstone; None where one was there already, and only its work had to be finished."""
    removed: int
    """Objects."""


def carry_out(ledger: Ledger, planned: Plan, signer: Signer, why: str, trust: Trust) -> list[Done]:
    """Erase what was planned, and finish what an earlier erasure began.

    Returns:
        a `Done` per tombstone: more than one where something was sealed anew meanwhile.

    Raises:
        StoreError: there is no room or no permission; what was begun is finished by the same call again.
        Damaged: an object is not what its name says, or the examples keep coming back.
    """
    done = []
    for _ in range(_MOST_ROUNDS):
        done.append(_round(ledger, planned, signer, why))
        planned = plan(ledger, planned.examples, trust)
        if planned.empty:
            return done
    raise Damaged(
        "the examples come back while they are erased",
        where=os.fspath(ledger.store.root),
        remedy="end whatever admits them at the same time, and erase again",
    )


def _round(ledger: Ledger, planned: Plan, signer: Signer, why: str) -> Done:
    store, statement = ledger.store, None
    replaced = {cut.digest: _rewritten(store, cut, planned.examples) for cut in planned.cuts}
    if replaced or planned.snapshots:
        about = Erasure(examples=list(planned.examples), objects=replaced, snapshots=list(planned.snapshots), why=why)
        # Said before anything is removed: whoever finds the store half done knows what is still to go.
        statement = ledger.say(about, signer, parents=[one.digest for one in planned.admissions])
    gone = [*planned.left, *((cut.digest, cut.kind) for cut in planned.cuts)]
    folders = set[Path]()
    for digest, kind in gone:
        path = store.path(digest, kind)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise refused(error, path) from None
        folders.add(path.parent)
    for folder in folders:
        _sync(folder)
    return Done(statement, len(gone))


def _rewritten(store: Store, cut: Cut, examples: Sequence[str]) -> str:
    """Write what stands for an object from now on; returns its digest."""
    if cut.holds in STANDS_FOR:
        return store.put(STANDS_FOR[cut.holds], cut.kind)
    frame = pl.read_parquet(io.BytesIO(store.read(cut.digest, cut.kind)))
    return store.put(to_parquet(_WITHOUT[cut.holds](frame, examples), frame.schema), cut.kind)


def _sync(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
