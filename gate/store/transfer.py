"""Copies what one store has and another lacks: objects first, then statements, then refs.

So a reader of either never sees a statement whose objects are not there. Lists are taken the other way round (refs,
statements, objects), because a writer may be at work meanwhile. Every file is hashed on its way and is put in place
only when it is whole; a ref whose number is taken there by another one is a conflict, which nothing overwrites.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from gate.store.inspect import Read, digest_of
from gate.store.objects import LARGEST_STATEMENT, Damaged

OnBytes = Callable[[int, int], None]


class Side(Protocol):
    """A store that files are copied from or to. Names are relative to it, such as `statements/ab….json`."""

    @property
    def where(self) -> str:
        """How to name it to a person."""
        ...

    @property
    def threads(self) -> int:
        """How many files may be under way at a time."""
        ...

    def files(self, part: str) -> dict[str, int]:
        """The names of one part (`objects`, `statements`, `refs`), and the bytes that each is said to have."""
        ...

    def read(self, name: str, size: int) -> Iterator[bytes]:
        """A file piece by piece.

        Raises:
            Damaged: it is gone, cannot be read, or has more than `size` bytes.
        """
        ...

    def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
        """Put a file in place whole, unless there is one; whatever `pieces` raises leaves nothing behind.

        Returns:
            False where there was one.
        """
        ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """A ref that both have, with other bytes."""

    ref: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    objects: int
    statements: int
    refs: int
    bytes: int
    erased: int
    """Objects that were left where they are, because an erasure says that they are gone."""
    conflicts: tuple[Conflict, ...]
    """Their names' refs were not copied; everything else was."""


def copy(
    source: Side,
    target: Side,
    *,
    read: Read,
    gone: Callable[[Mapping[str, bytes]], frozenset[str]] = lambda statements: frozenset(),
    on_bytes: OnBytes = lambda done, total: None,
) -> Copied:
    """Copy what `target` lacks.

    Args:
        read: reads a statement or ref before it is put in place; raises `GateError` where it is none, or where
            something that it rests on is not there.
        gone: of the statements that only one of them has (by name, their bytes): digests of objects not to be copied,
            because they were erased.

    Raises:
        Damaged: a file is not what its name says, or is larger than the source said.
        StoreError: there is no room or no permission.
    """
    parts = ("refs", "statements", "objects")
    theirs = {part: source.files(part) for part in parts}
    ours = {part: target.files(part) for part in parts}
    lacking = {part: {name: n for name, n in theirs[part].items() if name not in ours[part]} for part in parts}
    for part in ("statements", "refs"):
        for name, size in lacking[part].items():
            if size > LARGEST_STATEMENT:
                raise Damaged("it is too large to be a statement", where=f"{source.where}: {name}")
    # Statements are small, and say which objects are gone: they are fetched first and put in place last.
    statements = dict(_fetched(source, lacking["statements"]))
    unknown = {name: size for name, size in ours["statements"].items() if name not in theirs["statements"]}
    left = gone(statements | dict(_fetched(target, unknown)))
    objects = {name: size for name, size in lacking["objects"].items() if digest_of(name) not in left}
    sent = _objects(source, target, objects, on_bytes)
    new_statements = sum(_said(target, name, content, read) for name, content in sorted(statements.items()))
    conflicts = _conflicts(source, target, theirs["refs"], ours["refs"])
    disputed = {conflict.ref.split("/")[1] for conflict in conflicts}
    refs = {name: size for name, size in lacking["refs"].items() if name.split("/")[1] not in disputed}
    arriving = dict(_fetched(source, refs))
    new_refs = sum(_said(target, name, content, read) for name, content in sorted(arriving.items()))
    conflicts += _overtaken(target, arriving)
    return Copied(
        sent, new_statements, new_refs, sum(objects.values()), len(lacking["objects"]) - len(objects), conflicts
    )


def checked(pieces: Iterator[bytes], name: str, where: str) -> Iterator[bytes]:
    """The pieces, hashed as they pass: before the end of an object that is another one than its name says, it raises.

    Raises:
        Damaged: they are not what the name says.
    """
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        yield piece
    said = digest_of(name)
    if said is not None and digest.hexdigest() != said:
        raise Damaged("its bytes are not what its name says", where=f"{where}: {name}", remedy="nothing was kept of it")


def _objects(source: Side, target: Side, objects: Mapping[str, int], on_bytes: OnBytes) -> int:
    total, done, lock, stop = sum(objects.values()), 0, threading.Lock(), threading.Event()

    def counted(pieces: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal done
        for piece in pieces:
            if stop.is_set():
                raise KeyboardInterrupt
            yield piece
            with lock:
                done += len(piece)
                on_bytes(done, total)

    def one(name: str) -> bool:
        pieces = checked(counted(source.read(name, objects[name])), name, source.where)
        return target.write(name, pieces, objects[name])

    with ThreadPoolExecutor(min(source.threads, target.threads)) as pool:
        tasks = [pool.submit(one, name) for name in objects]
        try:
            return sum(task.result() for task in tasks)
        except BaseException:  # an interruption too: what is under way stops at its next piece, and cleans up
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _fetched(source: Side, files: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    def one(name: str) -> tuple[str, bytes]:
        return name, b"".join(checked(source.read(name, files[name]), name, source.where))

    with ThreadPoolExecutor(source.threads) as pool:
        yield from pool.map(one, files)


def _said(target: Side, name: str, content: bytes, read: Read) -> bool:
    read(name, content)
    return target.write(name, iter((content,)), len(content))


def _conflicts(source: Side, target: Side, theirs: Mapping[str, int], ours: Mapping[str, int]) -> tuple[Conflict, ...]:
    both = sorted(theirs.keys() & ours.keys())
    other = [name for name in both if theirs[name] != ours[name]]
    same = {name: theirs[name] for name in both if theirs[name] == ours[name] <= LARGEST_STATEMENT}
    held = dict(_fetched(target, same))
    other += [name for name, content in _fetched(source, same) if content != held[name]]
    return tuple(Conflict(name) for name in sorted(other))


def _overtaken(target: Side, arriving: Mapping[str, bytes]) -> tuple[Conflict, ...]:
    """Refs whose number somebody else took between the list and the writing. Not every remote can create a name
    exclusively, so what is there now is read again."""
    sizes = target.files("refs") if arriving else {}
    held = dict(_fetched(target, {name: sizes[name] for name in arriving if name in sizes}))
    return tuple(Conflict(name) for name in sorted(arriving) if held.get(name) != arriving[name])
