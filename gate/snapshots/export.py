"""Exports an approved snapshot: as it was read, as a trainer takes it, as Parquet, or as a folder that
`datasets.load_dataset` loads. This is for tools that do not know gate; what is trained here opens the snapshot itself.

Rows stream shard by shard, and nothing of what is exported is masked. Files are named after splits and kinds, never
after anything in the data. The same snapshot, as it stands, gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import polars as pl

from gate.data.find import format_of
from gate.data.frame import EXAMPLES, KINDS, SPLITS, Kind, Split
from gate.errors import UsageError
from gate.snapshots.croissant import croissant
from gate.snapshots.dataset_card import dataset_card
from gate.snapshots.export_facts import ExportedFile, Facts, proof
from gate.snapshots.export_parquet import ParquetFile, canonical_table, trainable_table
from gate.snapshots.folder_export import PROOF, growing
from gate.snapshots.records import OPTIONAL, chat_lines, original_lines
from gate.store.objects import Damaged, hash_file

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["original", "chat", "parquet", "datasets"]
FORMS: tuple[Form, ...] = Form.__args__  # type: ignore[attr-defined]
SUFFIXES: dict[Form, str] = {"original": ".jsonl", "chat": ".jsonl", "parquet": ".parquet", "datasets": ""}

OnRows = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    out: Path
    form: Form
    snapshot: str
    files: tuple[ExportedFile, ...]
    """All but the proof."""

    @property
    def rows(self) -> int:
        """Examples in all files."""
        return sum(file.rows for file in self.files)


def export(
    facts: Facts,
    form: Form,
    out: Path,
    *,
    split: Split | None = None,
    force: bool = False,
    on_rows: OnRows = lambda done, total: None,
) -> Exported:
    """Write the examples of a snapshot, with the proof of what they are.

    Args:
        out: a folder that is empty or not there; or a file (`.jsonl`, `.parquet`), where there is one split.
        split: only this one.
        force: take the place of an older export.
        on_rows: told of rows written, and of those in all.

    Raises:
        UsageError: no such split, several splits for one file, or a destination that is not free.
        ExportError: the disk is full, or a file system error: nothing is left there.
        Damaged: an object is not what it was when the snapshot was opened.
    """
    counts = {name: count for name, count in facts.snapshot.counts.items() if count}
    if split is not None and split not in counts:
        raise UsageError(
            f"the snapshot has no split {split!r}", remedy=f"it has {', '.join(counts)}; leave --split out for all"
        )
    wanted = counts if split is None else {split: counts[split]}
    file = format_of(out.name) is not None and not out.is_dir()
    if file and out.suffix != SUFFIXES[form]:
        raise UsageError(
            f"--as {form} writes no {out.suffix} file",
            where=str(out),
            remedy="name a folder" + (f", or a {SUFFIXES[form]} file for one split" if SUFFIXES[form] else ""),
        )
    if file and len(wanted) > 1:
        raise UsageError(
            f"one file cannot hold the splits {', '.join(wanted)}",
            where=str(out),
            remedy="name a folder, or one of them with --split",
        )
    with growing(out, force=force, file=file, avoid=facts.snapshot.store.root) as folder:
        files = _written(_Rows(facts, split, sum(wanted.values()), on_rows), form, folder)
        if {name: sum(each.rows for each in files if each.split == name) for name in wanted} != wanted:
            raise Damaged("the rows that were exported are not those that were admitted", where=facts.snapshot.id)
        if file:
            if len(files) > 1:
                kinds = ", ".join(str(each.kind) for each in files)
                raise UsageError(
                    f"one file cannot hold examples of several kinds ({kinds})",
                    where=str(out),
                    remedy="name a folder: each kind gets files of its own",
                )
            files = [_renamed(folder, files[0], out.name)]
        if form == "datasets":
            files += [
                _put(folder, "README.md", dataset_card(facts, files).encode()),
                _put(folder, "croissant.json", croissant(facts, files)),
            ]
        (folder / PROOF).write_bytes(proof(facts, form, files))
    return Exported(out, form, facts.snapshot.id, tuple(files))


class _Rows:
    """The examples of a snapshot, some columns at a time."""

    def __init__(self, facts: Facts, split: Split | None, total: int, on_rows: OnRows) -> None:
        self._facts, self._split, self._total, self._on_rows = facts, split, total, on_rows

    def of(self, columns: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """Frames with these columns, in the order of the snapshot; told of as they are taken."""
        done = 0
        for frame in self._facts.snapshot.examples(self._split, columns):
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


def _written(rows: _Rows, form: Form, folder: Path) -> list[ExportedFile]:
    """Write every row to the file of its split (and kind, where a trainer is to take them)."""
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
        _described(
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


def _used(rows: _Rows) -> dict[Kind, _Used]:
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


def _described(
    folder: Path, name: str, rows: int, split: Split | None, kind: Kind | None, columns: tuple[str, ...]
) -> ExportedFile:
    digest, size = hash_file(folder / name)
    return ExportedFile(name, digest, size, rows, split, kind, columns)


def _put(folder: Path, name: str, content: bytes) -> ExportedFile:
    (folder / name).write_bytes(content)
    return _described(folder, name, 0, None, None, ())


def _renamed(folder: Path, file: ExportedFile, name: str) -> ExportedFile:
    (folder / file.path).rename(folder / name)
    return replace(file, path=name)
