"""What lies in a store's folder, file by file: what belongs there is hashed again, what does not is named.

`objects`, `statements` and `refs` hold nothing but files of their kind. Temporary names are what a writer that was
killed has left; anything else is somebody else's.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.errors import GateError
from gate.store.files import hash_file, opened
from gate.store.objects import LARGEST_STATEMENT, Damaged, Store

Part = Literal["object", "statement", "ref", "format", "leftover", "unknown"]
What = Literal["damaged", "missing", "leftover", "unknown"]

_SHAPES: tuple[tuple[Part, re.Pattern[str]], ...] = (
    ("object", re.compile(r"objects/([0-9a-f]{2})/(?P<digest>\1[0-9a-f]{62})\.[a-z]{1,12}")),
    ("statement", re.compile(r"statements/(?P<digest>[0-9a-f]{64})\.json")),
    ("ref", re.compile(r"refs/[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?/[0-9]{6}\.json")),
    ("format", re.compile(r"format\.json")),
    ("leftover", re.compile(r"(?:.*/)?\.[0-9a-f]{32}\.tmp|refs/[^/]+/\.[0-9]{6}\.json\.claim")),
)
_OWN = ("objects", "statements", "refs")
_BESIDE = ("cache", "runs", ".gitignore")
"""Of the top folder, and not the store's: what may be deleted at any time, what training runs work in, and what git
leaves out."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in the store's folder."""

    name: str
    """Relative to the store."""
    part: Part
    bytes: int
    changed: float
    """Seconds since 1970."""
    plain: bool
    """Whether it is a file, and no link, folder, pipe or device."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a store that is not as it should be."""

    file: str
    what: What
    why: str

    @property
    def grave(self) -> bool:
        """Whether something of the store's is not whole; otherwise it only lies there."""
        return self.what in ("damaged", "missing")


def files(root: Path, part: str = "") -> Iterator[File]:
    """Every file under a store's folder, or under one of its own, by name; links are not followed."""
    stack = [root / part] if (root / part).is_dir() else []
    while stack:
        with os.scandir(stack.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name, reverse=True)
        for entry in found:
            name = Path(entry.path).relative_to(root).as_posix()
            if name in _BESIDE:
                continue
            what = part_of(name)
            # A folder of its own may be a link to where a team keeps objects; nothing below it may be one.
            if entry.is_dir(follow_symlinks=name in _OWN) and what not in ("object", "statement", "ref", "format"):
                if name.split("/")[0] in _OWN:
                    stack.append(Path(entry.path))
                else:
                    yield File(name + "/", "unknown", 0, 0.0, plain=False)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # a writer's temporary name, which has just become its own
                continue
            yield File(name, what, status.st_size, status.st_mtime, stat.S_ISREG(status.st_mode))


def part_of(name: str) -> Part:
    """What a file of a store is by its name, relative to the store."""
    return next((part for part, shape in _SHAPES if shape.fullmatch(name)), "unknown")


def digest_of(name: str) -> str | None:
    """The digest that the name of an object or statement says."""
    matches = (shape.fullmatch(name) for part, shape in _SHAPES if part in ("object", "statement"))
    return next((match["digest"] for match in matches if match), None)


Read = Callable[[str, bytes], object]
"""Reads a statement or ref (its name in the store, its bytes); raises `GateError` where it is none."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a store's files came to."""

    files: tuple[File, ...]
    problems: tuple[Problem, ...]
    """By file."""
    bytes: int
    """Hashed."""
    seconds: float


def inspect(store: Store, read: Read, on_bytes: Callable[[int, int], None] = lambda done, total: None) -> Inspected:
    """Hash every object and statement again, and read every statement and ref.

    Hashing lets other threads run, so the machine's processors share it: some 1 GB/s where they have SHA instructions
    and the files are in memory.

    Args:
        on_bytes: told how many bytes of how many are done.
    """
    begun = time.perf_counter()
    found = tuple(files(store.root))
    judged = [file for file in found if file.part in ("object", "statement", "ref", "format")]
    total, done, lock = sum(file.bytes for file in judged), 0, threading.Lock()

    def judge(file: File) -> Problem | None:
        nonlocal done
        problem = _problem(store.root, file, read)
        with lock:
            done += file.bytes
            on_bytes(done, total)
        return problem

    with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
        problems = [each for each in pool.map(judge, judged) if each is not None]
    problems += [_strange(file) for file in found if file.part in ("leftover", "unknown")]
    seconds = time.perf_counter() - begun
    return Inspected(found, tuple(sorted(problems, key=lambda each: each.file)), total, seconds)


def _problem(root: Path, file: File, read: Read) -> Problem | None:
    if not file.plain:
        return Problem(file.name, "damaged", "it is a link, a folder or a device, and no file")
    path = root / file.name
    try:
        if file.part == "object":
            whole = hash_file(path)[0] == digest_of(file.name)
            return None if whole else Problem(file.name, "damaged", "its bytes are not what its name says")
        if file.part == "format":
            return None  # the store was opened by it
        if file.bytes > LARGEST_STATEMENT:
            return Problem(file.name, "damaged", "it is too large to be a statement")
        with opened(path) as stream:
            read(file.name, stream.read(LARGEST_STATEMENT + 1))
    except FileNotFoundError:
        return None  # thrown away in this very moment
    except OSError as error:
        return Problem(file.name, "damaged", f"it cannot be read ({error.strerror or error})")
    except GateError as error:
        return Problem(file.name, "damaged", error.what)
    return None


def _strange(file: File) -> Problem:
    if file.part == "leftover":
        return Problem(file.name, "leftover", "a writer that was ended before it was done has left it")
    if file.name.split("/")[0] not in _OWN:
        return Problem(file.name, "unknown", "it is not of the store")
    if not file.plain:
        return Problem(file.name, "damaged", "it is a link, a folder or a device, and no file of the store")
    return Problem(file.name, "damaged", "its name is not one of the store's: it is out of its place, or not of it")


def wrong_name(name: str, content: bytes) -> None:
    """That a statement's bytes are what its name says.

    Raises:
        Damaged: they are not.
    """
    said = digest_of(name)
    if said is not None and hashlib.sha256(content).hexdigest() != said:
        raise Damaged("its bytes are not what its name says", where=name)
