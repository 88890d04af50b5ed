"""Frames as objects: the same rows are the same bytes, and bytes that came from elsewhere are looked at before they
are unpacked.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import polars as pl

from gate.data.stream import Limits
from gate.store.objects import Damaged

LEVEL = 3
"""Of zstd. Level 1 is no faster on text and level 9 takes five times as long for a tenth less (measured)."""


def to_parquet(frame: pl.DataFrame, schema: pl.Schema) -> bytes:
    """A frame as Parquet. The same frame gives the same bytes with the same version of Polars.

    Raises:
        ValueError: its columns are not those of the schema.
    """
    if frame.schema != schema:
        raise ValueError(f"not the columns of the schema: {frame.schema}")
    buffer = io.BytesIO()
    # Statistics would hold the smallest and largest text of each column once more.
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=LEVEL, statistics=False)
    return buffer.getvalue()


def from_parquet(
    content: bytes, schema: pl.Schema, name: str, *, rows: int | None = None, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """The frame of some bytes that were verified, or some columns of it.

    Args:
        schema: what its columns must be, by name, type and order.
        name: how to name the object to a person.
        rows: how many there must be.
        columns: which to unpack; all, where it is not said.

    Raises:
        Damaged: it is no Parquet, has other columns or another number of rows, or would unpack to more than a file of
            its size may (gate.data.stream.Limits).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(io.BytesIO(content))
        expanded = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
        # A column that says one thing of every row takes no room in the file, and at least a byte a row in memory.
        unpacked = max(expanded, metadata.num_rows * metadata.num_columns)
        if unpacked > Limits().expanded(len(content)):
            raise Damaged(f"it unpacks to {unpacked:,} bytes, from {len(content):,}", where=name)
        if pl.read_parquet_schema(io.BytesIO(content)) != schema:
            raise Damaged("its columns are not those of such an object", where=name)
        if rows is not None and metadata.num_rows != rows:
            raise Damaged(f"it has {metadata.num_rows:,} rows and not {rows:,}", where=name)
        frame = pl.read_parquet(io.BytesIO(content), columns=None if columns is None else list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"it is no whole Parquet file ({type(error).__name__})", where=name) from None
    if frame.height != metadata.num_rows:
        raise Damaged(f"it holds {frame.height:,} rows and not {metadata.num_rows:,}, as it says", where=name)
    return frame
