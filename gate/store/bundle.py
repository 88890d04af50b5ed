"""A bundle: the whole chain of a snapshot in one file, to be carried where a store does not reach.

It is a plain tar file of a store's files, in one order (`format.json`, objects, statements, refs, each by name) and
with nothing in the headers but name and size, so that the same chain is the same bytes. What is read has to be just
that, header for header: no link, device, folder, absolute path, `..` or second member of a name can be in one.
"""

from __future__ import annotations

import io
import os
import tarfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from gate.store.files import opened, refused
from gate.store.inspect import Part, Read, digest_of, part_of
from gate.store.objects import FORMAT, LARGEST_STATEMENT, Damaged, Store, StoreError
from gate.store.transfer import Conflict, Copied, Side, checked

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 4 << 20
_ORDER = {"format": 0, "object": 1, "statement": 2, "ref": 3}
_KINDS = {
    b"1": "a hard link", b"2": "a link", b"3": "a device", b"4": "a device", b"5": "a folder", b"6": "a pipe",
    b"x": "an extended header", b"g": "an extended header", b"L": "a long name", b"K": "a long link", b"S": "sparse",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was written."""

    path: Path
    files: int
    bytes: int


def write_bundle(store: Store, names: Iterable[str], out: Path) -> Bundled:
    """Write some of a store's files (names relative to it) into one file, put in place when it is whole.

    Raises:
        Damaged: one of them is not there or is not what its name says.
        StoreError: there is no room or no permission; `out` is there already.
    """
    if os.path.lexists(out):
        raise StoreError("there is a file of that name", where=os.fspath(out), remedy="remove it, or name another")
    chosen = sorted({*names, "format.json"}, key=_place)
    temporary = out.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            for name in chosen:
                _append(store, name, file)
            file.write(bytes(2 * _BLOCK))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        temporary.replace(out)
    except OSError as error:
        raise refused(error, out) from None
    finally:
        temporary.unlink(missing_ok=True)
    return Bundled(out, len(chosen), size)


def _append(store: Store, name: str, file: IO[bytes]) -> None:
    with _source(store, name) as source:
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        file.write(_header(name, size))
        for piece in checked(iter(lambda: source.read(_PIECE), b""), name, os.fspath(store.root)):
            file.write(piece)
        file.write(bytes(-size % _BLOCK))


def _source(store: Store, name: str) -> IO[bytes]:
    if name == "format.json":
        return io.BytesIO(orjson.dumps({"format": FORMAT}) + b"\n")
    try:
        return opened(store.root / name)
    except OSError as error:
        raise Damaged(f"it cannot be read ({error.strerror or error})", where=name) from None


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.GNU_FORMAT)  # as USTAR, but sizes of 8 GiB and more fit


def _place(name: str) -> tuple[int, str]:
    return _ORDER[part_of(name)], name


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a bundle, whose bytes have to be read (or passed over) before the next one is asked for."""

    name: str
    size: int
    pieces: Iterator[bytes]


def members(file: IO[bytes], where: str) -> Iterator[Member]:
    """The files in a bundle, one after another.

    Args:
        file: open for reading, from its beginning.
        where: how to name it to a person.

    Raises:
        Damaged: it is no bundle, of another format, cut off, or holds anything but a store's files in their order.
    """
    last: tuple[int, str] | None = None
    left = _length(file)
    while True:
        header = file.read(_BLOCK)
        left -= len(header)
        if header == bytes(_BLOCK):
            if last is None or file.read(_BLOCK + 1) != bytes(_BLOCK):
                raise Damaged("it does not end as a bundle does", where=where)
            return
        member = _parsed(header, where)
        name, size = member
        if size > left:
            raise Damaged(f"it is cut off in {name}", where=where, remedy="copy it again")
        place = _place(name)
        if last is None and name != "format.json":
            raise Damaged("no bundle: it does not begin with format.json", where=where)
        if last is not None and place <= last:
            raise Damaged(f"{name} is there twice, or out of its order", where=where)
        last = place
        if place[0] >= _ORDER["statement"] and size > LARGEST_STATEMENT:
            raise Damaged(f"{name} is too large to be a statement", where=where)
        left -= size + -size % _BLOCK
        pieces = _pieces(file, size, f"{where}: {name}")
        if name == "format.json":
            _known(b"".join(pieces) if size <= 4096 else b"", where)
        else:
            yield Member(name, size, pieces)
        for _ in pieces:  # what was passed over
            pass


def _parsed(header: bytes, where: str) -> tuple[str, int]:
    try:
        found = tarfile.TarInfo.frombuf(header, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise Damaged("no bundle, or one that is cut off or damaged", where=where, remedy="copy it again") from None
    if found.type in (kind for kind in _KINDS):
        raise Damaged(f"it holds {_KINDS[found.type]}, which no bundle does", where=where)
    if part_of(found.name) not in _ORDER:
        raise Damaged(f"it holds {found.name[:100]!r}, which is no file of a store", where=where)
    if found.size < 0 or header != _header(found.name, found.size):
        raise Damaged(f"the header of {found.name} is not one that gate writes", where=where)
    return found.name, found.size


def _pieces(file: IO[bytes], size: int, where: str) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(_PIECE, left))
        if not piece:
            raise Damaged("it is cut off", where=where, remedy="copy it again")
        left -= len(piece)
        yield piece
    padding = -size % _BLOCK
    if file.read(padding) != bytes(padding):
        raise Damaged("it is cut off, or followed by something else", where=where)


def _known(content: bytes, where: str) -> None:
    try:
        form = orjson.loads(content)["format"]
    except (ValueError, KeyError, TypeError):
        raise Damaged("its format.json cannot be read", where=where) from None
    if form != FORMAT:
        raise StoreError(f"the bundle has format {form}, and this gate knows format {FORMAT}", where=where)


def _length(file: IO[bytes]) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def unpack(target: Side, file: IO[bytes], where: str, *, read: Read, gone: frozenset[str]) -> Copied:
    """Put the files of a bundle in place, each once it is whole and is what its name says.

    Args:
        read: reads a statement or ref before it is put in place; raises `GateError` where it is none.
        gone: digests of objects that were erased here, and do not come back.

    Raises:
        Damaged: see `members`; or a file is not what its name says.
        StoreError: there is no room or no permission.
    """
    counts, size, left, conflicts = Counter[Part](), 0, 0, []
    for member in members(file, where):
        part, pieces = part_of(member.name), checked(member.pieces, member.name, where)
        if part == "object":
            if digest_of(member.name) in gone:
                left += 1
                continue
            new = target.write(member.name, pieces, member.size)
            size += member.size * new
        else:
            content = b"".join(pieces)
            read(member.name, content)
            new = target.write(member.name, iter((content,)), len(content))
            if not new and part == "ref":
                held = target.read(member.name, target.files("refs").get(member.name, 0))
                conflicts += [Conflict(member.name)] if b"".join(held) != content else []
        counts[part] += new
    return Copied(counts["object"], counts["statement"], counts["ref"], size, left, tuple(conflicts))
