"""What statements refer to: the objects behind them, and the whole chain of a snapshot.

What nothing reaches may be thrown away (`gate store gc`); what a snapshot reaches is what has to travel with it
(`gate store bundle`). An object that an erasure replaced is not reached any more, what stands for it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from gate.provenance.ledger import Ledger
from gate.provenance.statements import (
    Admission,
    Erasure,
    Evaluation,
    ModelRef,
    Promotion,
    Ref,
    Review,
    Statement,
    Training,
)
from gate.snapshots.layout import Descriptor
from gate.store.objects import Damaged, Store

LARGEST_DESCRIPTOR = 256 << 20
"""Bytes: a million shards. A guard against the wrong file."""
NOTHING = hashlib.sha256(b"").hexdigest()
"""What an erasure puts in the place of an object of which nothing is left."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """An object that something rests on."""

    digest: str
    kind: str

    @property
    def name(self) -> str:
        """Its path in a store."""
        return f"objects/{self.digest[:2]}/{self.digest}.{self.kind}"


def named(statement: Statement) -> list[Reference]:
    """The objects that a statement names itself."""
    about = statement.about
    if isinstance(about, Admission):
        found = [
            Reference(about.descriptor, "json"),
            Reference(about.policy, "json"),
            Reference(about.findings, "parquet"),
        ]
        return [*found, *([Reference(about.report, "html")] if about.report else [])]
    if isinstance(about, Review):
        return [Reference(about.verdicts, "parquet")]
    if isinstance(about, Training):
        documents = [about.recipe, about.environment, *_given(about.canary_strings, about.criteria)]
        made = [Reference(about.accounting, "parquet"), Reference(about.curves, "jsonl")]
        made += [Reference(about.retention_suite, "jsonl")] if about.retention_suite else []
        return [*(Reference(digest, "json") for digest in documents), *made]
    if isinstance(about, Evaluation):
        documents = [
            about.settings,
            about.environment,
            *_given(about.prompts),
            *(each.document for each in about.tasks),
        ]
        items = [Reference(each.items, "parquet") for each in about.tasks]
        return [*(Reference(digest, "json") for digest in documents), *items]
    if isinstance(about, Promotion):
        documents = [about.policy, about.result, *_given(about.criteria)]
        return [*(Reference(digest, "json") for digest in documents), Reference(about.report, "html")]
    return []


def _given(*digests: str | None) -> list[str]:
    return [each for each in digests if each is not None]


def described(descriptor: Descriptor) -> list[Reference]:
    """The objects that a descriptor names."""
    digests = [digest for shard in descriptor.shards for digest in (shard.examples, shard.splits)]
    return [Reference(digest, "parquet") for digest in [*digests, descriptor.excluded, descriptor.malformed]]


def read_descriptor(store: Store, digest: str) -> Descriptor:
    """A descriptor whose bytes were hashed.

    Raises:
        Damaged: it is not there, is not what its name says, or is no descriptor.
    """
    path = store.path(digest, "json")
    if path.is_file() and path.stat().st_size > LARGEST_DESCRIPTOR:
        raise Damaged("too large to be a snapshot's descriptor", where=store.name(path))
    try:
        return Descriptor.model_validate_json(store.read(digest, "json"))
    except ValidationError:
        raise Damaged("not the descriptor of a snapshot", where=store.name(path)) from None


@dataclass(frozen=True, slots=True)
class Erased:
    """An object that is gone for good."""

    by: Statement
    """The erasure."""
    replacement: str
    """What stands for it."""


def erased(statements: Iterable[Statement]) -> dict[str, Erased]:
    """The objects that erasures replaced, by digest. An object may be replaced more than once, one after another."""
    return {
        old: Erased(one, new)
        for one in statements
        if isinstance(one.about, Erasure)
        for old, new in one.about.objects.items()
        if old != new
    }


def current(digest: str, gone: dict[str, Erased]) -> str:
    """What stands for an object now: itself, or what the last erasure put in its place.

    Raises:
        Damaged: erasures that replace one another in a circle.
    """
    seen = {digest}
    while digest in gone:
        digest = gone[digest].replacement
        if digest in seen:
            raise Damaged("erasures replace one another in a circle", where=f"object {digest}")
        seen.add(digest)
    return digest


def present(store: Store, digest: str, kind: str, gone: dict[str, Erased]) -> Reference:
    """The object that is to be read for one that a statement names: what stands for it, where that is there. An erasure
    that says so and never put anything there (it was broken off, or is nobody's to say) takes nothing away.

    Raises:
        Damaged: erasures that replace one another in a circle.
    """
    last = current(digest, gone)
    if last != digest and not store.path(last, kind).is_file() and store.path(digest, kind).is_file():
        return Reference(digest, kind)
    return Reference(last, kind)


@dataclass(frozen=True, slots=True)
class Reach:
    """What statements and refs reach."""

    objects: dict[Reference, Statement]
    """Every object, and a statement that rests on it."""
    missing: dict[Reference, Statement]
    """Those that are not in the store."""
    absent: dict[str, Statement]
    """Digests of statements that are not among them, and one that rests on each."""


def reach(store: Store, statements: Iterable[Statement], gone: dict[str, Erased] | None = None) -> Reach:
    """Everything that some statements (refs among them) rest on.

    Args:
        gone: objects that were erased; those that the statements themselves say, where it is not given.

    Raises:
        Damaged: a descriptor that is not what it should be; what rests on it cannot be known.
    """
    every = list(statements)
    gone = erased(every) if gone is None else gone
    found = Reach({}, {}, {})
    there = {one.digest for one in every if not isinstance(one.about, Ref | ModelRef)}
    read: set[str] = set()
    for one in every:
        for each in _follow(store, one, gone, read):
            found.objects.setdefault(each, one)
            if each.digest != NOTHING and not store.path(each.digest, each.kind).is_file():
                found.missing.setdefault(each, one)
        for parent in _before(one):
            if parent not in there:
                found.absent.setdefault(parent, one)
    return found


def _follow(store: Store, one: Statement, gone: dict[str, Erased], read: set[str]) -> Iterator[Reference]:
    for each in named(one):
        standing = present(store, each.digest, each.kind, gone)
        yield standing
        if isinstance(one.about, Admission) and each.digest == one.about.descriptor and standing.digest not in read:
            if not store.path(standing.digest, standing.kind).is_file():
                continue  # it is listed as missing
            read.add(standing.digest)
            for inner in described(read_descriptor(store, standing.digest)):
                yield present(store, inner.digest, inner.kind, gone)


def every_ref(ledger: Ledger) -> list[Statement]:
    """Every ref of a store, by name and number.

    Raises:
        Damaged: a file among them is none.
    """
    return [ledger.ref(name, number) for name, numbers in ledger.store.refs().items() for number in numbers]


def chain(ledger: Ledger, snapshot: str) -> tuple[list[Statement], list[Statement]]:
    """The statements about a snapshot with all that they rest on, and the refs that point at it.

    A statement rests on its author's one before it, too: whoever gets the chain sees that none was taken out. So
    statements about other snapshots may be among them, whose objects are not.

    Raises:
        Damaged: a statement or ref in the store is none.
    """
    every = {one.digest: one for one in ledger.all()}
    refs = [one for one in every_ref(ledger) if isinstance(one.about, Ref) and one.about.snapshot == snapshot]
    wanted = {one.digest for one in every.values() if about(one, snapshot)}
    wanted |= {parent for ref in refs for parent in ref.parents} & every.keys()
    return _down(every, wanted | _said_of(every, wanted)), refs


def model_chain(ledger: Ledger, model: str) -> tuple[list[Statement], list[Statement]]:
    """The statements about a model with all that they rest on (promotions, evaluations, training, snapshots), what was
    said of these, and the refs that point at it. Its files are not in the store.

    Raises:
        Damaged: a statement or ref in the store is none.
    """
    every = {one.digest: one for one in ledger.all()}
    refs = [one for one in every_ref(ledger) if isinstance(one.about, ModelRef) and one.about.model == model]
    wanted = {one.digest for one in every.values() if model in (getattr(one.about, "model", None), about_of(one))}
    wanted |= {parent for ref in refs for parent in ref.parents} & every.keys()
    wanted |= {one.digest for one in _down(every, wanted, authors=False)}
    trained = [one.about for one in every.values() if one.digest in wanted and isinstance(one.about, Training)]
    snapshots = {on.snapshot for each in trained for on in each.snapshots}
    wanted |= {one.digest for one in every.values() for snapshot in snapshots if about(one, snapshot)}
    return _down(every, wanted | _said_of(every, wanted)), refs


def about_of(one: Statement) -> str | None:
    """What is revoked: the id of a snapshot, or a model's digest."""
    return getattr(one.about, "snapshot", None) if one.kind == "revocation" else None


def _said_of(every: dict[str, Statement], wanted: set[str]) -> set[str]:
    return {one.digest for one in every.values() if one.kind in _SAID_OF and wanted.intersection(one.parents)}


def _down(every: dict[str, Statement], wanted: set[str], *, authors: bool = True) -> list[Statement]:
    """Some statements with all that they rest on, the oldest first.

    Args:
        authors: a statement rests on its author's one before it, too.
    """
    found = new = wanted & every.keys()
    while new:
        new = {
            parent
            for digest in new
            for parent in (_before(every[digest]) if authors else every[digest].parents)
            if parent in every
        } - found
        found = found | new
    return sorted((every[digest] for digest in found), key=lambda one: (one.made, one.digest))


_SAID_OF = ("approval", "rejection")


def about(one: Statement, snapshot: str) -> bool:
    """Whether a statement is about a snapshot itself (and not about a statement that is)."""
    if isinstance(one.about, Erasure):
        return snapshot in one.about.snapshots
    if isinstance(one.about, Evaluation):  # of a model, on items that were made of its test split
        return False
    return getattr(one.about, "snapshot", None) == snapshot


def _before(one: Statement) -> list[str]:
    return [*one.parents, *([one.previous] if one.previous else [])]
