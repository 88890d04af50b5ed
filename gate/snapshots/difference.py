"""How one snapshot differs from another: rows added, removed and moved between splits, and what led to that.

Rows are compared as multisets of content id and split, so that neither file names nor their order count. Only ids are
read, never a text. Every object that is read is hashed, and the ids must be those of the snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from gate.data.frame import KINDS, SHAPES, SPLITS
from gate.data.side_by_side import side_by_side
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission
from gate.provenance.trust import Trust
from gate.snapshots.layout import ADMITTED, ASSIGNED, ShardObjects
from gate.snapshots.manifest import snapshot_id
from gate.snapshots.overview import Shown, policy_rules, shown
from gate.snapshots.parquet import from_parquet
from gate.snapshots.reach import current, read_descriptor
from gate.snapshots.sealed_objects import replaced
from gate.store.objects import Damaged, Store

Change = Literal["added", "removed", "moved", "other columns"]
CHANGES: tuple[Change, ...] = ("added", "removed", "moved", "other columns")
"""`moved`: the same content in another split; `other columns`: the same content and split, and another meta."""

ROWS = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "change": pl.Enum(CHANGES),
        "id": pl.String,  # content id
        "a_split": pl.Enum(SPLITS),  # null for what was added
        "b_split": pl.Enum(SPLITS),  # null for what was removed
        "file": pl.String,  # where it lay: in B, for what was removed in A
        "row": pl.UInt32,
    }
)

_KEYS = ("id", "record_id", "file", "row", "kind", "shape")
_THREADS = 2
"""That read and hash; each holds a shard's ids."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of both."""

    name: str
    a: float
    b: float


@dataclass(frozen=True, slots=True, repr=False)
class SnapshotDifference:
    """What differs."""

    a: Shown
    b: Shown
    same: int
    """Rows that both have, in the same split."""
    rows: pl.DataFrame
    """Schema `ROWS`: a line for each row that differs, in the order of `CHANGES`, then of ids."""
    figures: tuple[Figure, ...]
    """Counts that differ or not: rows, splits, kinds, shapes, what was left out by which rule."""
    rules: dict[str, str]
    """Rules that differ: `added`, `removed`, `changed`."""
    sources: dict[str, str]
    """Source files that differ: `added`, `removed`, `changed`, or `renamed from …`."""

    @property
    def differ(self) -> bool:
        """Whether the rows or the rules do."""
        return self.a.snapshot != self.b.snapshot

    def count(self, change: Change) -> int:
        """How many rows changed that way."""
        return self.rows.filter(pl.col("change") == change).height

    @property
    def exit_code(self) -> int:
        """0 the same, 1 different, as `diff` has them."""
        return 1 if self.differ else 0


def difference(ledger: Ledger, a: str, b: str, trust: Trust | None = None) -> SnapshotDifference:
    """How snapshot B differs from A. They need not be approved: no row is handed out.

    Raises:
        UsageError: there is no such snapshot.
        Untrusted: nobody who is trusted has admitted it.
        Damaged: an object is not what was admitted.
    """
    left, right = shown(ledger, a, trust), shown(ledger, b, trust)
    ids_a = _ids(ledger, left, trust)
    ids_b = ids_a if left.snapshot == right.snapshot else _ids(ledger, right, trust)
    rows, same = compare(ids_a, ids_b)
    return SnapshotDifference(
        a=left,
        b=right,
        same=same,
        rows=rows,
        figures=tuple(_figures(left, right, ids_a, ids_b)),
        rules=_rules(ledger.store, left.about, right.about),
        sources=_sources(left.about, right.about),
    )


def _ids(ledger: Ledger, of: Shown, trust: Trust | None) -> pl.DataFrame:
    """The keys of every row of a snapshot, with its split.

    Raises:
        Damaged: an object is not what its name says, or the ids are not those of the snapshot.
    """
    store, about, gone = ledger.store, of.about, replaced(ledger.all(), trust)
    descriptor = read_descriptor(store, current(about.descriptor, gone))

    def load(shard: ShardObjects) -> pl.DataFrame:
        examples = _table(store, current(shard.examples, gone), ADMITTED, list(_KEYS))
        splits = _table(store, current(shard.splits, gone), ASSIGNED)
        if examples.height != splits.height:
            where = f"objects/{shard.splits[:2]}/{shard.splits}.parquet"
            raise Damaged("its splits are not as many as its examples", where=where)
        return examples.with_columns(splits["split"])

    every = pl.concat(list(side_by_side(load, descriptor.shards, _THREADS)))
    whole = not any(each in gone for shard in descriptor.shards for each in (shard.examples, shard.splits))
    if whole and snapshot_id([every], descriptor.policy, descriptor.major) != of.snapshot:
        raise Damaged(
            "its rows do not give the id of the snapshot",
            where=of.snapshot[:12],
            remedy="`gate verify` says what is wrong with it",
        )
    return every


def _table(store: Store, digest: str, schema: pl.Schema, columns: list[str] | None = None) -> pl.DataFrame:
    content = store.read(digest, "parquet")
    return from_parquet(content, schema, store.name(store.path(digest, "parquet")), columns=columns)


def compare(a: pl.DataFrame, b: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Rows that differ (schema `ROWS`), and how many are the same.

    Equal rows are taken off first, then equal contents in the same split, then equal contents in another; of each, as
    many as both have.

    Args:
        a, b: columns `id`, `record_id`, `split`, `file` and `row`.
    """
    rest_a, rest_b = a, b
    found = []
    same = 0
    for change, on in (
        (None, ["id", "record_id", "split"]),
        ("other columns", ["id", "split"]),
        ("moved", ["id"]),
    ):
        numbered = pl.int_range(pl.len()).over(on).alias("occurrence")
        left, right = rest_a.with_columns(numbered), rest_b.with_columns(numbered)
        keys = [*on, "occurrence"]
        paired = right.join(left.select(*keys, a_split="split"), on=keys)
        if change is None:
            same = paired.height
        else:
            found.append(paired.select(pl.lit(change).alias("change"), "id", "a_split", "split", "file", "row"))
        rest_a = left.join(right, on=keys, how="anti").drop("occurrence")
        rest_b = right.join(left, on=keys, how="anti").drop("occurrence")
    nothing = pl.lit(None, ROWS["a_split"])
    found.append(rest_b.select(pl.lit("added").alias("change"), "id", nothing.alias("a_split"), "split", "file", "row"))
    gone = rest_a.select(
        pl.lit("removed").alias("change"), "id", pl.col("split").alias("a_split"), nothing.alias("split"), "file", "row"
    )
    every = pl.concat([part.rename({"split": "b_split"}) for part in (*found, gone)])
    return every.cast(ROWS).sort("change", "id", "file", "row"), same


def _figures(left: Shown, right: Shown, a: pl.DataFrame, b: pl.DataFrame) -> list[Figure]:
    one, other = left.about, right.about
    figures = [
        Figure("rows read", one.rows, other.rows),
        Figure("rows that could not be read", one.malformed, other.malformed),
        Figure("examples left out", one.excluded, other.excluded),
        Figure("examples", a.height, b.height),
        Figure("different contents", a["id"].n_unique(), b["id"].n_unique()),
    ]
    for name, words in (("split", SPLITS), ("kind", KINDS), ("shape", SHAPES)):
        counts = [dict(side[name].cast(pl.String).value_counts().iter_rows()) for side in (a, b)]
        figures += [
            Figure(f"{name}: {word}", counts[0].get(word, 0), counts[1].get(word, 0))
            for word in words
            if any(word in count for count in counts)
        ]
    rules = sorted({*left.exclusions, *right.exclusions})
    figures += [
        Figure(f"left out by {rule}", left.exclusions.get(rule, 0), right.exclusions.get(rule, 0)) for rule in rules
    ]
    return figures


def _rules(store: Store, a: Admission, b: Admission) -> dict[str, str]:
    if a.policy == b.policy:
        return {}
    sides = []
    for about in (a, b):
        of: dict[str, list[str]] = {}
        for rule in policy_rules(store, about):
            of.setdefault(rule.id, []).append(rule.digest)
        sides.append({name: sorted(digests) for name, digests in of.items()})
    return _changed(*sides)


def _sources(a: Admission, b: Admission) -> dict[str, str]:
    left, right = ({source.path: source.sha256 for source in side.sources} for side in (a, b))
    changed = _changed(left, right)
    gone = {left[path]: path for path, how in changed.items() if how == "removed"}
    for path, how in list(changed.items()):
        if how == "added" and right[path] in gone and gone[right[path]] in changed:
            old = gone.pop(right[path])
            changed[path] = f"renamed from {old}"
            del changed[old]
    return changed


def _changed(a: dict[str, str] | dict[str, list[str]], b: dict[str, str] | dict[str, list[str]]) -> dict[str, str]:
    return {
        name: "added" if name not in a else "removed" if name not in b else "changed"
        for name in sorted({*a, *b})
        if a.get(name) != b.get(name)
    }
