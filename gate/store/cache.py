"""Results that may be thrown away: entries of frames, found by the digest of everything that they follow from.

An entry is a manifest (`KEY.json`) and a frame per part (`KEY.PART.arrow`, Arrow IPC). The manifest holds the
SHA-256 of every part and of itself; it is written last, so that an interrupted run leaves no entry. What is not
whole, bit for bit, is dropped and computed anew. Files are readable by their owner only: they hold rows of the data.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import orjson
import polars as pl

from gate.errors import UsageError

Compression = Literal["uncompressed", "lz4"]

FORMAT = "1"
"""Of the files; another one is never read."""

IN_USE = 3600.0
"""Seconds since an entry was last used in which no other run throws it away to make room."""


class CacheError(UsageError):
    """There is no room or no permission to write what a run has to put down."""


@dataclass(frozen=True, slots=True)
class Part:
    """One frame of an entry."""

    name: str
    height: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known under a key."""

    key: str
    meta: Mapping[str, object]
    """Numbers and names that go with the frames; JSON-able."""
    parts: Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as `gate cache ls` shows it."""

    key: str
    kind: str
    bytes: int
    used: float
    """When it was last used, seconds since 1970."""


class Cache:
    """A folder of entries. Any number of processes may use it at a time.

    Args:
        folder: made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def close(self) -> None:
        """Let go of what goes with the object; what is kept on disk stays."""

    def part(self, key: str, name: str, frame: pl.DataFrame, compression: Compression = "uncompressed") -> Part:
        """Write one frame of an entry that `commit` will complete.

        Raises:
            CacheError: there is no room or no permission.
        """
        buffer = io.BytesIO()
        frame.write_ipc(buffer, compression=compression, compat_level=pl.CompatLevel.newest())
        content = buffer.getbuffer()
        self._put(self.path(key, name), content)
        return Part(name, frame.height, len(content), hashlib.sha256(content).hexdigest())

    def commit(self, key: str, kind: str, meta: Mapping[str, object], parts: Sequence[Part] = ()) -> Entry:
        """Complete an entry: from now on it is found.

        Args:
            kind: what it is, for people.

        Raises:
            CacheError: there is no room or no permission.
        """
        manifest = {"format": FORMAT, "kind": kind, "meta": dict(meta), "parts": [asdict(part) for part in parts]}
        body = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
        self._put(self._manifest(key), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        return Entry(key, dict(meta), {part.name: part for part in parts})

    def get(self, key: str) -> Entry | None:
        """The entry of a key; None where there is none, or its manifest or the size of a part is not right.

        What is in the parts is looked at by `frame` and `verify`.
        """
        path = self._manifest(key)
        try:
            digest, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != digest:
                raise ValueError
            manifest = orjson.loads(body)
            if manifest["format"] != FORMAT:
                raise ValueError
            parts = {part["name"]: Part(**part) for part in manifest["parts"]}
            if any(self.path(key, part.name).stat().st_size != part.bytes for part in parts.values()):
                raise ValueError
            os.utime(path)
        except FileNotFoundError:
            if path.exists():  # a part has gone
                self.drop(key)
            return None
        except (OSError, ValueError, KeyError, TypeError):
            self.drop(key)
            return None
        return Entry(key, manifest["meta"], parts)

    def has(self, key: str) -> bool:
        """Whether there is a manifest of that key: a hint, and no more."""
        return self._manifest(key).exists()

    def verify(self, entry: Entry, names: Sequence[str] | None = None) -> bool:
        """Whether parts (all of them by default) are what was written; an entry with one that is not is dropped."""
        for part in entry.parts.values():
            if names is not None and part.name not in names:
                continue
            try:
                with self.path(entry.key, part.name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                digest = ""
            if digest != part.sha256:
                self.drop(entry.key)
                return False
        return True

    def path(self, key: str, name: str) -> Path:
        """Where a part lies, so that Polars may scan it. Verify it first, unless this very run wrote it."""
        return self.folder / key[:2] / f"{key}.{name}.arrow"

    def drop(self, key: str) -> None:
        """Forget an entry; the manifest goes first."""
        with contextlib.suppress(OSError):
            self._manifest(key).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for path in self._manifest(key).parent.glob(f"{key}.*"):
                path.unlink(missing_ok=True)

    def entries(self) -> Iterator[Stored]:
        """Every entry, in no order."""
        for path in self.folder.glob("??/*.json"):
            key = path.stem
            try:
                kind = str(orjson.loads(path.read_bytes().partition(b"\n")[2])["kind"])
                size = sum(part.stat().st_size for part in path.parent.glob(f"{key}.*"))
                yield Stored(key, kind, size, path.stat().st_mtime)
            except (OSError, ValueError, KeyError):
                continue

    def clear(self) -> int:
        """Throw everything away that is of this cache.

        Returns:
            bytes set free.
        """
        freed = 0
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):
                size = path.stat().st_size
                path.unlink()
                freed += size
        return freed

    def shrink(self, limit: int) -> int:
        """Throw away the entries that were not used for longest, and leavings of runs that were killed, until at most
        `limit` bytes are kept. What was used within the last hour stays.

        Returns:
            bytes set free.
        """
        files: dict[str, list[tuple[str, int]]] = {}
        used: dict[str, float] = {}
        total = 0
        for file in self._files():
            with contextlib.suppress(OSError):
                status = file.stat()
                key = file.name.lstrip(".").split(".")[0]
                files.setdefault(key, []).append((file.path, status.st_size))
                whole = file.name.endswith(".json")
                used[key] = status.st_mtime if whole else max(used.get(key, 0.0), status.st_mtime)
                total += status.st_size
        freed, now = 0, time.time()
        for key in sorted(files, key=lambda each: used[each]):
            if total - freed <= limit or now - used[key] < IN_USE:
                break
            self.drop(key)
            for path, size in files[key]:
                with contextlib.suppress(OSError):
                    Path(path).unlink(missing_ok=True)
                    freed += size
        return freed

    def _files(self) -> Iterator[os.DirEntry[str]]:
        """Every file; thousands of them, so not by `glob`, which takes ten times as long."""
        with contextlib.suppress(OSError):
            for folder in os.scandir(self.folder):
                if len(folder.name) == 2:
                    with contextlib.suppress(OSError):
                        yield from os.scandir(folder)

    def _manifest(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"

    def _put(self, path: Path, content: bytes | memoryview) -> None:
        temporary = path.with_name(f".{path.name.split('.')[0]}.{uuid.uuid4().hex}.tmp")
        try:
            self._prepare(path.parent)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise CacheError(
                "there is no room left to write what is worked with" if full else f"{error.strerror or error}".lower(),
                where=os.fspath(self.folder),
                remedy="make room there, or work elsewhere: --no-cache writes to the folder that TMPDIR names",
            ) from None

    def _prepare(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# Written by gate; may be deleted at any time.\n*\n", encoding="utf-8")
