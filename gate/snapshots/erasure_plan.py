"""Finds what an erasure would have to remove: every object of a store that holds something of some examples.

All objects are looked into, whether something refers to them or not. Reports hold excerpts, which cannot be found by
an id: the report of every admission that one of the examples was part of goes as a whole, and so does that of every
promotion that rests on items made of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from gate.data.side_by_side import side_by_side
from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Erasure, Evaluation, Promotion, Review, Statement, Training
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.erased_rows import ITEMS, QUOTES, kind_of
from gate.snapshots.parquet import from_parquet
from gate.snapshots.reach import current
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.snapshots.sealed_rows import THREADS, read_descriptor
from gate.store.objects import Damaged, Store

ERASED_REPORT = (
    b"<!doctype html>\n<html lang=en><meta charset=utf-8><title>Erased</title>\n"
    b"<p>The report that was sealed here showed examples that have been erased since, and went with them. "
    b"The erasure is a signed statement: it says when, by whom and why.\n"
)
"""What stands for every report that is gone."""
ERASED_RESULT = b'{"erased":true}'
"""What stands for everything that a report of a promotion showed."""
STANDS_FOR = {"report": ERASED_REPORT, "result": ERASED_RESULT}
"""By what an object holds that goes as a whole."""

_ERASED = {hashlib.sha256(content).hexdigest() for content in STANDS_FOR.values()}


@dataclass(frozen=True, slots=True)
class Cut:
    """An object that holds something of the examples."""

    digest: str
    kind: str
    """Its suffix."""
    holds: str
    """`examples`, `findings`, `verdicts`, `items`, `report` or `result`."""
    rows: int
    """Of it that are concerned; 0 of a report and of a result, which go as a whole."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A row of a source file that one of the examples came from."""

    name: str
    """Of the dataset."""
    file: str
    row: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be erased."""

    examples: tuple[str, ...]
    """Content ids."""
    cuts: tuple[Cut, ...]
    """Objects to be written anew or removed."""
    left: tuple[tuple[str, str], ...]
    """Digest and suffix of objects that an earlier erasure was to remove, and that are still (or again) there."""
    snapshots: tuple[str, ...]
    """That have one of the examples, and cannot be used any more."""
    admissions: tuple[Statement, ...]
    """That rest on one of the objects."""
    origins: tuple[Origin, ...]
    names: tuple[str, ...]
    """Names that stand for one of the snapshots now."""
    runs: tuple[str, ...] = ()
    """Training runs that read one of the snapshots: their models learned from it, their folders hold copies of rows."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing left to do."""
        return not self.cuts and not self.left and not self.snapshots


@dataclass
class _Found:
    """What one object holds of the examples."""

    cut: Cut | None = None
    origins: list[tuple[str, int]] = field(default_factory=list)
    scored: bool = False
    """It holds items that were made of one of them, whether they still quote it or not."""


def resolve(ledger: Ledger, wanted: Sequence[str]) -> list[str]:
    """The content ids that some ids, or their first eight or more digits, stand for.

    Raises:
        UsageError: one stands for none, or for several.
        Damaged: an object in the store is not what its name says.
    """
    known = set[str]()
    for parts in side_by_side(lambda each: _ids(ledger.store, each), _tables(ledger.store), THREADS):
        known |= parts
    for one in ledger.all():
        if isinstance(one.about, Erasure):
            known |= set(one.about.examples)
    found = []
    for each in wanted:
        digits = each.strip().lower().removeprefix("sha256:")
        if len(digits) < 8 or set(digits) - set("0123456789abcdef"):
            raise UsageError(f"{each[:80]!r} is no id of an example", remedy="give at least eight digits of its id")
        matches = sorted(one for one in known if one.startswith(digits))
        if not matches:
            raise UsageError(f"no example of this store has the id {digits}", remedy="`gate trace TEXT` finds ids")
        if len(matches) > 1:
            raise UsageError(f"{len(matches)} examples have ids that begin with {digits}", remedy="write more digits")
        found.append(matches[0])
    return sorted(set(found))


def plan(ledger: Ledger, examples: Iterable[str], trust: Trust) -> Plan:
    """What has to be done to erase some examples; nothing is changed.

    Args:
        examples: whole content ids.
        trust: whose erasures count.

    Raises:
        Damaged: a statement or object is not what its name says: what cannot be read cannot be cut.
    """
    store, ids = ledger.store, sorted(set(examples))
    statements = ledger.all()
    objects = Objects(store, trusted_erasures(statements, trust))
    left = [(each.digest, each.kind) for each in store.objects() if each.digest in objects.gone]
    gone = {digest for digest, _ in left}
    wanted = [each for each in _tables(store) if each not in gone]
    looked = side_by_side(lambda each: _look(store, each, ids), wanted, THREADS)
    found = dict(zip(wanted, looked, strict=True))
    cuts = {digest: each.cut for digest, each in found.items() if each.cut is not None}
    concerned, snapshots, origins, reports = list[Statement](), set[str](), set[Origin](), dict[str, Cut]()
    scored = set[str]()  # evaluations with items made of one of them; statements come in the order of time
    for one in statements:
        about = one.about
        if isinstance(about, Review) and current(about.verdicts, objects.gone) in cuts:
            concerned.append(one)
        if isinstance(about, Evaluation):
            items = {current(task.items, objects.gone) for task in about.tasks}
            if any(found[digest].scored for digest in items & found.keys()):
                scored.add(one.digest)
                concerned.append(one)
        if isinstance(about, Promotion) and scored.intersection(about.evaluations):
            concerned.append(one)
            for digest, kind, holds in ((about.report, "html", "report"), (about.result, "json", "result")):
                last = current(digest, objects.gone)
                if store.path(last, kind).exists() and last not in _ERASED:
                    reports[last] = Cut(last, kind, holds, 0)
        if not isinstance(about, Admission):
            continue
        try:
            descriptor = read_descriptor(objects, about)
        except Damaged:
            with contextlib.suppress(Untrusted):
                trust.vouched(one)
                raise
            continue  # anybody could have put it there
        shards = {current(shard.examples, objects.gone) for shard in descriptor.shards}
        places = {place for digest in shards for place in (found[digest].origins if digest in found else [])}
        left_out = current(descriptor.excluded, objects.gone)
        places |= set(found[left_out].origins if left_out in found else [])
        # One that was admitted since from an object that had been erased is marked as well.
        anew = about.snapshot not in objects.marked and any(
            shard.examples in objects.gone for shard in descriptor.shards
        )
        if anew or shards & cuts.keys():
            snapshots.add(about.snapshot)
        if not places and current(about.findings, objects.gone) not in cuts:
            continue
        origins |= {Origin(about.name, file, row) for file, row in places}
        concerned.append(one)
        report = None if about.report is None else current(about.report, objects.gone)
        if report is not None and store.path(report, "html").exists() and report not in _ERASED:
            reports[report] = Cut(report, "html", "report", 0)
    return Plan(
        examples=tuple(ids),
        cuts=(*cuts.values(), *reports.values()),
        left=tuple(left),
        snapshots=tuple(sorted(snapshots)),
        admissions=tuple(concerned),
        origins=tuple(sorted(origins, key=lambda each: (each.name, each.file, each.row))),
        names=tuple(_names(ledger, snapshots)),
        runs=tuple(
            sorted(
                f"{one.about.name} (model {one.about.model[:12]})"
                for one in statements
                if isinstance(one.about, Training) and any(on.snapshot in snapshots for on in one.about.snapshots)
            )
        ),
    )


def _tables(store: Store) -> list[str]:
    return [each.digest for each in store.objects() if each.kind == "parquet"]


def _read(store: Store, digest: str, columns: Sequence[str]) -> tuple[pl.DataFrame, bytes]:
    """Those of some columns that an object has, and its bytes; no row where it has no column `id`.

    Raises:
        Damaged: it is not what its name says, or no Parquet.
    """
    content = store.read(digest, "parquet")
    name = store.name(store.path(digest, "parquet"))
    try:
        schema = pl.Schema(pl.read_parquet_schema(io.BytesIO(content)))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise Damaged(
            "it is no whole Parquet file, and what cannot be read cannot be cut",
            where=name,
            remedy="restore it from a copy of the store, or remove it if nothing needs it",
        ) from None
    if set(schema) == set(ITEMS):  # of a model's evaluation: the example that an item was made of
        return from_parquet(content, schema, name, columns=["example"]).rename({"example": "id"}), content
    if "id" not in schema:
        return pl.DataFrame(schema={"id": pl.String}), content
    return from_parquet(content, schema, name, columns=[each for each in columns if each in schema]), content


def _ids(store: Store, digest: str) -> set[str]:
    frame, _ = _read(store, digest, ["id"])
    return set(frame["id"].drop_nulls())


def _look(store: Store, digest: str, examples: Sequence[str]) -> _Found:
    """What an object holds of some examples. Most hold nothing, which ids say without the rest being unpacked."""
    few, content = _read(store, digest, ["id", "partner", "file", "row"])
    ids = list(examples)
    named = pl.any_horizontal(*(pl.col(each).is_in(ids) for each in ("id", "partner") if each in few.columns))
    if not few.select(named.any()).item():
        return _Found()
    kind = kind_of(content)
    if kind in ("findings", "verdicts", "items") or "file" not in few.columns:  # a training run's books: ids alone
        origins = []
    else:
        origins = list(few.filter(pl.col("id").is_in(ids)).select("file", "row").iter_rows())
    if kind is None:
        return _Found(None, origins)
    rows = pl.read_parquet(io.BytesIO(content)).filter(QUOTES[kind](ids)).height
    return _Found(Cut(digest, "parquet", kind, rows) if rows else None, origins, scored=kind == "items")


def _names(ledger: Ledger, snapshots: Iterable[str]) -> list[str]:
    wanted, store = set(snapshots), ledger.store
    return [name for name in store.refs() if getattr(ledger.ref(name).about, "snapshot", None) in wanted]
