"""Parquet and Arrow IPC (file and stream), in batches, with every batch validated before it is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from gate.data.batch import Batch, Reading
from gate.data.malformed import Misfit, Reason, name_of
from gate.data.stream import Limits

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET, ARROW = b"PAR1", b"ARROW1"
STEP = 512
"""Rows taken at a time: one stored value may stand in each of them, so that a few bytes on disk become many. Larger
steps are no faster (100,000 rows of 400 characters: 0.6 s of one core with 512 as with 8,192)."""
STREAM = b"\xff\xff\xff\xff"
"""How an Arrow IPC stream begins: the continuation marker of its first message."""


def read_columnar(file: BinaryIO, size: int, form: str, reading: Reading, limits: Limits) -> Iterator[Batch]:
    """The rows of a Parquet file or an Arrow file or stream, as records without offsets.

    Rows read before a damaged place are handed on; the damage is then noted for the file as a whole.

    Args:
        form: `parquet` or `arrow`.
    """
    import pyarrow as pa

    try:
        for table in _batches(file, size, form, limits):
            names = table.schema.names
            if len(set(names)) < len(names):
                twice = Counter(names).most_common(1)[0][0]
                raise Misfit(Reason.DUPLICATE_COLUMN, f"the column {name_of(twice)!r} stands twice")
            try:
                table.validate(full=True)
            except pa.ArrowInvalid:
                yield from _row_by_row(table, reading)
                continue
            yield _records(table, reading)
    except Misfit as misfit:
        reading.fail_file(misfit)
    except MemoryError:
        reading.fail_file(Misfit(Reason.TOO_LARGE, f"the {form} file asks for more memory than there is"))
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, KeyError) as error:
        what = f"the {form} file is damaged ({type(error).__name__})"
        reading.fail_file(Misfit(Reason.CORRUPT, what))


def _batches(file: BinaryIO, size: int, form: str, limits: Limits) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    if form == "parquet":
        import pyarrow.parquet as pq

        parquet = pq.ParquetFile(file)
        groups = [parquet.metadata.row_group(index) for index in range(parquet.metadata.num_row_groups)]
        expanded = sum(group.total_byte_size for group in groups)
        allowed = limits.expanded(size)
        if expanded > allowed:
            raise Misfit(Reason.TOO_LARGE, f"expands to {expanded:,} bytes, from {size:,} on disk")
        yield from parquet.iter_batches(batch_size=STEP, use_threads=False)
        return
    begins = file.read(len(ARROW))
    file.seek(0)
    if begins == ARROW:
        source = pa.ipc.open_file(file)
        stored = (source.get_batch(index) for index in range(source.num_record_batches))
    else:
        stored = iter(pa.ipc.open_stream(file))
    for batch in stored:
        for start in range(0, batch.num_rows, STEP):
            yield batch.slice(start, STEP)


def _records(table: pa.RecordBatch, reading: Reading) -> Batch:
    """A validated batch as records. Keys that are null inside nested values are left out: Arrow gives every struct
    all keys, and does not tell a missing one from a null one."""
    import polars as pl
    import pyarrow as pa

    if all(_readable(field) for field in table.schema):
        try:
            records = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([table.replace_schema_metadata()]))).to_dicts()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError):
            records = table.to_pylist()  # types that Polars lacks, such as intervals and unions
    else:
        records = table.to_pylist()  # Polars would panic, and print that it did
    nested = [column.name for column in table.schema if pa.types.is_nested(column.type)]
    for name in nested:
        for record in records:  # paths differ from row to row, which no column expression can follow
            record[name] = _pruned(record[name])
    first = reading.rows + 1
    reading.rows += len(records)
    count = len(records)
    none: list[None] = [None] * count
    return Batch(records, list(range(first, first + count)), [*none], [*none], [*none])


def _readable(field: pa.Field) -> bool:
    """Whether names and metadata of a field, and of those in it, are UTF-8, as they are in every file that is whole."""
    import pyarrow as pa

    try:
        field.name.encode()
        for text in (part for pair in (field.metadata or {}).items() for part in pair):
            text.decode()
    except UnicodeError:
        return False
    kind = field.type
    if pa.types.is_dictionary(kind):
        return _readable(pa.field("", kind.value_type))
    return all(_readable(kind.field(index)) for index in range(kind.num_fields))


def _pruned(value: object) -> object:
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def _row_by_row(table: pa.RecordBatch, reading: Reading) -> Iterator[Batch]:
    """The rows of a batch that is not valid as a whole; those with bytes that are not UTF-8 are malformed."""
    import pyarrow as pa

    table.validate()  # the buffers themselves must be sound
    for index in range(table.num_rows):
        row = table.slice(index, 1)
        try:
            row.validate(full=True)
        except pa.ArrowInvalid as error:
            wrong = Reason.INVALID_UTF8 if "UTF8" in str(error) else Reason.CORRUPT
            reading.fail(Misfit(wrong, "the row holds a text that is not UTF-8, or is damaged"), None)
            continue
        yield _records(row, reading)
