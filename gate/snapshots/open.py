"""Opens a snapshot, which is the only way to training rows: it is verified first, and whatever is read is verified
again as it is read.

Nothing of a snapshot is looked at before a trusted owner's statement says that it was admitted, and trusted reviewers
that it is approved. Then every object is read once and hashed, rows are counted, and the id is computed from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson
import polars as pl
from pydantic import ValidationError

from gate.data.frame import EXAMPLES, SPLITS, Split
from gate.data.side_by_side import side_by_side
from gate.errors import GateError, UsageError
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.standing import Standing, standing
from gate.provenance.statements import Admission, Statement
from gate.provenance.trust import Trust
from gate.snapshots.layout import ADMITTED, ASSIGNED, Descriptor, ShardObjects
from gate.snapshots.naming import find_snapshot
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.snapshots.sealed_rows import sealed
from gate.store.files import opened as plain
from gate.store.objects import Damaged, Store

LARGEST_DESCRIPTOR = 256 << 20
"""Bytes: a million shards, which is 16 TB of text. A guard against the wrong file."""

_THREADS = 2
"""That read and hash; each holds a shard."""


class NotApproved(GateError):
    """The snapshot may not be used: it waits for approval, or was rejected or revoked."""

    exit_code = 1


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """An approved snapshot, every object of which was verified."""

    id: str
    standing: Standing
    descriptor: Descriptor
    store: Store

    @property
    def statement(self) -> Statement:
        """The admission."""
        return self.standing.admission

    @property
    def admission(self) -> Admission:
        """What the admission says."""
        return _admission(self.statement)

    @property
    def counts(self) -> dict[str, int]:
        """Examples of each split that has any."""
        return {split: count for split in SPLITS if (count := self.admission.splits.get(split, 0))}

    def examples(self, split: Split | None = None, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The examples (schema gate.data.frame.EXAMPLES), a shard at a time, in the order of their files.

        Each shard is hashed again as it is read: what was swapped since the snapshot was opened is never handed out.

        Args:
            split: only those of one split.
            columns: which columns to unpack; all, where it is not said.

        Raises:
            UsageError: no such split or column.
            Damaged: an object is gone, or is another one than it was.
        """
        if split is not None and split not in SPLITS:
            raise UsageError(f"no split is called {split!r}", remedy=f"it is one of {', '.join(SPLITS)}")
        if unknown := [name for name in columns or () if name not in EXAMPLES]:
            raise UsageError(f"no column is called {unknown[0]!r}", remedy=f"columns: {', '.join(EXAMPLES)}")

        def load(shard: ShardObjects) -> pl.DataFrame:
            splits = _splits(self.store, shard)
            wanted = splits.is_not_null() if split is None else splits == split
            if not wanted.any():
                return pl.DataFrame(schema=EXAMPLES)
            rows = _shard(self.store, shard, None if columns is None else [name for name in columns if name != "split"])
            return rows.with_columns(splits).select(list(EXAMPLES) if columns is None else list(columns)).filter(wanted)

        for part in side_by_side(load, self.descriptor.shards, _THREADS):
            if part.height:
                yield part

    def frame(self, split: Split | None = None) -> pl.DataFrame:
        """All of them as one frame: as large as the data."""
        return pl.concat([pl.DataFrame(schema=EXAMPLES), *self.examples(split)])

    def __repr__(self) -> str:
        of = ", ".join(f"{count:,} {split}" for split, count in self.counts.items())
        return f"<Snapshot {self.id[:12]} of {self.admission.name}: {of}>"


def opened(
    ledger: Ledger, trust: Trust, what: str, on_bytes: Callable[[int, int], None] = lambda done, total: None
) -> Snapshot:
    """An approved snapshot, verified.

    Args:
        what: what it is called (gate.snapshots.naming).
        on_bytes: told of bytes verified, and of those in all.

    Raises:
        UsageError: there is no such snapshot.
        Untrusted: nobody who is trusted has admitted it.
        NotApproved: it waits, or was rejected, revoked or erased, or rests on a waiver that is over.
        Damaged: an object is not what the admission says.
    """
    snapshot = find_snapshot(ledger, what, trust)
    stands = standing(ledger, trust, snapshot)
    if stands.status != "approved":
        raise NotApproved(
            f"the snapshot is not approved ({stands.status}): {'; '.join(stands.reasons) or 'no reason is known'}",
            where=snapshot[:12],
            remedy=_remedy(stands),
        )
    erasures = trusted_erasures(ledger.all(), trust)
    return Snapshot(snapshot, stands, verified(ledger.store, stands.admission, on_bytes, erasures), ledger.store)


def _remedy(stands: Standing) -> str:
    if stands.status == "waiting":
        return f"a reviewer approves it with `gate approve {stands.admission.digest[:12]}`"
    return "use another snapshot (`gate snapshots ls`), or admit the data anew"


def verified(
    store: Store,
    statement: Statement,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
    erasures: Iterable[Statement] = (),
) -> Descriptor:
    """What an admission's descriptor says, once all of it has been checked: every object is what its digest says, rows
    and splits add up to what was admitted, and the id that is computed from the rows is the snapshot's.

    Who signed the statement is not looked at here (`gate.provenance.standing`).

    Args:
        erasures: by people who may erase: what they cut from findings and reports is not missing.

    Raises:
        Damaged: the first thing that is not as the admission says.
    """
    admission = _admission(statement)
    descriptor = _descriptor(store, admission)
    _sizes(store, descriptor)
    total, done = sum(shard.bytes for shard in descriptor.shards), 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        on_bytes(done, total)

    for link in sealed(Objects(store, erasures), admission, read):
        for one in link.broken():
            where = one.name or store.name(store.statement_path(statement.digest))
            raise Damaged(one.said, where=where, remedy=one.remedy)
    return descriptor


def _sizes(store: Store, descriptor: Descriptor) -> None:
    """That objects are as large as they should be, before any of them is read into memory."""
    for shard in descriptor.shards:
        paths = [store.path(digest, "parquet") for digest in (shard.examples, shard.splits)]
        sizes = [path.lstat().st_size for path in paths if path.exists()]  # one that is missing is told later
        if len(sizes) == len(paths) and sum(sizes) != shard.bytes:
            for digest in (shard.examples, shard.splits):
                store.verified(digest, "parquet")  # hashed in pieces, and named where it is the one
            what = f"with its splits it has {sum(sizes):,} bytes and not {shard.bytes:,}"
            raise Damaged(what, where=store.name(paths[0]), remedy=_RESTORE)


def _admission(statement: Statement) -> Admission:
    if not isinstance(statement.about, Admission):
        raise Damaged("it is no admission", where=f"statements/{statement.digest}.json")
    return statement.about


def _descriptor(store: Store, admission: Admission) -> Descriptor:
    content = _bytes(store, admission.descriptor, "json", most=LARGEST_DESCRIPTOR)
    where = store.name(store.path(admission.descriptor, "json"))
    try:
        descriptor = Descriptor.model_validate_json(content)
        if canonical(orjson.loads(content)) != content:
            raise ValueError
    except (ValidationError, ValueError, RecursionError):
        raise Damaged("it does not describe a snapshot", where=where) from None
    if (descriptor.snapshot, descriptor.policy) != (admission.snapshot, admission.policy):
        raise Damaged("it describes another snapshot than the admission", where=where)
    if not all(shard.rows for shard in descriptor.shards):
        raise Damaged("a shard of it has no rows", where=where)
    if sum(shard.rows for shard in descriptor.shards) != admission.admitted:
        raise Damaged("its shards do not add up to what was admitted", where=where)
    return descriptor


def _shard(store: Store, shard: ShardObjects, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The examples of a shard; their objects are as large together as the descriptor says."""
    content = _bytes(store, shard.examples, "parquet", most=shard.bytes)
    name = store.name(store.path(shard.examples, "parquet"))
    return from_parquet(content, ADMITTED, name, rows=shard.rows, columns=columns)


def _splits(store: Store, shard: ShardObjects) -> pl.Series:
    content = _bytes(store, shard.splits, "parquet", most=shard.bytes)
    name = store.name(store.path(shard.splits, "parquet"))
    splits = from_parquet(content, ASSIGNED, name, rows=shard.rows)["split"]
    if splits.null_count():
        raise Damaged("an example of it has no split", where=name)
    return splits


def _bytes(store: Store, digest: str, kind: str, most: int) -> bytes:
    """The bytes of an object, hashed: what is hashed is what is handed out."""
    path = store.path(digest, kind)
    try:
        with plain(path) as file:
            content = file.read(most + 1)
    except OSError as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise Damaged(f"the object {what}", where=store.name(path), remedy=_RESTORE) from None
    if len(content) > most or hashlib.sha256(content).hexdigest() != digest:
        raise Damaged("the object's bytes are not what its name says", where=store.name(path), remedy=_RESTORE)
    return content


_RESTORE = "restore it from a copy of the store (`gate store pull`, a bundle)"
