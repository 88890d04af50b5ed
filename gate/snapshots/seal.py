"""Seals a snapshot: admitted examples, their splits, what was left out, and the descriptor that names it all.

Each shard of a file is an object, so that a dataset in which one file changed shares the objects of all others with
the snapshot before it. Objects come first and the descriptor after them: until a statement names it, a snapshot that
was broken off is nothing but objects that nobody points at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from gate.admission.result import FINDINGS
from gate.data.corpus import Corpus, Shard
from gate.data.frame import MALFORMED, SPLITS
from gate.data.side_by_side import side_by_side
from gate.provenance.envelope import canonical
from gate.snapshots.exclusions import excluded
from gate.snapshots.layout import ADMITTED, ASSIGNED, EXCLUDED, Descriptor, ShardObjects
from gate.snapshots.manifest import snapshot_id
from gate.snapshots.parquet import to_parquet
from gate.store.objects import Store
from gate.version import __version__

MAJOR = __version__.partition(".")[0]
"""gate's major version, which is part of every snapshot's id."""

_THREADS = 2
"""That seal shards: one is fetched and filtered while the other is compressed. Each holds a shard and its bytes."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be sealed."""

    corpus: Corpus
    splits: pl.Series
    """The split of each row of the corpus (an `Enum` of `SPLITS`), null for those that are not admitted."""
    blocked: pl.DataFrame
    """What excludes the others, as `gate.snapshots.exclusions.blocked` gives it."""
    findings: pl.DataFrame
    """Schema gate.admission.result.FINDINGS."""
    malformed: pl.DataFrame
    """Schema gate.data.frame.MALFORMED."""
    policy: bytes
    """As `gate.snapshots.policy_document` gives it."""
    report: Callable[[str, pl.DataFrame], bytes] | None = None
    """The report as it is shown, in HTML: made of the snapshot's id and what was left out (schema `EXCLUDED`)."""


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """What lies in the store now."""

    snapshot: str
    """Its id."""
    descriptor: str
    policy: str
    findings: str
    report: str | None
    admitted: int
    excluded: pl.DataFrame
    """Schema `EXCLUDED`."""
    splits: dict[str, int]
    """Admitted examples of each split that has any."""
    written: int
    """Bytes of objects that were not in the store before."""


def seal(store: Store, contents: Contents, on_rows: Callable[[int, int], None] = lambda done, total: None) -> Sealed:
    """Put a snapshot into a store.

    Args:
        on_rows: told of rows done and rows in all.

    Raises:
        StoreError: there is no room or no permission.
    """
    corpus = contents.corpus
    if contents.splits.len() != corpus.rows.height:
        raise ValueError("a split, or null, for every row")
    ids, left_out, shards, written, done = [], [pl.DataFrame(schema=EXCLUDED)], [], 0, 0

    def put(part: _Part) -> _Put:
        return _put(store, part, contents.blocked)

    for each in side_by_side(put, _parts(corpus, contents.splits), _THREADS):
        ids.append(each.ids)
        left_out.append(each.excluded)
        if each.objects is not None:
            shards.append(each.objects)
        written, done = written + each.written, done + each.rows
        on_rows(done, corpus.rows.height)
    gone = pl.concat(left_out)
    identities = pl.concat(ids) if ids else pl.DataFrame(schema={"split": ASSIGNED["split"]})
    _close(contents, identities.height, gone.height)

    def keep(content: bytes, kind: str) -> str:
        nonlocal written
        digest, new = _kept(store, content, kind)
        written += new
        return digest

    policy = keep(contents.policy, "json")
    descriptor = Descriptor(
        snapshot=snapshot_id(ids, policy, MAJOR),
        major=MAJOR,
        policy=policy,
        shards=shards,
        excluded=keep(to_parquet(gone, EXCLUDED), "parquet"),
        malformed=keep(to_parquet(contents.malformed.select(list(MALFORMED)), MALFORMED), "parquet"),
    )
    counts = dict(identities["split"].cast(pl.String).value_counts().iter_rows())
    return Sealed(
        snapshot=descriptor.snapshot,
        findings=keep(to_parquet(contents.findings.select(list(FINDINGS)), FINDINGS), "parquet"),
        report=None if contents.report is None else keep(contents.report(descriptor.snapshot, gone), "html"),
        # Last of all objects: what names the others.
        descriptor=keep(canonical(descriptor.model_dump(mode="json")), "json"),
        policy=policy,
        admitted=identities.height,
        excluded=gone,
        splits={split: counts[split] for split in SPLITS if split in counts},
        written=written,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A shard, and the splits of its rows."""

    shard: Shard
    splits: pl.Series


@dataclass(frozen=True, slots=True)
class _Put:
    """A shard that was sealed."""

    objects: ShardObjects | None
    """None where no row of it was admitted."""
    ids: pl.DataFrame
    """`id`, `record_id` and `split` of its admitted examples."""
    excluded: pl.DataFrame
    rows: int
    written: int


def _parts(corpus: Corpus, splits: pl.Series) -> Iterator[_Part]:
    """The shards by the path of their file, and in the order of its rows."""
    starts = np.cumsum([0, *(shard.height for shard in corpus.shards)])
    paths = corpus.rows["file"].cast(pl.String)
    placed = [
        (paths[int(start)], number, _Part(shard, splits[int(start) : int(end)]))
        for number, (shard, (start, end)) in enumerate(zip(corpus.shards, pairwise(starts), strict=True))
        if shard.height
    ]
    for _, _, part in sorted(placed, key=lambda each: each[:2]):
        yield part


def _put(store: Store, part: _Part, blocked: pl.DataFrame) -> _Put:
    every = part.shard.load(None)
    admitted = part.splits.is_not_null()
    own, splits = every.filter(admitted).drop("split"), part.splits.filter(admitted).alias("split")
    out = excluded(every.select("id", "record_id", "file", "row").filter(~admitted), blocked)
    ids = own.select("id", "record_id", splits)
    if own.is_empty():
        return _Put(None, ids, out, every.height, 0)
    examples, assigned = to_parquet(own, ADMITTED), to_parquet(splits.to_frame(), ASSIGNED)
    (first, new), (second, also_new) = _kept(store, examples, "parquet"), _kept(store, assigned, "parquet")
    objects = ShardObjects(examples=first, splits=second, rows=own.height, bytes=len(examples) + len(assigned))
    return _Put(objects, ids, out, every.height, new + also_new)


def _kept(store: Store, content: bytes, kind: str) -> tuple[str, int]:
    """The digest of an object that is in the store now, and how many bytes that took.

    One that is there already is hashed by the store, and written anew where it was damaged.
    """
    digest = hashlib.sha256(content).hexdigest()
    known = store.path(digest, kind).exists()
    store.put(content, kind)
    return digest, 0 if known else len(content)


def _close(contents: Contents, admitted: int, excluded: int) -> None:
    """That every row is accounted for, once."""
    rows, malformed = contents.corpus.rows, contents.malformed
    unread = contents.blocked.join(malformed.select("file", "row"), on=["file", "row"], how="semi").height
    examples = sum(file.examples for file in contents.corpus.files)
    bad = sum(file.malformed for file in contents.corpus.files)
    if admitted + excluded != rows.height or rows.height != examples or malformed.height != bad:
        raise RuntimeError(f"{admitted} admitted and {excluded} excluded are not {rows.height} of {examples} examples")
    if excluded + unread != contents.blocked.height:
        raise RuntimeError(f"{contents.blocked.height} rows are blocked, of which {excluded + unread} were found")
