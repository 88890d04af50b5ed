"""The files of an export that hold rows: one for each split, and for each kind where a trainer is to take them.

Rows stream shard by shard; what is held is a shard and a row group per file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import polars as pl

from gate.data.frame import EXAMPLES, KINDS, SPLITS, Kind, Split
from gate.snapshots.export_facts import ExportedFile
from gate.snapshots.export_parquet import ParquetFile, canonical_table, trainable_table
from gate.snapshots.open import Snapshot
from gate.snapshots.records import OPTIONAL, chat_lines, original_lines
from gate.store.objects import hash_file

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["original", "chat", "parquet", "datasets"]
FORMS: tuple[Form, ...] = Form.__args__  # type: ignore[attr-defined]
OnRows = Callable[[int, int], None]


class Rows:
    """The examples of a snapshot, some columns at a time."""

    def __init__(self, snapshot: Snapshot, split: Split | None, total: int, on_rows: OnRows) -> None:
        self._snapshot, self._split, self._total, self._on_rows = snapshot, split, total, on_rows

    def of(self, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """Frames with these columns, in the order of the snapshot; told of as they are taken."""
        done = 0
        for frame in self._snapshot.examples(self._split, columns):
            yield frame
            done += frame.height
            self._on_rows(done, self._total)


_MESSAGES = ("messages", "chosen", "rejected")
_TRAINABLE = ("id", "kind", "split", *_MESSAGES, "label", "text", "tools")
_COLUMNS: dict[Form, tuple[str, ...]] = {
    "original": ("split", "source"),
    "chat": _TRAINABLE,
    "parquet": tuple(EXAMPLES),
    "datasets": _TRAINABLE,
}
"""What each form takes: the rest is not unpacked."""


@dataclass(frozen=True, slots=True, order=True)
class _Key:
    """Which file a row goes to, in the order of files."""

    kind: int
    split: int

    @property
    def name(self) -> str:
        return f"{KINDS[self.kind]}/{SPLITS[self.split]}" if self.kind >= 0 else SPLITS[self.split]


class _Writer(Protocol):
    columns: tuple[str, ...]

    def add(self, examples: pl.DataFrame) -> None: ...
    def close(self) -> None: ...


class _LineFile:
    """A JSON Lines file that grows."""

    columns: tuple[str, ...] = ()

    def __init__(self, file: BinaryIO, lines: Callable[[pl.DataFrame], pl.Series]) -> None:
        self._file, self._lines = file, lines

    def add(self, examples: pl.DataFrame) -> None:
        self._file.write(f"{self._lines(examples).str.join(chr(10)).item()}\n".encode())

    def close(self) -> None:
        self._file.close()


class _TableFile:
    """A Parquet file that grows."""

    def __init__(self, path: Path, table: Callable[[pl.DataFrame], pa.Table]) -> None:
        self._file, self._table = ParquetFile(path), table
        self.columns: tuple[str, ...] = ()

    def add(self, examples: pl.DataFrame) -> None:
        table = self._table(examples)
        self.columns = self.columns or tuple(_column_names(table.schema))
        self._file.add(table)

    def close(self) -> None:
        self._file.close()


def _column_names(schema: pa.Schema) -> Iterator[str]:
    import pyarrow as pa

    for column in schema:
        if pa.types.is_list(column.type):
            yield from (f"{column.name}.{field.name}" for field in column.type.value_type)
        else:
            yield column.name


def written(rows: Rows, form: Form, folder: Path) -> list[ExportedFile]:
    """Write every row to the file of its split (and kind, where a trainer is to take them).

    Args:
        folder: an empty one; names of files are relative to it.
    """
    by_kind = form in ("chat", "datasets")
    used = _used(rows) if form == "datasets" else {}
    top = folder / "data" if form == "datasets" else folder
    suffix = ".parquet" if form in ("parquet", "datasets") else ".jsonl"
    writers: dict[_Key, _Writer] = {}
    counts: dict[_Key, int] = {}
    with ExitStack() as stack:
        for frame in rows.of(_COLUMNS[form]):
            for key, part in _parts(frame, by_kind):
                if key not in writers:
                    path = top / f"{key.name}{suffix}"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writers[key] = _writer(form, path, KINDS[key.kind] if by_kind else None, used)
                    stack.callback(writers[key].close)
                writers[key].add(part)
                counts[key] = counts.get(key, 0) + part.height
    if len({key.kind for key in writers}) == 1 and by_kind:  # one kind needs no folder of its own
        for key in writers:
            (top / f"{key.name}{suffix}").rename(top / f"{SPLITS[key.split]}{suffix}")
        (top / KINDS[next(iter(writers)).kind]).rmdir()
        by_kind = False
    return [
        described(
            folder,
            (top / f"{key.name if by_kind else SPLITS[key.split]}{suffix}").relative_to(folder).as_posix(),
            counts[key],
            SPLITS[key.split],
            KINDS[key.kind] if by_kind else None,
            writers[key].columns,
        )
        for key in sorted(writers)
    ]


def _parts(frame: pl.DataFrame, by_kind: bool) -> Iterator[tuple[_Key, pl.DataFrame]]:
    names = ["kind", "split"] if by_kind else ["split"]
    for values, part in frame.group_by(names, maintain_order=True):
        split = SPLITS.index(str(values[-1]))
        yield _Key(KINDS.index(str(values[0])) if by_kind else -1, split), part


@dataclass(frozen=True, slots=True)
class _Used:
    """What the messages of a kind have beside role and content, in any example."""

    fields: frozenset[str] = frozenset()
    tools: bool = False
    prompts: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in OPTIONAL[1:] if name in self.fields)


def _used(rows: Rows) -> dict[Kind, _Used]:
    """Which optional fields each kind has: a template takes a field that is always null for one that is there."""
    used: dict[Kind, _Used] = {}
    for frame in rows.of(("kind", *_MESSAGES, "tools")):
        for kind, part in frame.group_by("kind"):
            name = KINDS[KINDS.index(str(kind[0]))]
            before = used.get(name, _Used())
            fields = {each for each in OPTIONAL[1:] if each not in before.fields and _has(part, each)}
            tools = before.tools or part["tools"].null_count() < part.height
            prompts = before.prompts or name != "preference" or bool((part["messages"].list.len() > 0).any())
            used[name] = _Used(before.fields | fields, tools, prompts)
    return used


def _has(examples: pl.DataFrame, field: str) -> bool:
    there = pl.element().struct.field(field).is_not_null()
    return any(examples.select(pl.col(column).list.eval(there).list.any().any()).item() for column in _MESSAGES)


def _writer(form: Form, path: Path, kind: Kind | None, used: dict[Kind, _Used]) -> _Writer:
    if form == "original":
        return _LineFile(path.open("xb"), original_lines)
    if form == "parquet":
        return _TableFile(path, canonical_table)
    assert kind is not None
    if form == "chat":
        return _LineFile(path.open("xb"), lambda examples: chat_lines(examples, kind))
    own = used[kind]
    return _TableFile(
        path, lambda examples: trainable_table(examples, kind, own.columns, tools=own.tools, prompts=own.prompts)
    )


def described(
    folder: Path, name: str, rows: int, split: Split | None, kind: Kind | None, columns: tuple[str, ...]
) -> ExportedFile:
    """A file as it lies in the folder."""
    digest, size = hash_file(folder / name)
    return ExportedFile(name, digest, size, rows, split, kind, columns)
