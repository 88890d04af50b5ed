"""Checks what an admission sealed: its objects, whether they agree with one another and with it, and the snapshot's id.

Nothing that the admission says is believed: rows are counted, per file and split; the id is computed anew; and what
the findings exclude is compared with what was left out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import orjson
import polars as pl
from pydantic import ValidationError

from gate.admission.result import FINDINGS
from gate.data.frame import MALFORMED
from gate.data.side_by_side import side_by_side
from gate.errors import GateError
from gate.provenance.envelope import canonical
from gate.provenance.statements import Admission
from gate.snapshots.chain import Link, State, broken
from gate.snapshots.exclusions import blocked
from gate.snapshots.layout import ADMITTED, ASSIGNED, EXCLUDED, Descriptor, ShardObjects
from gate.snapshots.manifest import snapshot_id
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Content, Objects
from gate.store.objects import Damaged

_IDENTITY = ("id", "record_id", "file", "row")
THREADS = min(8, os.cpu_count() or 1)  # hashing and unpacking release the interpreter

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Shard:
    rows: pl.DataFrame
    """Columns `_IDENTITY` and `split`."""
    erased: Content | None
    """Its rows, where some of them were erased."""


def sealed(objects: Objects, admission: Admission, on_bytes: OnBytes = lambda done: None) -> list[Link]:
    """The links from an admission down to what it sealed. What cannot be looked at because something above it is
    broken is left out; a broken link is always among them then."""
    links = [_policy(objects, admission)]
    try:
        descriptor = read_descriptor(objects, admission)
    except GateError as error:
        return [*links, broken("descriptor", error), *_small(objects, admission, None)]
    links.append(Link("descriptor", _name(objects, admission.descriptor), said=f"{len(descriptor.shards):,} shards"))
    rows, link = _rows(objects, descriptor, admission, on_bytes)
    links.append(link)
    links.extend(_small(objects, admission, descriptor, rows))
    return links


def read_descriptor(objects: Objects, admission: Admission) -> Descriptor:
    """The descriptor that an admission names.

    Raises:
        Damaged: it is missing, damaged, or does not agree with the admission.
    """
    read = objects.read(admission.descriptor, "json")
    try:
        document = orjson.loads(read.content)
        descriptor = Descriptor.model_validate(document)
        if canonical(document) != read.content:
            raise ValueError
    except (ValidationError, ValueError, RecursionError):
        raise Damaged("it is no descriptor of a snapshot", where=read.name) from None
    if (descriptor.snapshot, descriptor.policy) != (admission.snapshot, admission.policy):
        raise Damaged("it describes another snapshot than the admission that names it", where=read.name)
    if sum(shard.rows for shard in descriptor.shards) != admission.admitted:
        raise Damaged("its shards do not add up to the admitted examples", where=read.name)
    return descriptor


def _policy(objects: Objects, admission: Admission) -> Link:
    try:
        read = objects.read(admission.policy, "json")
        if canonical(orjson.loads(read.content)) != read.content:
            raise Damaged("it is no policy document", where=read.name)
    except (ValueError, RecursionError):
        return broken("policy", Damaged("it is no policy document", where=_name(objects, admission.policy)))
    except GateError as error:
        return broken("policy", error)
    return Link("policy", read.name, said=f"{len(admission.rules)} rules as they were applied")


def _rows(
    objects: Objects, descriptor: Descriptor, admission: Admission, on_bytes: OnBytes
) -> tuple[pl.DataFrame | None, Link]:
    """The identity of every admitted row (None where one could not be read), and the link to them."""

    def look(shard: ShardObjects) -> _Shard | GateError:
        try:
            found = _shard(objects, shard)
        except GateError as error:
            return error
        on_bytes(shard.bytes)
        return found

    results = list(side_by_side(look, descriptor.shards, THREADS))
    errors = [broken("shard", each) for each in results if isinstance(each, GateError)]
    shards = [each for each in results if isinstance(each, _Shard)]
    erased = [_erased(objects, shard.erased, admission) for shard in shards if shard.erased is not None]
    size = sum(shard.bytes for shard in descriptor.shards)
    said = f"{admission.admitted:,} admitted, in {len(descriptor.shards):,} shards of {_megabytes(size)}"
    if errors:
        return None, Link("rows", "", said=said, children=(*errors, *erased))
    schema = {name: ADMITTED[name] for name in _IDENTITY} | dict(ASSIGNED)
    rows = pl.concat([pl.DataFrame(schema=schema), *(shard.rows for shard in shards)])
    identity = _identity(rows, descriptor)
    return rows, Link("rows", "", said=said, children=(*erased, identity, _splits(rows, admission)))


def _shard(objects: Objects, shard: ShardObjects) -> _Shard:
    examples, splits = objects.read(shard.examples, "parquet", cut=True), objects.read(shard.splits, "parquet")
    erased = None if examples.erasure is None else examples
    if not erased and len(examples.content) + len(splits.content) != shard.bytes:
        raise Damaged("it is not as large as the descriptor says", where=examples.name)
    rows = from_parquet(examples.content, ADMITTED, examples.name, rows=shard.rows, columns=_IDENTITY)
    parts = from_parquet(splits.content, ASSIGNED, splits.name, rows=shard.rows)
    return _Shard(rows.hstack(parts), erased)


def _erased(objects: Objects, rows: Content, admission: Admission) -> Link:
    if admission.snapshot not in objects.marked:
        return Link("shard", rows.name, "broken", "an erasure took rows from it, and does not say so of this snapshot")
    return Link("shard", rows.name, "erased", rows.told)


def _identity(rows: pl.DataFrame, descriptor: Descriptor) -> Link:
    try:
        found = snapshot_id([rows], descriptor.policy, descriptor.major)
    except ValueError:
        return Link("id", "", "broken", "an admitted example has no id, no record id or no split")
    if found != descriptor.snapshot:
        return Link(
            "id",
            "",
            "broken",
            f"the rows are those of another snapshot: their id is {found[:12]}…, not {descriptor.snapshot[:12]}…",
        )
    return Link("id", "", said="computed anew from the rows, it is the same")


def _splits(rows: pl.DataFrame, admission: Admission) -> Link:
    counts = {str(split): int(count) for split, count in rows["split"].value_counts().iter_rows()}
    said = ", ".join(f"{split} {counts[split]:,}" for split in sorted(counts))
    if counts != {split: count for split, count in admission.splits.items() if count}:
        return Link("splits", "", "broken", f"the admission says otherwise than the rows: {said}")
    return Link("splits", "", said=said)


def _small(
    objects: Objects, admission: Admission, descriptor: Descriptor | None, rows: pl.DataFrame | None = None
) -> list[Link]:
    """Findings, what was left out and what could not be read, the report, and whether the books close."""
    links: list[Link] = []
    frames: dict[str, pl.DataFrame] = {}
    wanted: list[tuple[str, str, pl.Schema, int | None]] = [("findings", admission.findings, FINDINGS, None)]
    if descriptor is not None:
        wanted.append(("excluded", descriptor.excluded, EXCLUDED, admission.excluded))
        wanted.append(("malformed", descriptor.malformed, MALFORMED, admission.malformed))
    for what, digest, schema, height in wanted:
        try:
            read = objects.read(digest, "parquet", cut=what == "findings")
            frames[what] = from_parquet(read.content, schema, read.name, rows=height, columns=_columns(what))
            told = read.told or f"{frames[what].height:,} rows"
            links.append(Link(what, read.name, "erased" if read.erasure else "whole", told))
        except GateError as error:
            links.append(broken(what, error))
    if admission.report is not None:
        try:
            read = objects.read(admission.report, "html", cut=True)
            state: State = "erased" if read.erasure else "whole"
            links.append(Link("report", read.name, state, read.told or "as it was shown"))
        except GateError as error:
            links.append(broken("report", error))
    links.append(_sums(admission))
    if rows is not None and frames.keys() == {"findings", "excluded", "malformed"}:
        links.append(_books(admission, rows, frames["excluded"], frames["malformed"]))
        links.append(_exclusions(frames["findings"], frames["excluded"], frames["malformed"]))
    return links


def _columns(what: str) -> list[str]:
    """What is looked at: never the texts."""
    return {
        "findings": ["rule", "code", "severity", "file", "row", "remedy", "state"],
        "excluded": list(EXCLUDED),
        "malformed": ["file", "row"],
    }[what]


def _sums(admission: Admission) -> Link:
    """Whether the numbers of an admission close."""
    sums = {
        "rows are not examples and malformed ones": admission.rows != admission.examples + admission.malformed,
        "examples are not admitted and excluded ones": admission.examples != admission.admitted + admission.excluded,
        "splits do not add up to the admitted examples": sum(admission.splits.values()) != admission.admitted,
        "files do not add up to the rows": sum(source.rows for source in admission.sources) != admission.rows,
        "there is no admitted example": not admission.admitted,
    }
    wrong = [what for what, is_wrong in sums.items() if is_wrong]
    if wrong:
        return Link("counts", "", "broken", "the counts do not close: " + "; ".join(wrong))
    said = (
        f"{admission.rows:,} rows = {admission.examples:,} examples + {admission.malformed:,} malformed; "
        f"{admission.examples:,} examples = {admission.admitted:,} admitted + {admission.excluded:,} excluded"
    )
    return Link("counts", "", said=said)


def _books(admission: Admission, rows: pl.DataFrame, excluded: pl.DataFrame, malformed: pl.DataFrame) -> Link:
    """Whether each file's rows are accounted for, each once."""
    found: Counter[str] = Counter()
    for frame in (rows, excluded, malformed):
        for file, count in frame["file"].value_counts().iter_rows():
            found[str(file)] += count
    said = {source.path: source.rows for source in admission.sources}
    wrong = sorted(path for path in said.keys() | found.keys() if said.get(path, 0) != found[path])
    if wrong:
        return Link("files", wrong[0], "broken", "not every row of it is accounted for")
    places = pl.concat([frame.select("file", "row").drop_nulls() for frame in (rows, excluded, malformed)])
    if places.is_duplicated().any():
        return Link("files", "", "broken", "a row is accounted for twice")
    return Link("files", "", said=f"every row of {len(said):,} files is accounted for once")


def _exclusions(findings: pl.DataFrame, excluded: pl.DataFrame, malformed: pl.DataFrame) -> Link:
    """Whether what was left out is what the findings exclude, no more and no less."""
    demanded = blocked(findings)
    keys = ["file", "row"]
    examples = demanded.join(malformed.select(keys).drop_nulls(), on=keys, how="anti")
    left_out = excluded.select(*keys, "rules", "codes").sort(keys)
    if not examples.select(left_out.columns).sort(keys).equals(left_out):
        return Link("exclusions", "", "broken", "what was left out is not what the findings exclude")
    return Link("exclusions", "", said=f"{left_out.height:,} examples left out, each by its findings")


def _name(objects: Objects, digest: str) -> str:
    return objects.store.name(objects.store.path(digest, "json"))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
