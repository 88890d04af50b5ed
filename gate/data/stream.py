"""The bytes of one source file: decompressed in blocks, digested on the way, within limits.

Compression is recognised by its first bytes, not by the name. What came out before a damaged place is handed on; the
damage is raised afterwards, as a `Misfit`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gate.data.malformed import Misfit, Reason

BLOCK = 4 << 20
"""Bytes read at a time: large enough that per-block work vanishes, small beside any limit."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may cost in memory and time, so that a bomb is a finding and not an outage."""

    expanded_ratio: int = 200
    """How many times its size on disk a compressed file may grow; text compresses 3 to 10 times, templates 50."""
    expanded_floor: int = 1 << 30
    """Bytes that any compressed file may grow to, however small it is."""
    record: int = 256 << 20
    """Bytes of one record; a longer line is passed over without being held."""
    malformed: int = 1_000_000
    """Malformed rows of one file, each of which is held; the rest of the file is then given up as one."""

    def expanded(self, size: int) -> int:
        """The bytes to which a file of some size may grow."""
        return max(self.expanded_floor, self.expanded_ratio * size)


class Stream:
    """One file, read once from its beginning to its end."""

    def __init__(self, file: BinaryIO, size: int, limits: Limits, progress: Callable[[int], None] | None) -> None:
        self._file, self._limits, self._progress = file, limits, progress
        self._hash = hashlib.sha256()
        self.size = size
        self.read = 0
        """Bytes read so far, as on disk."""
        self.expanded = 0
        self._first = self._raw()
        kinds = {_GZIP: "+gz", _ZSTD: "+zst"}
        self.compression = next((name for magic, name in kinds.items() if self._first.startswith(magic)), "")
        expand = {"": self._plain, "+gz": self._gunzip, "+zst": self._unzstd}[self.compression]
        self._source = self._within_limits(expand())
        self._peeked: bytes | None = None

    def peek(self) -> bytes:
        """The first block, decompressed, without consuming it; empty when the file is empty or damaged at once."""
        if self._peeked is None:
            try:
                self._peeked = next(self._source, b"")
            except Misfit as misfit:
                self._peeked = b""
                self._source = _raising(misfit)
        return self._peeked

    def blocks(self) -> Iterator[bytes]:
        """The decompressed bytes, none of the blocks empty.

        Raises:
            Misfit: after the last good block, when the rest is damaged, incomplete or too large.
        """
        first = self.peek()
        if first:
            yield first
        yield from self._source

    def sha256(self) -> str:
        """The digest of the bytes on disk, reading what has not been read yet."""
        while self._raw():
            pass
        return self._hash.hexdigest()

    def _raw(self) -> bytes:
        block = self._file.read(BLOCK)
        self._hash.update(block)
        self.read += len(block)
        if self._progress is not None and block:
            self._progress(self.read)
        return block

    def _stored(self) -> Iterator[bytes]:
        block, self._first = self._first, b""
        while block:
            yield block
            block = self._raw()

    def _plain(self) -> Iterator[bytes]:
        return self._stored()

    def _within_limits(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.expanded += len(block)
            allowed = self._limits.expanded(max(self.size, self.read))
            if self.compression and self.expanded > allowed:
                raise Misfit(Reason.TOO_LARGE, f"expands beyond {allowed:,} bytes, from {self.size:,} on disk")
            yield block

    def _gunzip(self) -> Iterator[bytes]:
        unzip = zlib.decompressobj(wbits=31)
        fresh = False
        for block in self._stored():
            while block:
                if fresh and not block.strip(b"\x00"):
                    break  # zero padding after the last member
                fresh = False
                try:
                    out = unzip.decompress(block, BLOCK)
                except zlib.error:
                    raise Misfit(Reason.CORRUPT, "the gzip data is damaged") from None
                if out:
                    yield out
                block = unzip.unconsumed_tail
                if unzip.eof:
                    block = unzip.unused_data
                    unzip, fresh = zlib.decompressobj(wbits=31), True
        if not fresh:
            raise Misfit(Reason.TRUNCATED, "the gzip data ends early")

    def _unzstd(self) -> Iterator[bytes]:
        import zstandard

        unzip = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
        fresh = False
        for stored in self._stored():
            # A zstd block of a few bytes may expand to 128 KiB, and decompressobj gives all of it at once: small
            # steps keep one step's output below 64 MiB.
            for start in range(0, len(stored), 2048):
                piece = stored[start : start + 2048]
                while piece:
                    fresh = False
                    try:
                        out = unzip.decompress(piece)
                    except zstandard.ZstdError:
                        raise Misfit(Reason.CORRUPT, "the zstd data is damaged") from None
                    if out:
                        yield out
                    piece = b""
                    if unzip.eof:
                        piece = unzip.unused_data
                        unzip = zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()
                        fresh = True
        if not fresh:
            raise Misfit(Reason.TRUNCATED, "the zstd data ends early")


def _raising(misfit: Misfit) -> Iterator[bytes]:
    raise misfit
    yield b""  # makes this a generator
