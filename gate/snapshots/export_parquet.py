"""Examples as Parquet files: all canonical columns, or those that a trainer takes.

Rows come in frames of any size and leave in row groups of some megabytes, so that what is held is one row group per
file. The same rows in the same frames give the same bytes with the same version of Arrow.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gate.data.frame import EXAMPLES, Kind
from gate.snapshots.records import MESSAGE_COLUMNS, json_texts, trainable

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 16 << 20
"""Bytes of frames from which a row group is written: large enough to compress well, small beside memory."""
LEVEL = 1
"""Of zstd. Level 3 takes a third longer, and gives the same size on text (measured)."""


class ParquetFile:
    """A Parquet file that grows; `close` completes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[pa.Table] = []
        self._size = 0
        self._writer: object = None
        self._thread = ThreadPoolExecutor(1)  # compresses one row group while the next is put together
        self._under_way: Future[None] | None = None

    def add(self, table: pa.Table) -> None:
        """Append rows; all tables have the same schema."""
        self._held.append(table)
        self._size += table.nbytes
        if self._size >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is held, and the end of the file."""
        with self._thread:
            if self._held:
                self._flush()
            self._wait()
            if self._writer is not None:
                self._writer.close()  # type: ignore[attr-defined]  # pyarrow has no types

    def _flush(self) -> None:
        import pyarrow as pa

        held, self._held, self._size = pa.concat_tables(self._held), [], 0
        self._wait()
        self._under_way = self._thread.submit(self._write, held)

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _write(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression="zstd", compression_level=LEVEL, write_statistics=False
            )
        self._writer.write_table(table, row_group_size=table.num_rows)  # type: ignore[attr-defined]  # the same


def canonical_table(examples: pl.DataFrame) -> pa.Table:
    """All canonical columns (`gate.data.frame.EXAMPLES`); shape, kind and split as texts."""
    texts = [pl.col(name).cast(pl.String) for name in ("shape", "kind", "split")]
    frame = examples.select(list(EXAMPLES)).with_columns(texts).rechunk()
    return _table({name: _array(frame[name]) for name in frame.columns})


def trainable_table(
    examples: pl.DataFrame, kind: Kind, fields: Collection[str], *, tools: bool, prompts: bool = True
) -> pa.Table:
    """`id` and the columns that a trainer takes (`gate.snapshots.records`). Tools and tool calls are of Arrow's JSON
    type, which the datasets library gives out as objects.

    Args:
        fields: of messages, beside role and content: those that any message of the snapshot has.
        tools: whether any example of the snapshot has some.
        prompts: whether any preference of the snapshot has one.
    """
    parts = trainable(examples, kind).rechunk()
    columns = {}
    for name in parts.columns:
        if name == "prompt" and not prompts:
            continue
        if name == "tools":
            if tools:
                columns[name] = _json(parts[name])
        elif name in MESSAGE_COLUMNS[kind]:
            columns[name] = _messages(parts[name], fields)
        else:
            columns[name] = _array(parts[name])
    return _table(columns)


def _messages(lists: pl.Series, fields: Collection[str]) -> pa.Array:
    import pyarrow as pa

    large = _large(lists)
    values = {
        name: pl.Series(pl.from_arrow(large.values.field(name)), dtype=pl.String)
        for name in ("role", "content", *fields)
    }
    arrays = [_json(column) if name == "tool_calls" else _array(column) for name, column in values.items()]
    struct = pa.StructArray.from_arrays(arrays, list(values))
    return pa.ListArray.from_arrays(large.offsets.cast(pa.int32()), struct, mask=large.is_null())


def _json(texts: pl.Series) -> pa.Array:
    import pyarrow as pa

    return pa.ExtensionArray.from_storage(pa.json_(), _array(json_texts(texts)))


def _array(series: pl.Series) -> pa.Array:
    """An Arrow array of the types that every reader knows: texts and lists of 32-bit offsets."""
    large = _large(series)
    return large.cast(_narrow(large.type))


def _large(series: pl.Series) -> pa.Array:
    array = series.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def _narrow(given: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_large_string(given):
        return pa.string()
    if pa.types.is_large_list(given):
        return pa.list_(_narrow(given.value_type))
    if pa.types.is_struct(given):
        return pa.struct([(field.name, _narrow(field.type)) for field in given])
    return given


def _table(columns: dict[str, pa.Array]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_arrays(list(columns.values()), names=list(columns))
