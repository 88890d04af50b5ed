"""Stores elsewhere: a folder, or anything that fsspec opens by a URL (an object store, a server, an archive, memory).

What a remote lists is a claim: names have to be a store's own, and no file may be longer than the list said. A remote
is written to by creating names that are not taken. Where a file appears only when it is whole (object stores), it is
written at once; elsewhere under a temporary name first.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import orjson

from gate.errors import GateError, MissingDependency, UsageError
from gate.store.files import move, opened, put, refused
from gate.store.inspect import files, part_of
from gate.store.objects import FORMAT, Damaged, Store, StoreError
from gate.store.transfer import Side

_PIECE = 4 << 20
_AT_ONCE = 64 << 20
"""Bytes up to which a file is held in memory on its way to an object store."""
_WHOLE = {"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2"}
"""Protocols of fsspec whose files appear only when they are whole."""
_PARTS = {"objects": "object", "statements": "statement", "refs": "ref"}


@dataclass(frozen=True, slots=True)
class Local:
    """A store on this machine's disks."""

    store: Store
    threads: int = 4

    @property
    def where(self) -> str:
        return os.fspath(self.store.root)

    def files(self, part: str) -> dict[str, int]:
        # What is no plain file, or not of the store by its name, does not travel; `gate store check` names it.
        return {
            file.name: file.bytes for file in files(self.store.root, part) if file.part == _PARTS[part] and file.plain
        }

    def read(self, name: str, size: int) -> Iterator[bytes]:
        try:
            with opened(self.store.root / name) as file:
                yield from _bounded(file, size, f"{self.where}: {name}")
        except OSError as error:
            raise Damaged(f"it cannot be read ({error.strerror or error})", where=f"{self.where}: {name}") from None

    def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
        target = self.store.root / name
        if part_of(name) != "object":
            digest = target.stem if part_of(name) == "statement" else None
            return put(target, b"".join(pieces), digest)
        with self.store.scratch() as path:
            try:
                with path.open("xb") as file:
                    for piece in pieces:
                        file.write(piece)
            except OSError as error:
                raise refused(error, target) from None
            return move(path, target, target.name.partition(".")[0])


class FileSystem(Protocol):
    """What is used of fsspec's `AbstractFileSystem`, which has no types of its own."""

    protocol: str | tuple[str, ...]
    async_impl: bool

    def find(self, path: str, *, detail: bool) -> dict[str, dict[str, object]]: ...
    def exists(self, path: str) -> bool: ...
    def open(self, path: str, mode: str) -> IO[bytes]: ...
    def pipe_file(self, path: str, value: bytes, mode: str) -> None: ...
    def put_file(self, lpath: str, rpath: str, mode: str) -> None: ...
    def makedirs(self, path: str, exist_ok: bool) -> None: ...
    def mv(self, path1: str, path2: str) -> None: ...
    def rm_file(self, path: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Remote:
    """A store behind a URL."""

    where: str
    fs: FileSystem
    root: str
    """Its path in the file system."""

    @property
    def threads(self) -> int:
        return 8 if self.fs.async_impl else 1  # others are not made for several threads

    def files(self, part: str) -> dict[str, int]:
        prefix = posixpath.join(self.root, part)
        with self._told("it cannot be listed"):
            try:
                listed = self.fs.find(prefix, detail=True)
            except FileNotFoundError:
                return {}
        found: dict[str, int] = {}
        for path, info in listed.items():
            name = posixpath.join(part, path.removeprefix(prefix).strip("/"))
            size = info.get("size")
            if info.get("type") == "file" and part_of(name) == _PARTS[part] and isinstance(size, int) and size >= 0:
                found[name] = size
        return found

    def read(self, name: str, size: int) -> Iterator[bytes]:
        with (
            self._told(f"{name} cannot be read"),
            self.fs.open(posixpath.join(self.root, name), "rb") as file,
        ):
            yield from _bounded(file, size, f"{self.where}: {name}")

    def write(self, name: str, pieces: Iterator[bytes], size: int) -> bool:
        path = posixpath.join(self.root, name)
        if size <= _AT_ONCE:
            content = b"".join(pieces)
            return self._create(path, name, content)
        with tempfile.TemporaryDirectory(prefix="gate-") as folder:
            whole = Path(folder) / "object"
            with whole.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
            return self._create(path, name, whole)

    def format(self) -> int | None:
        """The format of the store there; None where there is none."""
        path = posixpath.join(self.root, "format.json")
        with self._told("it cannot be reached"):
            if not self.fs.exists(path):
                return None
            with self.fs.open(path, "rb") as file:
                content = file.read(4096)
        try:
            return int(orjson.loads(content)["format"])
        except (ValueError, KeyError, TypeError):
            raise StoreError("its format.json cannot be read", where=self.where) from None

    def make(self) -> None:
        """A new store there."""
        self._create(posixpath.join(self.root, "format.json"), "format.json", orjson.dumps({"format": FORMAT}) + b"\n")

    def _create(self, path: str, name: str, content: bytes | Path) -> bool:
        protocols = (self.fs.protocol,) if isinstance(self.fs.protocol, str) else self.fs.protocol
        whole = not _WHOLE.isdisjoint(protocols)
        temporary = path if whole else posixpath.join(posixpath.dirname(path), f".{uuid.uuid4().hex}.tmp")
        try:
            with self._told(f"{name} cannot be written"):
                if self.fs.exists(path):
                    return False
                if not whole:
                    self.fs.makedirs(posixpath.dirname(path), exist_ok=True)
                if isinstance(content, Path):
                    self.fs.put_file(os.fspath(content), temporary, mode="create")
                else:
                    self.fs.pipe_file(temporary, content, mode="create")
                if not whole:
                    if self.fs.exists(path):
                        return False
                    self.fs.mv(temporary, path)
        except FileExistsError:
            return False
        finally:
            if not whole:
                with contextlib.suppress(Exception):
                    self.fs.rm_file(temporary)
        return True

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever a backend raises, in a sentence: their classes have nothing in common."""
        try:
            yield
        except (GateError, FileExistsError):
            raise
        except Exception as error:  # noqa: BLE001 - see above
            raise _failed(what, error, self.where) from None


def _failed(what: str, error: Exception, where: str) -> StoreError:
    from gate.data.masking import mask_text  # messages of backends may quote addresses with a password

    reason = mask_text(f"{type(error).__name__}: {error}".strip(": "))[:300]
    return StoreError(f"{what} ({reason})", where=where, remedy="see whether the address and your access are right")


def open_side(url: str, *, create: bool = False) -> Side:
    """The store at a folder's path or an fsspec URL.

    Args:
        create: make it where there is none.

    Raises:
        StoreError: there is none, its format is another one, or it cannot be reached.
        UsageError: not an address that fsspec knows.
        MissingDependency: the package of fsspec for it is not installed.
    """
    if "://" not in url and "::" not in url:
        return _local(Path(url).expanduser(), create)
    if url.startswith("file://"):
        return _local(Path(url.removeprefix("file://")), create)
    try:
        from fsspec.core import url_to_fs

        fs, root = url_to_fs(url)
    except ImportError as error:
        raise MissingDependency(
            f"fsspec needs another package for this address ({error})", where=_shown(url), remedy="install it"
        ) from None
    except ValueError as error:
        raise UsageError(f"not an address of a store ({error})", where=_shown(url)) from None
    except Exception as error:  # noqa: BLE001 - the backends' classes have nothing in common
        raise _failed("it cannot be opened", error, _shown(url)) from None
    remote = Remote(_shown(url), fs, root.rstrip("/"))
    form = remote.format()
    if form is None:
        if not create:
            raise StoreError("there is no store", where=remote.where, remedy="`gate store push` makes one")
        remote.make()
    elif form != FORMAT:
        raise StoreError(f"the store has format {form}, and this gate knows format {FORMAT}", where=remote.where)
    return remote


def _local(root: Path, create: bool) -> Local:
    return Local(Store.create(root) if create else Store(root))


def _bounded(file: IO[bytes], size: int, where: str) -> Iterator[bytes]:
    left = size
    while piece := file.read(min(_PIECE, left + 1)):
        left -= len(piece)
        if left < 0:
            raise Damaged(f"it is longer than the {size:,} bytes that it was said to have", where=where)
        yield piece
    if left:
        raise Damaged(f"it ends {left:,} bytes before its end", where=where)


def _shown(url: str) -> str:
    """An address without the password in it."""
    return re.sub(r"//[^/\s]*@", "//", url)
