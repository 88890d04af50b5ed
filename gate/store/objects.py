"""The store: files that are never rewritten, named by the SHA-256 of what is in them.

    .gate/format.json                the version of this layout
    .gate/objects/ab/abcd….parquet   whatever statements point at: rows, findings, policies, reports
    .gate/statements/abcd….json      signed statements (gate.provenance)
    .gate/refs/NAME/000007.json      signed refs: the highest number is what NAME stands for now

Every file is written under a temporary name, synced, and put in place only where there is none yet. So writers need no
lock, readers see whole files, and a writer that is killed leaves at most a file that nobody points at. What is read is
hashed again: a file whose content is not what its name says is an error that names it, wherever it came from.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from gate.errors import GateError, UsageError
from gate.store.files import REFUSALS, StoreError, hash_file, move, opened, put, refused

__all__ = ["FORMAT", "LARGEST_STATEMENT", "Damaged", "Store", "StoreError", "Stored", "find_store", "hash_file"]

FORMAT = 1
"""Of the layout. A newer one is refused, an older one is migrated by command."""

_OBJECT = re.compile(r"(?P<digest>[0-9a-f]{64})\.(?P<kind>[a-z]{1,12})")
_STATEMENT = re.compile(r"(?P<digest>[0-9a-f]{64})\.json")
_REF = re.compile(r"(?P<number>[0-9]{6})\.json")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
LARGEST_STATEMENT = 64 << 20
"""Bytes: a guard against the wrong file (gate.provenance.envelope.LARGEST)."""


class Damaged(GateError):
    """Something in the store is not what its name says, or not what points at it: nothing that rests on it holds."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the store."""

    digest: str
    """SHA-256 (hex) of its bytes."""
    kind: str
    """What it holds, which is its suffix: `parquet`, `json`, `html`, `yaml`."""
    bytes: int


class Store:
    """A folder of objects, statements and refs.

    Args:
        root: the folder, mostly `.gate`. `Store.create` makes one; this only opens.

    Raises:
        StoreError: there is none, or its format is newer than this gate's.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            form = orjson.loads((root / "format.json").read_bytes())["format"]
        except FileNotFoundError:
            if any((root / part).is_dir() for part in ("objects", "statements", "refs")):
                raise StoreError(
                    "the store has no format.json", where=os.fspath(root), remedy="run `gate store migrate`"
                ) from None
            raise StoreError(
                "there is no store", where=os.fspath(root), remedy="`gate admit` makes one; or name one with --store"
            ) from None
        except (OSError, ValueError, KeyError, TypeError):
            raise StoreError("its format.json cannot be read", where=os.fspath(root)) from None
        if form != FORMAT or isinstance(form, bool):
            newer = isinstance(form, int) and form > FORMAT
            raise StoreError(
                f"the store has format {form}, and this gate knows format {FORMAT}",
                where=os.fspath(root),
                remedy="use a newer gate" if newer else "run `gate store migrate`",
            )

    @classmethod
    def create(cls, root: Path) -> Store:
        """The store at `root`, made where there is none."""
        if not (root / "format.json").exists():
            put(root / "format.json", orjson.dumps({"format": FORMAT}) + b"\n")
        return cls(root)

    # Objects

    def put(self, content: bytes | memoryview, kind: str) -> str:
        """Keep some bytes; returns their digest.

        Raises:
            StoreError: there is no room or no permission.
        """
        digest = hashlib.sha256(content).hexdigest()
        put(self.path(digest, kind), content, digest)
        return digest

    def put_file(self, path: Path, kind: str) -> Stored:
        """Keep a file that was written beside the store's own (`scratch`): it is moved, not copied."""
        digest, size = hash_file(path)
        move(path, self.path(digest, kind), digest)
        return Stored(digest, kind, size)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A name in the store's folder under which a large object may be written before `put_file` takes it.

        Raises:
            StoreError: there is no room or no permission.
        """
        path = self.root / "objects" / f".{uuid.uuid4().hex}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            raise refused(error, path) from None
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def path(self, digest: str, kind: str) -> Path:
        """Where an object lies, whether it is there or not; `verified` says that it is what it says."""
        if not _OBJECT.fullmatch(f"{digest}.{kind}"):
            raise Damaged("not the name of an object", where=f"{digest}.{kind}"[:100])
        return self.root / "objects" / digest[:2] / f"{digest}.{kind}"

    def verified(self, digest: str, kind: str) -> Path:
        """The path of an object whose bytes have just been hashed.

        Raises:
            Damaged: it is not there, or is not what its name says.
        """
        path = self.path(digest, kind)
        try:
            found, _ = hash_file(path)
        except OSError as error:
            what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
            raise Damaged(f"the object {what}", where=self.name(path), remedy=_RESTORE) from None
        if found != digest:
            raise Damaged("the object's bytes are not what its name says", where=self.name(path), remedy=_RESTORE)
        return path

    def read(self, digest: str, kind: str) -> bytes:
        """An object's bytes, hashed as they are read; for small ones.

        Raises:
            Damaged: it is not there, or is not what its name says.
        """
        path = self.path(digest, kind)
        return self._read(path, digest)

    def objects(self) -> Iterator[Stored]:
        """Every object by its name, in order; what is in them is not looked at."""
        for path in sorted((self.root / "objects").glob("??/*")):
            match = _OBJECT.fullmatch(path.name)
            with contextlib.suppress(FileNotFoundError):  # thrown away in this very moment
                status = path.lstat()
                if match and stat.S_ISREG(status.st_mode):
                    yield Stored(match["digest"], match["kind"], status.st_size)

    # Statements

    def put_statement(self, envelope: bytes) -> str:
        """Keep a signed statement (`gate.provenance.envelope` makes its bytes); returns its digest."""
        digest = hashlib.sha256(envelope).hexdigest()
        put(self.statement_path(digest), envelope, digest)
        return digest

    def statement(self, digest: str) -> bytes:
        """The bytes of a statement, hashed as they are read.

        Raises:
            Damaged: it is not there, or is not what its name says.
        """
        return self._read(self.statement_path(digest), digest, LARGEST_STATEMENT)

    def statement_path(self, digest: str) -> Path:
        """Where a statement lies, whether it is there or not."""
        if not _STATEMENT.fullmatch(f"{digest}.json"):
            raise Damaged("not the name of a statement", where=digest[:100])
        return self.root / "statements" / f"{digest}.json"

    def statements(self) -> list[str]:
        """The digests of all statements, in order."""
        matches = (_STATEMENT.fullmatch(path.name) for path in (self.root / "statements").glob("*.json"))
        return sorted(match["digest"] for match in matches if match)

    # Refs

    def put_ref(self, name: str, number: int, envelope: bytes) -> bool:
        """Write the ref of a number, exclusively.

        Returns:
            False where somebody else wrote that number first.

        Raises:
            UsageError: not a name.
            StoreError: there is no room or no permission.
        """
        return put(self.ref_path(name, number), envelope)

    def ref_path(self, name: str, number: int) -> Path:
        """Where a ref lies, whether it is there or not."""
        return self.root / "refs" / named(name) / f"{number:06}.json"

    def refs(self) -> dict[str, list[int]]:
        """The numbers of each name, in order."""
        found: dict[str, list[int]] = {}
        for path in sorted((self.root / "refs").glob("*/*.json")):
            match = _REF.fullmatch(path.name)
            if match and _NAME.fullmatch(path.parent.name) and ".." not in path.parent.name:
                found.setdefault(path.parent.name, []).append(int(match["number"]))
        return found

    def name(self, path: Path) -> str:
        """How to name a file of the store to a person: relative to its folder."""
        return path.relative_to(self.root).as_posix()

    def _read(self, path: Path, digest: str, limit: int | None = None) -> bytes:
        try:
            with opened(path) as file:
                content = file.read() if limit is None else file.read(limit + 1)
        except OSError as error:
            what = "it is missing" if isinstance(error, FileNotFoundError) else f"it cannot be read ({error.strerror})"
            raise Damaged(what, where=self.name(path), remedy=_RESTORE) from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise Damaged("its bytes are not what its name says", where=self.name(path), remedy=_RESTORE)
        return content


_RESTORE = "delete what is left of it, and restore it from a copy of the store (`gate store pull`, a bundle)"


def named(name: str) -> str:
    """The name of a dataset or model, if it is one.

    Raises:
        UsageError: it is none.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"{name!r} is no name for a dataset or model",
            remedy="use small letters, digits, dots, dashes and underscores, such as support-desk",
        )
    return name


def find_store(start: Path) -> Path:
    """The `.gate` folder for data at `start`: `GATE_STORE`, else the nearest one upwards as far as the root of the
    repository, else the one that would be made there. Outside of any repository that is in the working directory, where
    the next command looks for it, if `start` lies in it; else at `start`."""
    if named := os.environ.get("GATE_STORE"):
        return Path(named).expanduser().absolute()
    here = start.resolve()
    here = here if here.is_dir() else here.parent
    for folder in (here, *here.parents):
        if (folder / ".gate" / "format.json").is_file():
            return folder / ".gate"
        if os.path.lexists(folder / ".git"):
            return folder / ".gate"
    working = Path.cwd()
    return (working if here.is_relative_to(working) else here) / ".gate"
