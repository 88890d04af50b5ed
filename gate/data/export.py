"""Writes a file again in its own form with some of its rows changed or left out.

Every byte of a text file that belongs to no such row is copied as it stands: line ends, blank lines, indentation, the
byte order mark, quotes. The rows are counted by the very readers that `gate check` uses, and the file is copied in the
same pass, so that what is held is a batch of rows (a JSON document is held whole, as its reader holds it).
Parquet and Arrow are in `gate.data.export_columnar`.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from gate.data.batch import Batch, Reading
from gate.data.columns import ColumnMap
from gate.data.convert import Example, converter
from gate.data.find import Source
from gate.data.frame import SourceFile
from gate.data.ids import identify
from gate.data.malformed import Misfit
from gate.data.parse import Record
from gate.data.read_file import DEFAULT_LIMITS, _batches
from gate.data.shapes import Layout, recognise
from gate.data.stream import Stream
from gate.data.strings import NotRewritable, json_replaced, row_replaced, strings_of
from gate.errors import InputError

Rewrite = Callable[[Example, Sequence[str]], Mapping[str, str]]
"""Given an example and every text of its record, the new values of the texts that change."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of the rows of one file, by row number; the others stay."""

    drop: frozenset[int]
    rewrite: Mapping[int, Rewrite]
    ids: Mapping[int, str] = field(default_factory=dict)
    """The content id that a row is expected to have, where it is known."""


@dataclass(slots=True)
class Exported:
    """How many rows were left out, and which were written anew."""

    dropped: int = 0
    rewritten: set[int] = field(default_factory=set)
    kept: int = 0


@dataclass(slots=True)
class Converter:
    """Makes examples of the few records that are changed; the layout is recognised as the reader does."""

    columns: ColumnMap | None
    typed: bool
    layout: Layout | None = None
    _make: Callable[[Record], Example] | None = None

    def see(self, records: Sequence[Record]) -> None:
        """Take the file's first records."""
        if self.layout is None:
            self.layout = recognise(records, self.columns, typed=self.typed)
            self._make = None if self.layout is None else converter(self.layout)

    def new_texts(self, record: Record, row: int, changes: Changes, file: str) -> Mapping[str, str]:
        """The texts of a record that change, with their new values.

        Raises:
            InputError: the row is not the one that was judged.
        """
        if self.layout is None or self._make is None:
            return {}
        try:
            example = self._make(record)
        except Misfit:
            raise changed_meanwhile(file) from None
        content, _ = identify(
            self.layout.kind,
            example.messages,
            example.chosen,
            example.rejected,
            example.label,
            example.text,
            example.tools,
        )
        if row in changes.ids and changes.ids[row] != content:
            raise changed_meanwhile(file)
        return changes.rewrite[row](example, list(strings_of(record)))


def changed_meanwhile(file: str) -> InputError:
    """The file is not what was judged a moment ago."""
    return InputError("the file changed while it was being fixed", where=file, remedy="run the command again")


def export(
    source: Source, described: SourceFile, target: Path, changes: Changes, columns: ColumnMap | None
) -> Exported:
    """Write `source` to `target` with some rows changed.

    Args:
        described: what the judgement says of the file; its bytes must still have that digest.
        target: a path that does not exist yet, in a folder that does.

    Raises:
        InputError: the file is not what was judged, or cannot be read.
    """
    assert source.path is not None
    form, _, compression = described.format.partition("+")
    with source.path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != described.sha256:
            raise changed_meanwhile(source.file)
    made = Converter(columns, typed=form not in ("csv", "tsv"))
    if form in ("parquet", "arrow"):
        from gate.data.export_columnar import export_columnar

        return export_columnar(source, form, compression, target, changes, made)
    done = Exported()
    with _stream(source) as copied, _stream(source) as parsed, compressed(target, compression) as out:
        cuts = _cuts(parsed, form, source, changes, made, done)
        for piece in _spliced(_undamaged(copied), cuts):
            out.write(piece)
    return done


@contextmanager
def _stream(source: Source) -> Iterator[Stream]:
    assert source.path is not None
    with source.path.open("rb") as file:
        yield Stream(file, source.path.stat().st_size, DEFAULT_LIMITS, None)


@contextmanager
def compressed(target: Path, compression: str) -> Iterator[BinaryIO]:
    """A file to write to, compressed as its source was; the same content gives the same bytes."""
    with target.open("xb") as file:
        if compression == "gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield cast(BinaryIO, packed)
        elif compression == "zst":
            import zstandard

            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as zst:
                yield cast(BinaryIO, zst)
        else:
            yield file


def _undamaged(stream: Stream) -> Iterator[bytes]:
    """The bytes as far as they can be read: damage further on is a finding, and no row lies behind it."""
    try:
        yield from stream.blocks()
    except Misfit:
        return


@dataclass(frozen=True, slots=True)
class _Cut:
    """Bytes to be replaced: from `start` to `end`, or to the end of the line where that is not known."""

    start: int
    end: int | None
    new: bytes = b""
    with_line_end: bool = False
    """Take the line end behind it, too."""


@dataclass(slots=True)
class _Noting(Reading):
    """A reading that remembers where the rows stand that could not be read."""

    places: list[tuple[int, int, int]] = field(default_factory=list)
    """(row, offset, bytes)"""

    def fail(self, misfit: Misfit, raw: bytes | None, *, line: int | None = None, offset: int | None = None) -> None:
        Reading.fail(self, misfit, raw, line=line, offset=offset)
        if offset is not None:
            self.places.append((self.rows, offset, len(raw or b"")))

    def too_long(self) -> Iterator[tuple[int, int]]:
        """(row, offset) of the rows that were passed over without being held."""
        noted = {row for row, _, _ in self.places}
        return ((one.row, one.offset or 0) for one in self.bad if one.row is not None and one.row not in noted)


def _cuts(
    stream: Stream, form: str, source: Source, changes: Changes, made: Converter, done: Exported
) -> Iterator[_Cut]:
    reading = _Noting()
    batches = _batches(stream, form, source, reading, made.columns, DEFAULT_LIMITS)
    lines = form in ("csv", "tsv") or (
        form == "jsonl" and not stream.peek().lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    )
    yield from (_of_lines if lines else _of_document)(batches, reading, source.file, changes, made, done)
    done.kept = reading.rows - done.dropped


def _of_lines(
    batches: Iterable[Batch], reading: _Noting, file: str, changes: Changes, made: Converter, done: Exported
) -> Iterator[_Cut]:
    """Cuts of a file whose rows are lines, a batch at a time."""

    def failed() -> list[_Cut]:
        gone = [_Cut(offset, offset + size, b"", True) for row, offset, size in reading.places if row in changes.drop]
        gone += [_Cut(offset, None, b"", True) for row, offset in reading.too_long() if row in changes.drop]
        reading.places.clear()
        reading.bad.clear()
        done.dropped += len(gone)
        return gone

    for batch in batches:
        made.see(batch.records)
        cuts = failed()
        # A loop over the rows of a batch: only changed ones are looked at (≈ 0.1 µs for the others).
        for record, row, offset, raw in zip(batch.records, batch.rows, batch.offsets, batch.raws, strict=True):
            if row in changes.drop:
                assert offset is not None
                assert raw is not None
                cuts.append(_Cut(offset, offset + len(raw), b"", True))
                done.dropped += 1
            elif row in changes.rewrite:
                cuts += _rewritten(record, row, offset, raw, file, changes, made, done)
        yield from sorted(cuts, key=lambda cut: cut.start)
    yield from sorted(failed(), key=lambda cut: cut.start)


def _of_document(
    batches: Iterable[Batch], reading: _Noting, file: str, changes: Changes, made: Converter, done: Exported
) -> Iterator[_Cut]:
    """Cuts of a JSON document: a row that goes takes the separator in front of it along, the first rows the one
    behind them."""
    places: dict[int, tuple[int, int]] = {}
    cuts: list[_Cut] = []
    for batch in batches:
        made.see(batch.records)
        for record, row, offset, raw in zip(batch.records, batch.rows, batch.offsets, batch.raws, strict=True):
            assert offset is not None
            assert raw is not None
            places[row] = (offset, offset + len(raw))
            if row in changes.rewrite and row not in changes.drop:
                cuts += _rewritten(record, row, offset, raw, file, changes, made, done)
    places |= {row: (offset, offset + size) for row, offset, size in reading.places}
    in_order = sorted(places)
    first_kept = next((row for row in in_order if row not in changes.drop), None)
    for index, row in enumerate(in_order):
        if row not in changes.drop:
            continue
        done.dropped += 1
        start, end = places[row]
        if first_kept is None:
            cuts.append(_Cut(start, end))
        elif row < first_kept:
            cuts.append(_Cut(start, places[in_order[index + 1]][0]))
        else:
            cuts.append(_Cut(places[in_order[index - 1]][1], end))
    yield from sorted(cuts, key=lambda cut: cut.start)


def _rewritten(
    record: Record, row: int, offset: int | None, raw: bytes | None, file: str,
    changes: Changes, made: Converter, done: Exported,
) -> Iterator[_Cut]:  # fmt: skip
    assert offset is not None
    assert raw is not None
    new = made.new_texts(record, row, changes, file)
    try:
        written = json_replaced(raw, new) if made.typed else row_replaced(raw, [str(c) for c in record.values()], new)
    except NotRewritable:
        return
    if written != raw:
        done.rewritten.add(row)
        yield _Cut(offset, offset + len(raw), written)


def _spliced(blocks: Iterator[bytes], cuts: Iterator[_Cut]) -> Iterator[bytes]:
    """The bytes with the cuts made; cuts come in the order of their starts and do not overlap."""
    source = _Source(blocks)
    for cut in cuts:
        yield from source.upto(cut.start)
        if cut.end is None:
            source.skip_line()
        else:
            for _ in source.upto(cut.end):
                pass
            if cut.with_line_end:
                source.skip(b"\r")
                source.skip(b"\n")
        yield cut.new
    yield from source.rest()


class _Source:
    """Blocks of bytes that are taken off from the front; a block is never copied as a whole."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._block, self._next = b"", 0
        self._before = 0
        """Where the block begins in the file."""

    def _more(self) -> bool:
        if self._next == len(self._block):
            self._before += len(self._block)
            self._block, self._next = next(self._blocks, b""), 0
        return bool(self._block)

    def upto(self, position: int) -> Iterator[bytes]:
        """What stands before a position; less where the file ends."""
        while self._before + self._next < position and self._more():
            end = min(position - self._before, len(self._block))
            piece, self._next = self._block[self._next : end], end
            yield piece

    def skip(self, mark: bytes) -> None:
        """Pass over one byte, if it is that."""
        if self._more() and self._block.startswith(mark, self._next):
            self._next += 1

    def skip_line(self) -> None:
        """Pass over the rest of the line, its end included."""
        while self._more():
            end = self._block.find(b"\n", self._next)
            self._next = len(self._block) if end < 0 else end + 1
            if end >= 0:
                return

    def rest(self) -> Iterator[bytes]:
        """Everything that is left."""
        yield self._block[self._next :]
        yield from self._blocks
