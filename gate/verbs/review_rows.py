"""The examples that a review draws from: those of some data, or of a snapshot that was verified."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from gate.admission.prepare import Reading, prepare
from gate.admission.sources import gather
from gate.admission.stored import StoredDataset
from gate.checks.meta_columns import COLUMN, meta_value
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, KINDS
from gate.data.read import no_dataset
from gate.engines.local import LocalEngine
from gate.errors import UsageError
from gate.folders import Folders
from gate.policy.select import policy_for
from gate.policy.settings import find_settings
from gate.provenance.ledger import Ledger
from gate.provenance.standing import standing
from gate.provenance.trust import Trust
from gate.snapshots.naming import find_snapshot
from gate.snapshots.open import NotApproved, Snapshot, verified
from gate.snapshots.sealed_objects import trusted_erasures
from gate.store.places import open_cache
from gate.verbs.base import settled

OnStage = Callable[[str, int, int], None]

SMALL = ("id", "split", "kind", "file", "row")
"""What is known of every row without its texts."""


class Rows(Protocol):
    """Examples, wherever they come from."""

    @property
    def snapshot(self) -> str | None:
        """The id of the snapshot; None: data that was not sealed."""
        ...

    @property
    def folders(self) -> Folders:
        """Where policies and lexicons are found."""
        ...

    def small(self) -> pl.DataFrame:
        """The columns `SMALL` of every example."""
        ...

    def shards(self, columns: Sequence[str] = tuple(EXAMPLES)) -> Iterator[pl.DataFrame]:
        """All examples (schema `EXAMPLES`, or some columns), some thousands at a time, in the order of `small`."""
        ...

    def fetch(self, ids: pl.Series) -> pl.DataFrame:
        """One example (schema `EXAMPLES`) for each of these content ids that is there, in the order asked for."""
        ...


@dataclass(frozen=True, slots=True)
class OfData:
    """Those of files that were just read."""

    corpus: Corpus
    folders: Folders
    snapshot: None = None

    def small(self) -> pl.DataFrame:
        return self.corpus.rows.select(SMALL)

    def shards(self, columns: Sequence[str] = tuple(EXAMPLES)) -> Iterator[pl.DataFrame]:
        for shard in self.corpus.shards:
            yield shard.load(list(columns))

    def fetch(self, ids: pl.Series) -> pl.DataFrame:
        places = self.corpus.rows.select("id").with_row_index("position").unique("id", keep="first")
        asked = ids.alias("id").to_frame().join(places, on="id", maintain_order="left")
        return self.corpus.examples(asked["position"])


@dataclass(frozen=True, slots=True)
class OfSnapshot:
    """Those of a snapshot, which is verified as it is read."""

    opened: Snapshot
    folders: Folders

    @property
    def snapshot(self) -> str:
        return self.opened.id

    def small(self) -> pl.DataFrame:
        return pl.concat([part.select(SMALL) for part in self.opened.examples()])

    def shards(self, columns: Sequence[str] = tuple(EXAMPLES)) -> Iterator[pl.DataFrame]:
        for part in self.opened.examples():
            yield part.select(columns)

    def fetch(self, ids: pl.Series) -> pl.DataFrame:
        wanted = ids.alias("id").to_frame()
        parts = [part.join(wanted, on="id", how="semi") for part in self.opened.examples()]
        return wanted.join(pl.concat(parts).unique("id"), on="id", maintain_order="left").select(list(EXAMPLES))


def rows_of_data(paths: Sequence[str], on_stage: OnStage = lambda stage, done, total: None) -> OfData:
    """Read some data, as `gate check` would.

    Raises:
        InputError: a path that cannot be read at all.
        UsageError: no data was named.
        PolicyError: settings or policies that do not say something gate can use.
    """
    start = Path(paths[0]) if paths and Path(paths[0]).exists() else Path()
    settings = find_settings(start)
    folders = Folders(settings.folder)
    asked = settled(paths, settings)
    # Columns are named as in a check: rows are the same ones then.
    policies = [policy_for(kind, None, settings, folders) for kind in (*KINDS, None)]
    columns = next((policy.columns for policy in policies if policy.columns is not None), settings.columns)
    reading = Reading(columns=columns, keep_source=False, folders=folders, cache=open_cache(start, keep=True))
    with LocalEngine() as engine, tempfile.TemporaryDirectory(prefix="gate-") as spool:
        sources = gather(asked, Path(spool), stdin=sys.stdin.buffer, threads=engine.cores)
        (prepared,) = prepare(
            [sources], [], reading, engine, lambda file, done, total: on_stage(f"reading {file}", done, total)
        )
    if not prepared.files:
        raise no_dataset(prepared.skipped, asked)
    return OfData(StoredDataset(sources, prepared, reading).corpus(), folders)


def rows_of_snapshot(
    what: str, ledger: Ledger, trust: Trust, on_stage: OnStage = lambda stage, done, total: None
) -> OfSnapshot:
    """Open a snapshot to be looked at: it need not be approved yet, since it is reviewed to be.

    Raises:
        UsageError: there is no such snapshot.
        Untrusted: nobody who is trusted has admitted it.
        NotApproved: it was revoked, or content of it was erased.
        Damaged: something in it is not what was admitted.
    """
    snapshot = find_snapshot(ledger, what, trust)
    stands = standing(ledger, trust, snapshot)
    if stands.status in ("revoked", "erased"):
        raise NotApproved(
            f"the snapshot was {stands.status}: {'; '.join(stands.reasons)}",
            where=snapshot[:12],
            remedy="review another one (`gate snapshots ls`), or the data itself",
        )
    erasures = trusted_erasures(ledger.all(), trust)
    descriptor = verified(
        ledger.store, stands.admission, lambda done, total: on_stage("reading rows", done, total), erasures
    )
    return OfSnapshot(Snapshot(snapshot, stands, descriptor, ledger.store), Folders(find_settings(Path()).folder))


def stratum_of(rows: Rows, column: str) -> pl.Series:
    """The values of one of the dataset's own columns (`meta`), one for each row of `small`; null where it has none.

    Raises:
        UsageError: no such name for a column, or no row has it.
    """
    import re

    if not re.fullmatch(COLUMN, column):
        raise UsageError(
            f"{column[:100]!r} is no name for a column", remedy="letters, digits, _ and -; . leads into an object"
        )
    parts = [pl.Series(dtype=pl.String)]
    parts += [each.select(meta_value(column).alias("value"))["value"] for each in rows.shards(["meta"])]
    values = pl.concat(parts)
    if values.null_count() == values.len():
        raise UsageError(
            f"no example has a column {column!r} beside its texts",
            remedy="name a column of the data with --stratify, or leave it out: split, kind and file are told apart",
        )
    return values


def named_path(what: Sequence[str]) -> bool:
    """Whether what was named is data, rather than a snapshot: a path or a glob, or several of them."""
    return len(what) != 1 or os.path.lexists(what[0]) or any(sign in what[0] for sign in "*?[/.") or what[0] == "-"
