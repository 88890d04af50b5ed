"""Parquet and Arrow files written again with some of their rows changed or left out.

Schema, metadata, compression and the bounds of row groups (record batches) stay; a row group is held at a time, and one
without any row left is not written. Columns of rows that stay are moved as Arrow buffers, never through Python.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from gate.data.batch import Reading
from gate.data.columnar import ARROW, _records, read_columnar
from gate.data.export import Changes, Converter, Exported, _stream, compressed
from gate.data.find import Source
from gate.data.read_file import DEFAULT_LIMITS
from gate.data.strings import value_replaced

if TYPE_CHECKING:
    import pyarrow as pa


def export_columnar(
    source: Source, form: str, compression: str, target: Path, changes: Changes, made: Converter
) -> Exported:
    """Write a Parquet or Arrow file to `target` with some rows changed."""
    done = Exported()
    with ExitStack() as stack:
        file = stack.enter_context(_seekable(source, compression))
        first = next(
            read_columnar(file, file.seek(0, io.SEEK_END) and _begin(file), form, Reading(), DEFAULT_LIMITS), None
        )
        if first is not None:
            made.see(first.records)
        file.seek(0)
        out = stack.enter_context(compressed(target, compression))
        (_parquet if form == "parquet" else _arrow)(
            file, out, lambda table: _changed(table, source.file, changes, made, done)
        )
    return done


def _begin(file: BinaryIO) -> int:
    size = file.tell()
    file.seek(0)
    return size


def _seekable(source: Source, compression: str) -> BinaryIO:
    assert source.path is not None
    if not compression:
        return source.path.open("rb")
    with _stream(source) as stream:
        return io.BytesIO(b"".join(stream.blocks()))


Change = Callable[["pa.Table"], "pa.Table"]


def _parquet(file: BinaryIO, out: BinaryIO, change: Change) -> None:
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(file)
    groups = parquet.metadata.num_row_groups
    columns = [parquet.metadata.row_group(0).column(i) for i in range(parquet.metadata.num_columns)] if groups else []
    codecs = {
        column.path_in_schema: "NONE" if column.compression == "UNCOMPRESSED" else column.compression
        for column in columns
    }
    dictionaries = [column.path_in_schema for column in columns if column.has_dictionary_page]
    with closing(
        pq.ParquetWriter(
            out,
            parquet.schema_arrow,
            compression=codecs or "snappy",
            use_dictionary=dictionaries or False,
            write_statistics=any(column.is_stats_set for column in columns),
            version=parquet.metadata.format_version,
        )
    ) as writer:
        for index in range(groups):
            table = change(parquet.read_row_group(index, use_threads=False))
            if table.num_rows:
                writer.write_table(table, row_group_size=table.num_rows)


def _arrow(file: BinaryIO, out: BinaryIO, change: Change) -> None:
    import pyarrow as pa

    is_file = file.read(len(ARROW)) == ARROW
    file.seek(0)
    options = pa.ipc.IpcWriteOptions(compression=_codec(file, is_file=is_file))
    file.seek(0)
    reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(out, reader.schema, options=options) as writer:
        stored = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else iter(reader)
        for batch in stored:
            table = change(pa.Table.from_batches([batch])).combine_chunks()
            for piece in table.to_batches():
                if piece.num_rows:
                    writer.write_batch(piece)


def _codec(file: BinaryIO, *, is_file: bool) -> str | None:
    """How the first record batch is compressed. pyarrow does not say, so its buffers are looked at: a compressed one
    begins, behind eight bytes of length, with its codec's magic number (Arrow columnar format, "Compression")."""
    import pyarrow as pa

    if is_file:
        file.seek(8)  # behind the magic and its padding a file goes on as a stream does
    for message in cast("Iterator[pa.Message]", pa.ipc.MessageReader.open_stream(file)):
        if message.type == "record batch" and message.body is not None:
            body = bytes(message.body[: 1 << 16])
            return "lz4" if b"\x04\x22\x4d\x18" in body else "zstd" if b"\x28\xb5\x2f\xfd" in body else None
    return None


def _changed(table: pa.Table, file: str, changes: Changes, made: Converter, done: Exported) -> pa.Table:
    import pyarrow as pa

    first = done.kept + done.dropped + 1
    rows = range(first, first + table.num_rows)
    touched = [row for row in rows if row in changes.rewrite and row not in changes.drop]
    keep = [row - first for row in rows if row not in changes.drop]
    new: dict[int, dict[str, object]] = {}
    for row in touched:
        one = table.slice(row - first, 1)
        (record,) = _records(one.combine_chunks().to_batches()[0], Reading()).records
        texts = made.new_texts(record, row, changes, file)
        stored = one.to_pylist()[0]
        written = {name: value_replaced(value, texts) for name, value in stored.items()}
        if written != stored:
            new[row - first] = written
            done.rewritten.add(row)
    for position, field in enumerate(table.schema):
        if any(new[index][field.name] != table[field.name][index].as_py() for index in new):
            values = pa.array([new[index][field.name] for index in new], type=field.type)
            places = list(range(table.num_rows))
            for offset, index in enumerate(new):
                places[index] = table.num_rows + offset
            column = pa.chunked_array([*table[field.name].chunks, values]).take(pa.array(places))
            table = table.set_column(position, field, column)
    done.dropped += table.num_rows - len(keep)
    done.kept += len(keep)
    return table if len(keep) == table.num_rows else table.take(pa.array(keep, type=pa.int64()))
