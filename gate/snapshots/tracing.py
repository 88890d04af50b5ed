"""An example's life: the files it came from, what was found of it, which snapshots have it, and whether it was erased.

Only objects whose bytes were hashed are looked into. No text of an example is ever given back: who traces somebody's
words is told where they are, and not once more what they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from gate.admission.result import FINDINGS
from gate.data.masking import mask_text
from gate.data.side_by_side import side_by_side
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Erasure, Review, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.erased_rows import CONTENT
from gate.snapshots.layout import ADMITTED, ASSIGNED, EXCLUDED, VERDICTS, Descriptor, ShardObjects
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.snapshots.sealed_rows import THREADS, read_descriptor

_PLACE = ("id", "record_id", "file", "row", "line", "kind")
_MESSAGES = ("messages", "chosen", "rejected")
_TEXTS = ("content", "name")  # of a message; tool calls are JSON
_JSON = ("tools", "meta")


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a file that the example came from."""

    file: str
    row: int
    line: int | None
    split: str | None
    """None: it was not admitted."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A snapshot that has the example, or one whose admission left it out."""

    snapshot: str
    name: str
    statement: str
    """Of the admission."""
    made: str
    author: str
    trusted: bool | None
    """Whether its author may admit; None where nobody said whom to trust."""
    places: tuple[Place, ...]
    rules: tuple[str, ...] = ()
    """The rules that left it out; empty where it was admitted."""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found at the example, when it was judged for an admission."""

    statement: str
    rule: str
    code: str
    severity: str
    state: str
    file: str | None
    row: int | None
    field: str | None
    message: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Erased:
    """A tombstone of the example."""

    statement: str
    made: str
    author: str
    why: str
    trusted: bool | None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person said of the example in a spot check."""

    statement: str
    made: str
    author: str
    verdict: str


@dataclass(frozen=True, slots=True)
class TrainedIn:
    """What became of the example in a training run."""

    statement: str
    run: str
    made: str
    author: str
    trusted: bool | None
    snapshot: str
    model: str
    fate: str
    """`trained`, `dropped` or `unseen`."""
    times: int
    """How often the model learned from it."""
    reason: str | None
    """Of what was not trained on."""


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that the store knows of an example."""

    id: str
    """Its content id."""
    records: tuple[str, ...]
    """Its record ids, one for each different `meta`."""
    kind: str | None
    """None: it was never admitted."""
    content: bool
    """Whether the store still holds what it says."""
    admitted: tuple[Sealed, ...]
    excluded: tuple[Sealed, ...]
    findings: tuple[Found, ...]
    reviews: tuple[Reviewed, ...]
    erasures: tuple[Erased, ...]
    runs: tuple[TrainedIn, ...] = ()
    """Training runs that had it in a train split; `gate.training.seen` tells of them."""
    models: tuple[str, ...] = ()
    """Digests of the models that learned from it, and of the forms in which they were released."""
    promoted: tuple[str, ...] = ()
    """What was decided of these models, in sentences."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was looked for, and what was found."""

    by: str
    """`id`, `message` (a whole message, or the whole text, is what was looked for) or `part`."""
    matches: int
    """Different examples."""
    lives: tuple[Life, ...]
    """Of the first of them, by id."""
    statements: int
    """Statements that were looked through."""
    trust: str | None
    """Where the trust came from; None where nobody said whom to trust."""


class Tracer:
    """Looks examples up in the admissions of a store.

    Args:
        trust: whose word counts; statements are told apart by it, and all are looked at: who asks where somebody's
            words are wants to know of every place.

    Raises:
        Damaged: a statement in the store is none.
    """

    def __init__(self, ledger: Ledger, trust: Trust | None) -> None:
        self.trust = trust
        self.statements = ledger.all()
        # Where it is known whose word counts, nobody else's tombstone leads away from an object.
        every = [one for one in self.statements if isinstance(one.about, Erasure)]
        self.objects = Objects(ledger.store, every if trust is None else trusted_erasures(every, trust))

    @cached_property
    def _descriptors(self) -> list[tuple[Statement, Admission, Descriptor]]:
        return [
            (one, one.about, read_descriptor(self.objects, one.about))
            for one in self.statements
            if isinstance(one.about, Admission)
        ]

    def ids(self, prefix: str) -> list[str]:
        """The content ids that begin so, of examples that were admitted, left out or erased.

        Raises:
            Damaged: an object is missing, or not what its name says.
        """
        starts = pl.col("id").str.starts_with(prefix)
        found = {each for each in self.objects.erased_examples() if each.startswith(prefix)}
        found |= set(self._examples(starts, ["id"])["id"])
        for _, _, descriptor in self._descriptors:
            found |= set(self._table(descriptor.excluded, EXCLUDED, ["id"]).filter(starts)["id"])
        return sorted(found)

    def saying(self, text: str) -> tuple[list[str], bool]:
        """The content ids of admitted examples that say something, and whether a whole message (or the whole text) is
        that; otherwise it is part of one, of a tool call, or of what else the row holds.

        Raises:
            Damaged: as `ids`.
        """
        columns = ["id", *_MESSAGES, "text", *_JSON]
        exact = sorted(set(self._examples(_says_exactly(text), columns)["id"]))
        return (exact, True) if exact else (sorted(set(self._examples(_says(text), columns)["id"])), False)

    def lives(self, ids: Sequence[str]) -> list[Life]:
        """The lives of some examples, by their whole ids, in this order.

        Raises:
            Damaged: as `ids`.
        """
        wanted = pl.col("id").is_in(list(ids))
        rows, left_out, findings = [], [], []
        shards = self._shards(wanted)
        for statement, admission, descriptor in self._descriptors:
            own = [shards[shard.examples, shard.splits] for shard in descriptor.shards]
            rows += [part.with_columns(statement=pl.lit(statement.digest)) for part in own if part.height]
            excluded = self._table(descriptor.excluded, EXCLUDED).filter(wanted)
            left_out.append(excluded.with_columns(statement=pl.lit(statement.digest)))
            found = self._table(admission.findings, FINDINGS).filter(wanted)
            findings.append(found.with_columns(statement=pl.lit(statement.digest)))
        by = {one.digest: one for one in self.statements}
        return [self._life(each, rows, left_out, findings, by) for each in ids]

    def _life(
        self,
        example: str,
        rows: list[pl.DataFrame],
        left_out: list[pl.DataFrame],
        findings: list[pl.DataFrame],
        by: dict[str, Statement],
    ) -> Life:
        own = [part.filter(pl.col("id") == example) for part in rows]
        own = [part for part in own if part.height]
        admitted, content, records, kind = [], False, set[str](), None
        for digest in dict.fromkeys(part["statement"][0] for part in own):
            parts = pl.concat([part for part in own if part["statement"][0] == digest])
            content |= bool(parts["content"].any())
            records |= set(parts["record_id"])
            kind = str(parts["kind"][0])
            places = parts.select("file", "row", "line", "split").iter_rows()
            admitted.append(self._sealed(by[digest], tuple(Place(*place) for place in places)))
        excluded = []
        for part in left_out:
            mine = part.filter(pl.col("id") == example)
            if mine.height:
                records |= set(mine["record_id"])
                rules = tuple(sorted(set(mine["rules"].explode())))
                codes = tuple(sorted(set(mine["codes"].explode())))
                places = mine.select("file", "row").iter_rows()
                out = tuple(Place(file, row, None, None) for file, row in places)
                excluded.append(self._sealed(by[mine["statement"][0]], out, rules, codes))
        return Life(
            id=example,
            records=tuple(sorted(records)),
            kind=kind,
            content=content,
            admitted=tuple(admitted),
            excluded=tuple(excluded),
            findings=tuple(_findings(findings, example)),
            reviews=tuple(self._reviews(example)),
            erasures=tuple(
                Erased(one.digest, one.made, one.author, one.about.why, self.trusted(one))
                for one in self.statements
                if isinstance(one.about, Erasure) and example in one.about.examples
            ),
        )

    def _sealed(
        self, one: Statement, places: tuple[Place, ...], rules: tuple[str, ...] = (), codes: tuple[str, ...] = ()
    ) -> Sealed:
        assert isinstance(one.about, Admission)
        about, trusted = one.about, self.trusted(one)
        return Sealed(about.snapshot, about.name, one.digest, one.made, one.author, trusted, places, rules, codes)

    def trusted(self, one: Statement) -> bool | None:
        """Whether its author's word counts; None where nobody said whom to trust."""
        if self.trust is None:
            return None
        try:
            self.trust.vouched(one)
        except Untrusted:
            return False
        return True

    def _reviews(self, example: str) -> Iterator[Reviewed]:
        for one in self.statements:
            if isinstance(one.about, Review):
                said = self._table(one.about.verdicts, VERDICTS, ["id", "verdict"]).filter(pl.col("id") == example)
                for verdict in said["verdict"]:
                    yield Reviewed(one.digest, one.made, one.author, verdict)

    def _table(self, digest: str, schema: pl.Schema, columns: list[str] | None = None) -> pl.DataFrame:
        read = self.objects.read(digest, "parquet", cut=True)
        return from_parquet(read.content, schema, read.name, columns=columns)

    def _examples(self, predicate: pl.Expr, columns: list[str]) -> pl.DataFrame:
        """The ids of rows of all snapshots for which it holds, each object looked at once."""
        digests = dict.fromkeys(shard.examples for _, _, each in self._descriptors for shard in each.shards)

        def look(digest: str) -> pl.DataFrame:
            return self._table(digest, ADMITTED, columns).filter(predicate).select("id")

        return pl.concat([pl.DataFrame(schema={"id": pl.String}), *side_by_side(look, digests, THREADS)])

    def _shards(self, wanted: pl.Expr) -> dict[tuple[str, str], pl.DataFrame]:
        """Rows of each shard for which it holds: columns `_PLACE`, `split` and `content`."""
        pairs = {
            (shard.examples, shard.splits): shard
            for _, _, descriptor in self._descriptors
            for shard in descriptor.shards
        }

        def look(shard: ShardObjects) -> pl.DataFrame:
            splits = self._table(shard.splits, ASSIGNED)
            rows = self._table(shard.examples, ADMITTED, ["id"])
            here = rows.select(wanted.alias("here"))["here"]
            if not here.any():
                return pl.DataFrame(schema={"id": pl.String})
            content = pl.any_horizontal(*(pl.col(name).is_not_null() for name in CONTENT)).alias("content")
            every = self._table(shard.examples, ADMITTED).filter(here).select(*_PLACE, content)
            return every.with_columns(splits["split"].filter(here).cast(pl.String))

        return dict(zip(pairs, side_by_side(look, pairs.values(), THREADS), strict=True))


def _findings(parts: list[pl.DataFrame], example: str) -> Iterator[Found]:
    for part in parts:
        # A loop over the findings on one example, which are few.
        for row in part.filter(pl.col("id") == example).iter_rows(named=True):
            yield Found(
                statement=row["statement"],
                rule=row["rule"],
                code=row["code"],
                severity=row["severity"],
                state=row["state"],
                file=row["file"],
                row=row["row"],
                field=row["field"],
                message=mask_text(row["message"] or ""),
                remedy=row["remedy"],
            )


def _says_exactly(text: str) -> pl.Expr:
    """Rows in which a whole message, or the whole text, is this."""
    each = [
        pl.col(name).list.eval(pl.element().struct.field("content") == text).list.any().fill_null(False)
        for name in _MESSAGES
    ]
    return pl.any_horizontal(*each, (pl.col("text") == text).fill_null(False))


def _says(text: str) -> pl.Expr:
    """Rows that hold this somewhere."""
    # In JSON it may stand escaped, with or without its letters beyond ASCII; in the arguments of a tool call, which are
    # JSON in JSON, twice.
    once = dict.fromkeys((text, *_escaped(text)))
    forms = dict.fromkeys((*once, *(form for each in once for form in _escaped(each))))
    parts = [pl.col("text").str.contains(text, literal=True)]
    parts += [pl.col(name).str.contains(form, literal=True) for name in _JSON for form in forms]
    for name in _MESSAGES:
        inside = [pl.element().struct.field(field).str.contains(text, literal=True) for field in _TEXTS]
        inside += [pl.element().struct.field("tool_calls").str.contains(form, literal=True) for form in forms]
        parts.append(pl.col(name).list.eval(pl.any_horizontal(*(one.fill_null(False) for one in inside))).list.any())
    return pl.any_horizontal(*(part.fill_null(False) for part in parts))


def _escaped(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
