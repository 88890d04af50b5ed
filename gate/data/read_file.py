"""Reads one file, whatever is in it, a shard at a time: canonical examples first, then what became of the rest.

What is held is one shard, however large the file. The counts close: rows read = examples + malformed. A file without
any row gets a malformed entry of its own, so that nothing empty can pass.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson
import polars as pl

from gate.data.batch import NO_ROWS, Batch, Reading
from gate.data.build import NO_EXAMPLES, frame_of
from gate.data.columnar import ARROW, PARQUET, STREAM, read_columnar
from gate.data.columns import ColumnMap
from gate.data.convert import Example, as_json, converter
from gate.data.find import STDIN, Source, format_of
from gate.data.frame import MALFORMED, SkippedFile, SourceFile
from gate.data.json_file import NoRows, read_json
from gate.data.jsonl import BOM, read_jsonl
from gate.data.malformed import Misfit, Reason, malformed, malformed_frame, name_of
from gate.data.shapes import Layout, recognise
from gate.data.splits import split_of_path
from gate.data.stream import Limits, Stream
from gate.data.table import read_table
from gate.errors import InputError

Progress = Callable[[int], None]
DEFAULT_LIMITS = Limits()

SHARD = 16 << 20
"""Bytes of a frame from which it is a shard: large beside what a check costs per call, small beside memory."""
SHARD_ROWS = 32_768
"""Rows from which a frame is a shard, however short they are."""


_TEXTS = ("messages", "chosen", "rejected", "text", "tools", "meta")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What became of one file."""

    examples: pl.DataFrame
    malformed: pl.DataFrame
    source: SourceFile | None
    """None: it is no data after all, for the reason in `skipped`."""
    skipped: SkippedFile | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """What is known of a file once its last shard has been read."""

    malformed: pl.DataFrame
    source: SourceFile | None
    """None: it is no data after all, for the reason in `skipped`."""
    skipped: SkippedFile | None = None


class FileReader:
    """One file; iterate over its shards (schema `EXAMPLES`), then ask for the `rest`."""

    def __init__(
        self,
        source_file: Source,
        root: str,
        columns: ColumnMap | None = None,
        *,
        source: bool = False,
        stdin: BinaryIO | None = None,
        progress: Progress | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._file, self._root, self._columns, self._source = source_file, root, columns, source
        self._stdin, self._progress, self._limits = stdin, progress, limits
        self._rest: Rest | None = None

    @property
    def rest(self) -> Rest:
        """What was malformed, and the file's description; known when the last shard has been taken."""
        if self._rest is None:
            raise RuntimeError("the file has not been read to its end")
        return self._rest

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The examples, some at a time and in their order; none at all where no row is one.

        Raises:
            InputError: it may not be read, or was named and is nothing that gate reads.
        """
        file = self._file.file
        if self._file.missing or self._file.outside:
            self._rest = _unread(self._file)
            return
        try:
            with _open(self._file, self._stdin) as handle:
                size = 0 if self._file.path is None else os.fstat(handle.fileno()).st_size
                yield from _shards(self._frames(Stream(handle, size, self._limits, self._progress)))
        except OSError as error:
            what = (error.strerror or str(error)).lower()
            raise InputError(
                what, where=str(self._file.path or file), remedy="Check the file and its permissions."
            ) from None

    def _frames(self, stream: Stream) -> Iterator[pl.DataFrame]:
        file, reading = self._file.file, Reading(most=self._limits.malformed)
        begins = stream.peek()
        promised = "jsonl" if self._file.file == STDIN else format_of(file)
        form = _sniff(begins, promised)
        if form is None:
            stream.sha256()
            raise InputError("not in a form that gate reads", where=file, remedy="Convert it to JSON Lines or Parquet.")
        split = split_of_path(file, Path(self._root).name if self._root != STDIN else "")
        if misfit := _unreadable(begins):
            reading.fail_file(misfit, begins[:1024], offset=0)
            batches: Iterator[Batch] = iter(())
        else:
            batches = _batches(stream, form, self._file, reading, self._columns, self._limits)
        rows = _Rows(self._columns, typed=form not in ("csv", "tsv"), keep_source=self._source)
        examples = expanded = 0
        try:
            for batch in batches:
                converted = rows.convert(batch, reading)
                if rows.layout is not None:
                    frame = frame_of(*converted, file=file, layout=rows.layout, split=split)
                    examples += frame.height
                    yield frame
                    expanded += int(frame.select(_TEXTS).estimated_size())
                if reading.hopeless:
                    given_up = f"more than {reading.most:,} rows are malformed; what follows them was not looked at"
                    reading.fail_file(Misfit(Reason.TOO_LARGE, given_up))
                    break
                # Metadata does not say how often a value is repeated: what came out does.
                if form in ("parquet", "arrow") and expanded > self._limits.expanded(stream.size):
                    allowed = self._limits.expanded(stream.size)
                    reading.fail_file(
                        Misfit(Reason.TOO_LARGE, f"expands beyond {allowed:,} bytes, from {stream.size:,}")
                    )
                    break
        except NoRows:
            if not self._file.named:
                stream.sha256()
                skipped = SkippedFile(file, "a JSON object that is neither a record nor a list of records")
                self._rest = Rest(pl.DataFrame(schema=MALFORMED), None, skipped)
                return
            reading.fail(Misfit(Reason.UNKNOWN_SHAPE, "the object is neither a record nor a list of records"), begins)
        if reading.rows == 0 and not reading.bad:
            reading.fail_file(NO_ROWS)
        sha256 = stream.sha256()
        shape, kind = (None, None) if rows.layout is None else (rows.layout.shape, rows.layout.kind)
        bad = sorted(reading.bad, key=lambda one: (one.row is None, one.row))
        described = SourceFile(
            path=file, bytes=stream.read, sha256=sha256, format=form + stream.compression, shape=shape, split=split,
            examples=examples, malformed=len(bad),
        )  # fmt: skip
        self._rest = Rest(malformed_frame(bad, file, kind), described)


def _shards(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Frames put together until they are large enough."""
    held: list[pl.DataFrame] = []
    rows = size = 0
    for frame in frames:
        if not frame.height:
            continue
        held.append(frame)
        rows, size = rows + frame.height, size + int(frame.estimated_size())
        if rows >= SHARD_ROWS or size >= SHARD:
            yield pl.concat(held, rechunk=True)
            held, rows, size = [], 0, 0
    if held:
        yield pl.concat(held, rechunk=True)


def read_file(
    source_file: Source,
    root: str,
    columns: ColumnMap | None = None,
    *,
    source: bool = False,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> ReadFile:
    """One file, whole.

    Raises:
        InputError: it may not be read, or was named and is nothing that gate reads.
    """
    reader = FileReader(source_file, root, columns, source=source, stdin=stdin, progress=progress, limits=limits)
    examples = pl.concat([NO_EXAMPLES, *reader])
    rest = reader.rest
    return ReadFile(examples, rest.malformed, rest.source, rest.skipped)


def _open(source_file: Source, stdin: BinaryIO | None) -> BinaryIO:
    if source_file.path is None:
        # A copy of the descriptor would be closed with the caller's own; what is read is what was piped in.
        return _Borrowed(stdin if stdin is not None else sys.stdin.buffer)
    return source_file.path.open("rb")


class _Borrowed(io.BytesIO):
    """Somebody else's stream, which is not closed when we are done."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def read(self, size: int | None = -1, /) -> bytes:
        return self._stream.read(-1 if size is None else size)


def _sniff(begins: bytes, promised: str | None) -> str | None:
    """The form by a file's first bytes, and by its name where those do not say."""
    if begins.startswith(PARQUET):
        return "parquet"
    if begins.startswith((ARROW, STREAM)):
        return "arrow"
    if promised is not None:
        return promised
    text = begins.removeprefix(BOM).lstrip()
    if text[:1] in (b"{", b"["):
        return "json"
    first = text.split(b"\n", 1)[0]
    if b"\x00" in begins or not first.isascii():
        return None
    return "tsv" if b"\t" in first else "csv" if b"," in first else None


def _unreadable(begins: bytes) -> Misfit | None:
    """What the first bytes say of a file that no reader could make anything of."""
    if begins.startswith(b"version https://git-lfs.github.com/spec/"):
        return Misfit(Reason.LFS_POINTER, "a Git LFS pointer instead of the data; run `git lfs pull`")
    if begins.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")) or _every_other_nul(begins[:64]):
        return Misfit(Reason.WRONG_ENCODING, "UTF-16 or UTF-32 text; convert it to UTF-8")
    return None


def _every_other_nul(begins: bytes) -> bool:
    return len(begins) >= 4 and (not any(begins[1::2]) or not any(begins[::2])) and any(begins)


def _batches(
    stream: Stream, form: str, source_file: Source, reading: Reading, columns: ColumnMap | None, limits: Limits
) -> Iterator[Batch]:
    if form in ("parquet", "arrow"):
        return _columnar(stream, form, source_file, reading, limits)
    if form in ("csv", "tsv"):
        return read_table(stream.blocks(), reading, limits.record, "," if form == "csv" else "\t")
    if form == "jsonl" and not _is_array(stream.peek()):
        return read_jsonl(stream.blocks(), reading, limits.record)
    return read_json(stream.blocks(), reading, limits.record, columns)


def _is_array(begins: bytes) -> bool:
    """Whether JSON Lines are really one array: it opens with a bracket, and its first line is not a value of its
    own with more lines behind it."""
    text = begins.removeprefix(BOM).lstrip()
    if not text.startswith(b"["):
        return False
    first, _, rest = text.partition(b"\n")
    if not rest.strip():
        return True
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return True
    return False


def _columnar(stream: Stream, form: str, source_file: Source, reading: Reading, limits: Limits) -> Iterator[Batch]:
    if stream.compression or source_file.path is None:
        try:
            file: BinaryIO = io.BytesIO(b"".join(stream.blocks()))
        except Misfit as misfit:
            reading.fail_file(misfit)
            return
        yield from read_columnar(file, stream.size, form, reading, limits)
        return
    with source_file.path.open("rb") as file:
        yield from read_columnar(file, stream.size, form, reading, limits)


class _Rows:
    """Turns the batches of one file into examples, once its layout has been recognised."""

    def __init__(self, columns: ColumnMap | None, *, typed: bool, keep_source: bool) -> None:
        self.layout: Layout | None = None
        self._columns, self._typed, self._keep_source = columns, typed, keep_source
        self._convert: Callable[[dict[str, object]], Example] | None = None

    def convert(
        self, batch: Batch, reading: Reading
    ) -> tuple[list[Example], list[int], list[int | None], list[str] | None]:
        """The examples of a batch with their rows, lines and sources; the others are noted in `reading`."""
        if self.layout is None:
            self.layout = recognise(batch.records, self._columns, typed=self._typed)
            self._convert = None if self.layout is None else converter(self.layout)
        examples: list[Example] = []
        rows: list[int] = []
        lines: list[int | None] = []
        sources: list[str] | None = [] if self._keep_source else None
        places = zip(batch.records, batch.rows, batch.lines, batch.offsets, batch.raws, strict=True)
        # A loop over rows: shapes are trees, and each bad row needs a reason of its own (≈ 2 µs per row).
        for record, row, line, offset, raw in places:
            try:
                if self._convert is None:
                    names = ", ".join(name_of(key) for key in list(record)[:8])
                    raise Misfit(Reason.UNKNOWN_SHAPE, f"columns of no known shape: {names}")
                examples.append(self._convert(record))
            except Misfit as misfit:
                text = raw if raw is not None else _written(record)
                reading.bad.append(malformed(misfit, text, row=row, line=line, offset=offset))
                continue
            rows.append(row)
            lines.append(line)
            if sources is not None:
                verbatim = self._typed and raw is not None
                sources.append(raw.decode().strip() if verbatim and raw is not None else as_json(record))
        return examples, rows, lines, sources


def _written(record: dict[str, object]) -> bytes:
    try:
        return as_json(record).encode()
    except Misfit:
        return repr(sorted(record)).encode()


def _unread(source: Source) -> Rest:
    file = source.file
    if source.outside:
        misfit = Misfit(Reason.OUTSIDE_FOLDER, "it leads out of the folder, and is not followed")
    else:
        misfit = Misfit(Reason.MISSING_FILE, "state.json lists this file, and it is not there")
    described = SourceFile(file, 0, "", format_of(file) or "arrow", None, None, 0, 1)
    return Rest(malformed_frame([malformed(misfit, None)], file, None), described)
