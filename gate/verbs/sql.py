"""`gate sql`: what a store holds, as tables to be asked.

Statements are read and objects behind the views that a query names are hashed before it runs. It is for looking, with
whatever standing a snapshot has; rows to train on come from `gate.open_snapshot` alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from gate.data.frame import SPLITS
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Evaluation, ModelRef, Promotion, Ref, Review, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.layout import Descriptor
from gate.snapshots.reach import Erased, erased, every_ref, present, read_descriptor
from gate.store.objects import Damaged, Store
from gate.store.views import Answer, Piece, View, asked
from gate.verbs.sql_views import SCHEMAS
from gate.verbs.surroundings import open_store, open_trust


def sql(
    query: str,
    *,
    store: Store | str | os.PathLike[str] | None = None,
    trust: Trust | str | os.PathLike[str] | None = None,
) -> pl.DataFrame:
    """What a query comes to.

    Args:
        query: a SELECT in DuckDB's SQL over the views of gate.verbs.sql_views.
        store: its folder; else `GATE_STORE`, else the nearest `.gate` upwards.
        trust: only snapshots count that somebody trusted by this file has admitted. All of them, where it is not given.

    Raises:
        QueryError: the query fails, or asks for anything but the views.
        Damaged: an object behind a view that the query names is missing or not what its name says.
        StoreError: there is no store.
    """
    opened = store if isinstance(store, Store) else open_store(None if store is None else Path(store))
    believed = trust if isinstance(trust, Trust) or trust is None else open_trust(Path(trust))
    import pyarrow as pa

    with answered(query, opened, believed) as answer:
        return whole_numbers(pl.DataFrame(pl.from_arrow(pa.Table.from_batches(answer.batches, answer.schema))))


def whole_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's sums of whole numbers have 128 bits, which come as decimals: as whole numbers again, where they fit."""
    sums = [name for name, dtype in frame.schema.items() if dtype == pl.Decimal(38, 0)]
    fitting = [
        name for name in sums if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()
    ]
    return frame.with_columns(pl.col(fitting).cast(pl.Int64))


@contextmanager
def answered(query: str, store: Store, trust: Trust | None = None) -> Iterator[Answer]:
    """The same, a batch of rows at a time."""
    tables = _Tables.of(store, trust)
    # A view that is not named needs no object. A name made up within the query finds a view that says so.
    named = query.casefold()
    views = {name: View(schema, tables.rows(name) if name in named else None) for name, schema in SCHEMAS.items()}
    with asked(query, views) as answer:
        yield answer


_PIECES = 64
"""Into how many the examples are divided, which DuckDB reads side by side; planning takes it some 7 ms for each."""


@dataclass(frozen=True, slots=True)
class _Tables:
    """What there is to show."""

    store: Store
    statements: list[Statement]
    trusted: dict[str, bool | None]
    admissions: list[tuple[Statement, Admission]]
    """The last one of each snapshot and name; where a trust file is given, of those that count."""
    refs: dict[tuple[str, str], int]
    """By name and snapshot: the highest number."""
    current: dict[str, int]
    """By name: the highest number."""
    champions: dict[str, str]
    """By name: the promotion that its last ref rests on."""
    gone: dict[str, Erased]

    @classmethod
    def of(cls, store: Store, trust: Trust | None) -> _Tables:
        ledger = Ledger(store)
        every = ledger.all()
        trusted = {one.digest: _vouched(trust, one) for one in every}
        last = {
            (one.about.snapshot, one.about.name): (one, one.about)
            for one in every
            if isinstance(one.about, Admission) and trusted[one.digest] is not False
        }
        refs: dict[tuple[str, str], int] = {}
        highest: dict[str, int] = {}
        champions: dict[str, str] = {}
        for ref in every_ref(ledger):
            if isinstance(ref.about, Ref) and _vouched(trust, ref) is not False:
                refs[ref.about.name, ref.about.snapshot] = ref.about.number
                highest[ref.about.name] = ref.about.number
            if isinstance(ref.about, ModelRef) and _vouched(trust, ref) is not False:
                champions[ref.about.name] = ref.about.statement
        counted = [one for one in every if trusted[one.digest] is not False]
        return cls(store, every, trusted, list(last.values()), refs, highest, champions, erased(counted))

    def rows(self, name: str) -> pl.DataFrame | tuple[Piece, ...]:
        """What a view shows, once the objects behind it were hashed."""
        if name == "snapshots":
            return self._snapshots()
        if name == "statements":
            return self._statements()
        if name == "evaluations":
            return self._evaluations()
        if name == "promotions":
            return self._promotions()
        pieces = tuple(getattr(self, f"_{name}", tuple)())
        paths = sorted({path for piece in pieces for path in piece.paths})
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            heights = dict(zip(paths, pool.map(self._verified, paths), strict=True))
        for together in (each for piece in pieces for each in zip(*piece.lists, strict=True)):
            if len({heights[path] for path in together}) > 1:
                told = "the splits of a shard are not as many as its rows"
                raise Damaged(told, where=self.store.name(together[0]))
        return pieces

    def _verified(self, path: Path) -> int:
        """The rows of an object whose bytes have just been hashed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.store.verified(path.stem, path.suffix[1:])
        try:
            return int(pq.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError) as error:
            told = f"it is no whole Parquet file ({type(error).__name__})"
            raise Damaged(told, where=self.store.name(path)) from None

    def _path(self, digest: str) -> Path:
        return self.store.path(present(self.store, digest, "parquet", self.gone).digest, "parquet")

    def _held(self) -> Iterator[tuple[Statement, Admission, Descriptor]]:
        for one, about in self.admissions:
            if self._is_held(about):
                yield one, about, read_descriptor(self.store, self._descriptor(about))

    def _descriptor(self, about: Admission) -> str:
        return present(self.store, about.descriptor, "json", self.gone).digest

    def _is_held(self, about: Admission) -> bool:
        return self.store.path(self._descriptor(about), "json").is_file()

    def _examples(self) -> Iterator[Piece]:
        held = list(self._held())
        for _, about, descriptor in held:
            size = max(1, -(-len(descriptor.shards) // max(1, _PIECES // len(held))))
            for start in range(0, len(descriptor.shards), size):
                some = descriptor.shards[start : start + size]
                splits = tuple(self._path(shard.splits) for shard in some)
                examples = tuple(self._path(shard.examples) for shard in some)
                yield Piece({"snapshot": about.snapshot, "name": about.name}, (splits, examples))

    def _findings(self) -> Iterator[Piece]:
        for one, about, _ in self._held():
            constants = {"snapshot": about.snapshot, "name": about.name, "statement": one.digest}
            yield Piece(constants, ((self._path(about.findings),),))

    def _excluded(self) -> Iterator[Piece]:
        for _, about, descriptor in self._held():
            yield Piece({"snapshot": about.snapshot, "name": about.name}, ((self._path(descriptor.excluded),),))

    def _malformed(self) -> Iterator[Piece]:
        for _, about, descriptor in self._held():
            yield Piece({"snapshot": about.snapshot, "name": about.name}, ((self._path(descriptor.malformed),),))

    def _verdicts(self) -> Iterator[Piece]:
        for one in self.statements:
            if isinstance(one.about, Review) and self.trusted[one.digest] is not False:
                constants = {"statement": one.digest, "author": one.author, "made": one.made}
                yield Piece(constants | {"snapshot": one.about.snapshot or ""}, ((self._path(one.about.verdicts),),))

    def _items(self) -> Iterator[Piece]:
        for one in self.statements:
            about = one.about
            if isinstance(about, Evaluation) and self.trusted[one.digest] is not False:
                said = {"evaluation": one.digest, "name": about.name, "model": about.model, "suite": about.suite}
                for each in about.tasks:
                    yield Piece(said | {"task": each.task}, ((self._path(each.items),),))

    def _evaluations(self) -> pl.DataFrame:
        # A row per task and metric of each evaluation: thousands at most.
        return pl.DataFrame(
            [
                {
                    **self._said(one),
                    "name": about.name,
                    "model": about.model,
                    "form": about.form,
                    "suite": about.suite,
                    "snapshot": about.snapshot,
                    "task": each.task,
                    "document": each.document,
                    "metric": metric,
                    "value": value,
                    "n": each.n,
                    "prompts": about.prompts is not None,
                    "repeat": about.repeat is not None,
                }
                for one in self.statements
                if isinstance(about := one.about, Evaluation) and self.trusted[one.digest] is not False
                for each in about.tasks
                for metric, value in each.scores.items()
            ],
            schema=SCHEMAS["evaluations"],
        )

    def _promotions(self) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    **self._said(one),
                    "name": about.name,
                    "model": about.model,
                    "verdict": about.verdict,
                    "champion": about.champion,
                    "champion_name": about.champion_name,
                    "first": about.first,
                    "current": self.champions.get(about.champion_name) == one.digest,
                    "criteria_changed": about.criteria_changed,
                    "reasons": about.reasons,
                    "policy": about.policy,
                    "report": about.report,
                }
                for one in self.statements
                if isinstance(about := one.about, Promotion) and self.trusted[one.digest] is not False
            ],
            schema=SCHEMAS["promotions"],
        )

    def _said(self, one: Statement) -> dict[str, object]:
        trusted = self.trusted[one.digest]
        return {"statement": one.digest, "made": one.made, "author": one.author, "trusted": trusted}

    def _snapshots(self) -> pl.DataFrame:
        # A row per admission: thousands at most.
        return pl.DataFrame(
            [
                {
                    "snapshot": about.snapshot,
                    "name": about.name,
                    "number": self.refs.get((about.name, about.snapshot)),
                    "current": self.refs.get((about.name, about.snapshot), -1) == self.current.get(about.name),
                    "held": self._is_held(about),
                    "statement": one.digest,
                    "made": one.made,
                    "author": one.author,
                    "trusted": self.trusted[one.digest],
                    "rows": about.rows,
                    "examples": about.examples,
                    "malformed": about.malformed,
                    "admitted": about.admitted,
                    "excluded": about.excluded,
                    **{split: about.splits.get(split, 0) for split in SPLITS},
                    "files": len(about.sources),
                    "policy": about.policy,
                }
                for one, about in self.admissions
            ],
            schema=SCHEMAS["snapshots"],
        )

    def _statements(self) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "statement": one.digest,
                    "kind": one.kind,
                    "made": one.made,
                    "author": one.author,
                    "keyid": one.keyid,
                    "trusted": self.trusted[one.digest],
                    "snapshot": getattr(one.about, "snapshot", None),
                    "parents": list(one.parents),
                    "previous": one.previous,
                    "version": one.version,
                    "about": orjson.dumps(one.about.model_dump(mode="json")).decode(),
                }
                for one in self.statements
            ],
            schema=SCHEMAS["statements"],
        )


def _vouched(trust: Trust | None, one: Statement) -> bool | None:
    if trust is None:
        return None
    try:
        trust.vouched(one)
    except Untrusted:
        return False
    return True
