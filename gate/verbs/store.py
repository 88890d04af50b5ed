"""`gate store`: what lies in a store, whether it is whole, and what may go."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.errors import GateError
from gate.provenance.envelope import opened
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, ModelRef, Ref, Statement, read
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.reach import Erased, Reference, erased, every_ref, present, reach
from gate.store.inspect import File, Problem, files, inspect, part_of, wrong_name
from gate.store.objects import Damaged, Store, StoreError

OnBytes = Callable[[int, int], None]

YOUNGEST = 3600.0
"""Seconds: a file that nothing refers to may be another process's, whose statement comes last."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of one kind."""

    part: Literal["objects", "statements", "refs"]
    kind: str
    """Of objects their suffix, of statements what they say, of refs the name."""
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What lies in a store."""

    store: str
    kinds: tuple[Kept, ...]
    files: int
    bytes: int


def listed(store: Store) -> Listed:
    """What lies in a store; statements are read to say their kind, objects are not.

    Raises:
        Damaged: a statement is none.
    """
    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    kinds = {one.digest: one.kind for one in Ledger(store).all()}
    for file in files(store.root):
        path = Path(file.name)
        key = {
            "object": ("objects", path.suffix[1:]),
            "statement": ("statements", kinds.get(path.stem, "statement")),
            "ref": ("refs", path.parent.name),
        }.get(file.part)
        if key is not None:
            counts[key] += 1
            sizes[key] += file.bytes
    order = ("objects", "statements", "refs")
    found = sorted(counts, key=lambda key: (order.index(key[0]), -sizes[key], key[1]))
    kept = tuple(Kept(part, kind, counts[part, kind], sizes[part, kind]) for part, kind in found)  # type: ignore[arg-type]  # of `order`
    return Listed(os.fspath(store.root), kept, counts.total(), sizes.total())


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a store is whole."""

    store: str
    files: int
    """Objects, statements and refs."""
    bytes: int
    """Hashed."""
    seconds: float
    problems: tuple[Problem, ...]

    @property
    def exit_code(self) -> int:
        """1 where something of the store's is damaged or missing; what only lies there does not count."""
        return int(any(problem.grave for problem in self.problems))


def checked(store: Store, on_bytes: OnBytes = lambda done, total: None) -> Checked:
    """Hash every object and statement again, read every statement and ref, and see that what they name is there.

    Signatures are for `gate verify`: they need somebody to trust.
    """
    found = inspect(store, parse, on_bytes)
    judged = [file for file in found.files if file.part in ("object", "statement", "ref")]
    problems = list(found.problems)
    problems += _missing(store, {problem.file for problem in problems})
    return Checked(
        os.fspath(store.root),
        len(judged),
        found.bytes,
        found.seconds,
        tuple(sorted(set(problems), key=lambda each: each.file)),
    )


def parse(name: str, content: bytes) -> Statement:
    """The statement or ref that a file of a store holds.

    Raises:
        Damaged: it holds none, or another one than its name says.
    """
    wrong_name(name, content)
    found = read(opened(content, name), name)
    if isinstance(found.about, Ref | ModelRef) != (part_of(name) == "ref"):
        raise Damaged("a ref lies among refs, and nothing else does", where=name)
    if isinstance(found.about, Ref | ModelRef) and name != f"refs/{found.about.name}/{found.about.number:06}.json":
        raise Damaged("it is not the ref that its name says", where=name)
    return found


def _readable(store: Store) -> list[Statement]:
    """Statements and refs that can be read."""
    ledger, found = Ledger(store), []
    for digest in store.statements():
        with contextlib.suppress(GateError):  # named by `inspect`
            found.append(ledger.statement(digest))
    for name, numbers in store.refs().items():
        for number in numbers:
            with contextlib.suppress(GateError):
                found.append(ledger.ref(name, number))
    return found


def _missing(store: Store, known: set[str]) -> list[Problem]:
    """What statements name and is not there. An admission that no name of this store points at may have come along
    with another one's chain, without its objects."""
    every = _readable(store)
    named = {parent for one in every if isinstance(one.about, Ref) for parent in one.parents}
    gone = erased(every)
    here = [
        one
        for one in every
        if not isinstance(one.about, Admission)
        or one.digest in named
        or store.path(present(store, one.about.descriptor, "json", gone).digest, "json").is_file()
    ]
    problems = []
    for one in here:  # one at a time: a descriptor that is damaged says nothing of the others
        try:
            found = reach(store, [one], gone)
        except GateError as error:
            if error.where not in known:
                problems.append(Problem(error.where or one.digest, "damaged", error.what))
            continue
        why = f"it is missing, and {one.kind} {one.digest[:12]} names it"
        problems += [Problem(each.name, "missing", why) for each in found.missing]
    there = {one.digest for one in every}
    for one in every:
        for parent in (*one.parents, *([one.previous] if one.previous else [])):
            name = f"statements/{parent}.json"
            if parent not in there and name not in known:
                problems.append(Problem(name, "missing", f"it is missing, and a {one.kind} rests on it"))
    return list({problem.file: problem for problem in problems}.values())


@dataclass(frozen=True, slots=True)
class Collected:
    """What nothing refers to."""

    store: str
    deleted: bool
    """False: a dry run."""
    files: tuple[File, ...]
    """That are (or would be) deleted."""
    bytes: int
    young: int
    """Files that nothing refers to and that stay, because they are younger than an hour."""
    erased: int
    """Objects that an erasure replaced and that stay, because nobody trusted was named who says so."""


def collected(
    store: Store, *, trust: Trust | None = None, delete: bool = False, youngest: float = YOUNGEST
) -> Collected:
    """Find objects that nothing refers to and what writers that were killed left, and delete them where asked.

    Args:
        trust: whose erasures count: what they replaced is not referred to any more. Without it, all of that stays.
        delete: otherwise it is a dry run.
        youngest: seconds. What is younger stays: a writer may be under way.

    Raises:
        Damaged: a statement, ref or descriptor that cannot be read: what it refers to is not known.
    """
    now = time.time()
    lying = [file for file in files(store.root) if file.plain and file.part in ("object", "leftover")]
    ledger = Ledger(store)  # read after the list: what comes meanwhile refers to young files
    every = [*ledger.all(), *every_ref(ledger)]
    gone = {old: each for old, each in erased(every).items() if trust is not None and _may_erase(trust, each)}
    kept = {each.name for each in reach(store, every, gone).objects}
    kept_anyway = {each.name for each in reach(store, every).objects}
    loose = [file for file in lying if file.name not in kept | kept_anyway]
    replaced = {each.digest for each in map(_reference, kept) if each.digest in erased(every)}
    old = [file for file in loose if now - file.changed >= youngest]
    deleted = [file for file in old if not delete or _deleted(store, file, now - youngest)]
    return Collected(
        os.fspath(store.root),
        delete,
        tuple(deleted),
        sum(file.bytes for file in deleted),
        len(loose) - len(old),
        sum(store.path(each, "parquet").is_file() for each in replaced),
    )


def _reference(name: str) -> Reference:
    digest, _, kind = name.rpartition("/")[2].partition(".")
    return Reference(digest, kind)


def _may_erase(trust: Trust, each: Erased) -> bool:
    try:
        trust.vouched(each.by)
    except Untrusted:
        return False
    return True


def _deleted(store: Store, file: File, latest: float) -> bool:
    path = store.root / file.name
    with contextlib.suppress(FileNotFoundError):
        try:
            if path.lstat().st_mtime > latest:  # somebody has just found it, and refers to it next
                return False
            path.unlink()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"it cannot be deleted ({error.strerror})", where=os.fspath(path)) from None
        return True
    return False
