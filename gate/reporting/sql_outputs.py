"""What a query came to, as a table for people or as JSON, CSV or Parquet, a batch of rows at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO

import polars as pl

from gate.errors import UsageError
from gate.reporting.inert import one_line
from gate.store.views import Answer

_ROWS = 100
"""That a table shows."""
_CELL = 64
"""Characters of a value that a table shows."""


def views(schemas: Mapping[str, pl.Schema], about: Mapping[str, str]) -> None:
    """List views and their columns on standard output."""
    for name, schema in schemas.items():
        print(f"{name}: {about[name]}")
        print("  " + ", ".join(schema))


def write(answer: Answer, form: str, out: Path | None) -> None:
    """Write rows to a file, which is replaced when it is whole, or to standard output.

    Args:
        form: `table`, `json`, `csv` or `parquet`.

    Raises:
        UsageError: the file cannot be written.
    """
    if out is None:
        _write(answer, form, sys.stdout.buffer)
        sys.stdout.flush()
        return
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            _write(answer, form, file)
        temporary.replace(out)
    except OSError as error:
        raise UsageError(f"it cannot be written ({(error.strerror or 'refused').lower()})", where=str(out)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(answer: Answer, form: str, file: IO[bytes]) -> None:
    try:
        _written(answer, form, file)
    except KeyboardInterrupt:
        # One Ctrl-C is two interruptions within Polars, its own and then Python's, which would end the clearing up.
        with contextlib.suppress(KeyboardInterrupt):
            time.sleep(0.01)
        raise


def _written(answer: Answer, form: str, file: IO[bytes]) -> None:
    if form == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(file, answer.schema, compression="zstd") as writer:
            for batch in answer.batches:
                writer.write_batch(batch)
        return
    frames = (pl.DataFrame(pl.from_arrow(batch)) for batch in answer.batches)
    columns = list(answer.schema.names)
    if form == "csv":
        _csv(frames, columns, file)
    elif form == "json":
        _json(frames, file)
    else:
        _table(frames, columns, file)


def _csv(frames: Iterator[pl.DataFrame], columns: list[str], file: IO[bytes]) -> None:
    # Polars itself would write around Python to a pipe, and not say in Python's way that its reader has gone.
    file.write(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)).write_csv().encode())
    for frame in frames:
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        for name in nested:  # CSV has no lists: as JSON
            texts = [_dumped(value).decode() if value is not None else None for value in frame[name].to_list()]
            frame = frame.with_columns(pl.Series(name, texts, pl.String))
        binary = pl.selectors.binary().bin.encode("hex")
        file.write(frame.with_columns(binary).write_csv(include_header=False).encode())


def _json(frames: Iterator[pl.DataFrame], file: IO[bytes]) -> None:
    file.write(b"[")
    between = b"\n"
    for frame in frames:
        for row in frame.iter_rows(named=True):  # JSON is written row by row; some 100,000 a second
            file.write(between + _dumped(row))
            between = b",\n"
    file.write(b"\n]\n" if between != b"\n" else b"]\n")


def _dumped(value: object) -> bytes:
    import orjson

    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        whole = int(value) if value == value.to_integral_value() else None
        return whole if whole is not None and abs(whole) < 2**63 else str(value)
    return value.hex() if isinstance(value, bytes) else str(value)


def _table(frames: Iterator[pl.DataFrame], columns: list[str], file: IO[bytes]) -> None:
    import io

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(Text(one_line(name, _CELL)), no_wrap=True, overflow="ellipsis")
    rows = (row for frame in frames for row in frame.iter_rows())  # the first hundred
    for row in islice(rows, _ROWS):
        table.add_row(*(Text(_cell(value)) for value in row))
    more = next(rows, None) is not None
    text = io.StringIO()
    terminal = file is sys.stdout.buffer and sys.stdout.isatty()
    console = Console(file=text, width=None if terminal else 10_000, force_terminal=terminal, no_color=not terminal)
    console.print(table)
    lines = "\n".join(line.rstrip() for line in text.getvalue().splitlines())
    shown = table.row_count
    told = f"the first {shown:,} rows; --format has all" if more else f"{shown:,} {'row' if shown == 1 else 'rows'}"
    file.write(f"{lines}\n({told})\n".encode())


def _cell(value: object) -> str:
    if isinstance(value, list | dict | bool | bytes):
        value = _dumped(value).decode("utf-8", "replace")
    return "null" if value is None else one_line(str(value), _CELL)
