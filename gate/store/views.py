"""SQL over a store's files: DuckDB in memory, with views that read Parquet where it lies, and nothing else in reach.

A query gets what views show and no more: no file, network, extension or setting. Files are handed to DuckDB by a file
system that knows only those behind the views and opens them for reading alone, because a path that DuckDB itself may
read (`allowed_paths`) is one that it may write to as well: `with t as (copy …)` is a SELECT to it (2.0).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, TypeVar

import polars as pl
from fsspec import AbstractFileSystem

from gate.data.masking import mask_text
from gate.errors import UsageError
from gate.store.files import opened

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyarrow import RecordBatch, Schema

_SCHEME = "gate"
_BATCH = 20_000
"""Rows that are fetched at a time."""
_LISTEN = 0.1
"""Seconds between looks for a signal."""


class QueryError(UsageError):
    """A query that cannot be run, or asks for what is out of its reach."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a view that lie in some files, one after another, or side by side in several such lists."""

    constants: Mapping[str, str]
    """Columns that are the same in all of its rows."""
    lists: tuple[tuple[Path, ...], ...]
    """Each list has other columns of the same rows, in the same order."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(path for each in self.lists for path in each)


@dataclass(frozen=True, slots=True)
class View:
    """What a name in a query stands for."""

    schema: pl.Schema
    rows: pl.DataFrame | tuple[Piece, ...] | None
    """None: the query does not name it, so that nothing was made ready; whoever reads it all the same is told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query comes to."""

    schema: Schema
    batches: Iterator[RecordBatch]
    """Arrow, some 20,000 rows each; a query goes on while they are asked for, and may fail then."""


@contextmanager
def asked(query: str, views: Mapping[str, View]) -> Iterator[Answer]:
    """The rows that a query comes to. Ctrl-C ends it.

    Args:
        query: one SELECT (or EXPLAIN, DESCRIBE, SHOW, SUMMARIZE).

    Raises:
        QueryError: it is none, it fails, or it asks for what is out of its reach; the message is DuckDB's.
    """
    import duckdb
    import pyarrow as pa

    with (
        tempfile.TemporaryDirectory(prefix="gate-sql-") as folder,
        _connection(folder) as connection,
        ThreadPoolExecutor(1) as aside,
    ):

        def wait(step: Callable[[], T]) -> T:
            """A step of DuckDB's, in another thread, so that this one hears of signals. It wakes for them by itself:
            the system may hand a signal to any thread."""
            running = aside.submit(step)
            try:
                while not wait_for((running,), timeout=_LISTEN).done:
                    pass
            except BaseException:
                connection.interrupt()
                raise
            return running.result()

        try:
            _make(connection, views)
            statements = connection.extract_statements(query)
            if len(statements) != 1:
                raise QueryError("one query at a time" if statements else "the query is empty")
            if statements[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
                raise QueryError(
                    "only a query that reads", remedy="write a SELECT, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN"
                )
            reader = wait(lambda: connection.query(query).to_arrow_reader(_BATCH))
            yield Answer(reader.schema, iter(lambda: wait(lambda: next(reader, None)), None))
        except (duckdb.Error, pa.ArrowException) as error:
            raise _failed(error, views) from None


T = TypeVar("T")


@contextmanager
def _connection(folder: str) -> Iterator[DuckDBPyConnection]:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",  # a query's names are not those of Python's variables
            "temp_directory": folder,  # where what does not fit into memory goes; not into the folder of the person
        },
    )
    try:
        yield connection
    finally:
        connection.close()


def _make(connection: DuckDBPyConnection, views: Mapping[str, View]) -> None:
    paths = {path.name: path for view in views.values() for path in _paths(view)}
    connection.register_filesystem(_Sealed(paths))
    connection.execute("create schema made")
    for name, view in views.items():
        kept = view.rows if isinstance(view.rows, pl.DataFrame) else _plain(view.schema)
        arrow = kept.to_arrow()
        connection.register("handed", arrow)
        connection.execute(f"create table made.{name} as from handed")
        connection.unregister("handed")
        connection.execute(f"create view {name} as {_select(name, view)}")
    allowed = ", ".join(_quoted(f"{_SCHEME}://{name}") for name in sorted(paths))
    connection.execute(f"set allowed_paths = [{allowed}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _paths(view: View) -> Iterator[Path]:
    if isinstance(view.rows, tuple):
        for piece in view.rows:
            yield from piece.paths


def _plain(schema: pl.Schema) -> pl.DataFrame:
    """A row of nulls in the types that DuckDB reads of Parquet."""
    types = {name: pl.String if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}
    return pl.DataFrame(schema=types).clear(1)


def _select(name: str, view: View) -> str:
    columns = ", ".join(f'"{column}"' for column in view.schema)
    if isinstance(view.rows, pl.DataFrame):
        return f"select {columns} from made.{name}"
    if view.rows is None:
        told = f"write {name} in the query by its own name, so that what is behind it is verified"
        return f"select {columns} from made.{name} where error({_quoted(told)}) is null"
    if not view.rows:
        return f"select {columns} from made.{name} where false"
    return " union all ".join(_part(view.schema, piece) for piece in view.rows)


def _part(schema: pl.Schema, piece: Piece) -> str:
    columns = ", ".join(
        f'{_quoted(piece.constants[column])} as "{column}"' if column in piece.constants else f'"{column}"'
        for column in schema
    )
    lists = (", ".join(_quoted(f"{_SCHEME}://{path.name}") for path in paths) for paths in piece.lists)
    files = (f"read_parquet([{each}])" for each in lists)
    return f"(select {columns} from {' positional join '.join(files)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("\0", "\ufffd").replace("'", "''") + "'"


def _failed(error: Exception, views: Mapping[str, View]) -> QueryError:
    """DuckDB's sentence, without the value that could not be converted."""
    said = _VALUE.sub("a string", mask_text(str(error).partition("\n\nStack Trace")[0].strip()))
    remedy = None
    if "Permission Error" in said or "has been locked" in said:
        remedy = "a query sees the views, and no file, network, extension or setting"
    elif "does not exist" in said and "Table with name" in said:
        remedy = f"the views are {', '.join(views)}"
    return QueryError(said, remedy=remedy)


_VALUE = re.compile(r"string '.*?'(?= to | into )", re.DOTALL)


class _File:
    """A file that several threads read at once. DuckDB says `seek` and then `read`, and others do in between: each
    thread has a position of its own."""

    def __init__(self, path: Path) -> None:
        self._file = opened(path)
        self._size = os.fstat(self._file.fileno()).st_size
        self._at: dict[int, int] = {}

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        self._at[get_ident()] = start + offset
        return start + offset

    def tell(self) -> int:
        return self._at.get(get_ident(), 0)

    def read(self, size: int = -1) -> bytes:
        start = at = self.tell()
        end = self._size if size < 0 else min(start + size, self._size)
        pieces = []
        while at < end and (piece := os.pread(self._file.fileno(), end - at, at)):  # 2 GiB at most at a time
            pieces.append(piece)
            at += len(piece)
        self._at[get_ident()] = at
        return b"".join(pieces)

    def close(self) -> None:
        self._file.close()


class _Sealed(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Some files by their names, for reading."""

    protocol = _SCHEME
    cachable = False

    def __init__(self, paths: Mapping[str, Path]) -> None:
        super().__init__()
        self._paths = paths

    def _path(self, name: str) -> Path:
        try:
            return self._paths[name.removeprefix(f"{_SCHEME}://")]
        except KeyError:
            raise FileNotFoundError(name) from None

    def open(self, path: str, mode: str = "rb", **options: object) -> _File:
        if mode != "rb":
            raise PermissionError("a query only reads")
        return _File(self._path(path))

    def info(self, path: str, **options: object) -> dict[str, object]:
        return {"name": path, "size": self._path(path).stat().st_size, "type": "file"}

    def exists(self, path: str, **options: object) -> bool:
        return path.removeprefix(f"{_SCHEME}://") in self._paths

    def isfile(self, path: str) -> bool:
        return self.exists(path)

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(self._path(path).stat().st_mtime, UTC)

    def created(self, path: str) -> datetime:
        return self.modified(path)
