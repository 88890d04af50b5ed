"""Reads anything people have: paths in, one `Dataset` of canonical examples and malformed rows out, in memory.

Each file is read by itself, by `gate.data.read_file`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import BinaryIO

import polars as pl

from gate.data.build import NO_EXAMPLES
from gate.data.columns import ColumnMap
from gate.data.find import Source, find_sources
from gate.data.frame import MALFORMED, Dataset, SkippedFile
from gate.data.malformed import name_of
from gate.data.read_file import DEFAULT_LIMITS, Progress, ReadFile, read_file
from gate.data.stream import Limits
from gate.errors import InputError

FEWEST_ROWS = 4096
"""Rows per chunk below which chunks are joined: many small files slow every expression down, while joining the few
large chunks of a large file would only hold their columns twice."""


def read(
    paths: Sequence[str | os.PathLike[str]],
    *,
    columns: ColumnMap | None = None,
    source: bool = False,
    stdin: BinaryIO | None = None,
    on_file: Callable[[str, int, int], None] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Dataset:
    """Every example and every malformed row behind some paths.

    Args:
        paths: files, folders (recursive), globs, or `-` for JSON Lines on stdin.
        columns: the user's own names for columns.
        source: keep each record verbatim (JSON) in the column `source`.
        stdin: where `-` reads from; the process's own by default.
        on_file: called with a file, the bytes of it read so far, and its size (0 when not known).

    Raises:
        InputError: what cannot be judged at all: no such path, no permission, nothing that is a dataset.
    """
    found = find_sources(paths)
    results = []
    for one in found.sources:
        progress = None if on_file is None else _progress(on_file, one)
        results.append(
            read_file(one, found.root, columns, source=source, stdin=stdin, progress=progress, limits=limits)
        )
    return assemble(found.root, results, found.skipped, paths)


def assemble(
    root: str, results: Sequence[ReadFile], skipped: Sequence[SkippedFile], paths: Sequence[str | os.PathLike[str]]
) -> Dataset:
    """The dataset of some files, in their order.

    Raises:
        InputError: none of them is data.
    """
    files = tuple(result.source for result in results if result.source is not None)
    passed = sorted([*skipped, *(result.skipped for result in results if result.skipped)], key=lambda one: one.path)
    if not files:
        raise no_dataset(passed, paths)
    examples = pl.concat([NO_EXAMPLES, *(result.examples for result in results)])
    if examples.n_chunks() * FEWEST_ROWS > examples.height:
        examples = examples.rechunk()
    return Dataset(
        root=root,
        examples=examples,
        malformed=pl.concat([pl.DataFrame(schema=MALFORMED), *(result.malformed for result in results)], rechunk=True),
        files=files,
        skipped=tuple(passed),
    )


def no_dataset(passed: Sequence[SkippedFile], paths: Sequence[str | os.PathLike[str]]) -> InputError:
    """What to say where none of the files is data."""
    listed = "; ".join(f"{name_of(one.path)} ({one.reason})" for one in passed[:5]) or "it is empty"
    where = ", ".join(str(path) for path in paths)
    remedy = "gate reads JSONL, JSON, CSV, TSV, Parquet and Arrow files; name a file to have it read whatever it is."
    return InputError(f"nothing here is a dataset: {listed}", where=where, remedy=remedy)


def _progress(on_file: Callable[[str, int, int], None], source: Source) -> Progress:
    size = 0 if source.path is None or source.missing or source.outside else source.path.stat().st_size
    return lambda done: on_file(source.file, done, size)
