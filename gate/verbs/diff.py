"""`gate diff`: how one dataset differs from another, row by row and in its figures.

Each side is read once, shard by shard, for small keys and figures; then the files of the few rows that are shown are
read again for their texts, which are masked at once.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from gate.admission.difference import DiffResult, Place
from gate.admission.profile import PROFILE, Profile, profile
from gate.checks.base import Context, Params
from gate.data.columns import ColumnMap
from gate.data.corpus import Corpus, rows_of
from gate.data.differences import CHANGES, differences, keys_of
from gate.data.find import STDIN, Found, find_sources
from gate.data.frame import EXAMPLES, MALFORMED, SourceFile
from gate.data.masking import mask_text
from gate.data.read import no_dataset
from gate.data.read_file import FileReader
from gate.data.revision import checkout
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import UsageError
from gate.folders import Folders
from gate.policy.settings import find_settings
from gate.version import __version__

Path_ = str | os.PathLike[str]
OnStage = Callable[[str, int, int], None]

_LONGEST = 12_000
"""Characters of a text that are masked and kept for showing."""
_MARGIN = 300
"""Characters behind the cut that are masked with them, so that no half of a secret stays."""


def diff(
    a: Path_,
    b: Path_,
    *,
    show: int = 20,
    on_stage: OnStage = lambda stage, done, total: None,
) -> DiffResult:
    """Compare two datasets.

    Args:
        a, b: a file, a folder or a glob each, or `REVISION:PATH` as git had it.
        show: of how many rows per kind of change the texts are fetched.

    Raises:
        InputError: a path that is no dataset.
        UsageError: standard input, or the same path twice.
    """
    begun = time.perf_counter()
    for path in (a, b):
        if os.fspath(path) == STDIN:
            raise UsageError("standard input cannot be compared", remedy="write it to a file first")
    if show < 0:
        raise UsageError(f"show is {show}", remedy="write how many rows of each kind are to be shown, 0 or more")
    with ExitStack() as stack:
        return _compared(a, b, stack, show, on_stage, begun)


def _compared(a: Path_, b: Path_, stack: ExitStack, show: int, on_stage: OnStage, begun: float) -> DiffResult:
    left, right = (_read(*_placed(path, stack), on_stage) for path in (a, b))
    found = differences(left.keys, right.keys)
    shown = pl.concat([found.rows.filter(pl.col("change") == change).head(show) for change in CHANGES])
    only_a = left.malformed.height - _common(left.malformed, right.malformed)
    only_b = right.malformed.height - _common(left.malformed, right.malformed)
    return DiffResult(
        a=os.fspath(a),
        b=os.fspath(b),
        differences=found,
        malformed_added=only_b,
        malformed_removed=only_a,
        profile_a=left.profile,
        profile_b=right.profile,
        version=__version__,
        seconds=time.perf_counter() - begun,
        shown=shown,
        texts_a=_texts(left, shown.select(file="a_file", row="a_row")),
        texts_b=_texts(right, shown.select(file="b_file", row="b_row")),
        folders=Folders(find_settings(Path(b) if Path(b).exists() else Path()).folder),
    )


def _placed(path: Path_, stack: ExitStack) -> tuple[Path_, Path]:
    """What to read, and where its settings are looked for from: those of the working tree, for a revision too.

    Raises:
        InputError: there is no such revision, or it has nothing there.
    """
    here = Path(path)
    revision, colon, name = os.fspath(path).partition(":")
    if here.exists() or not colon or not revision or (len(revision) == 1 and os.name == "nt"):
        return path, here if here.exists() else Path()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-diff-"))
    asked = Path(name or ".")
    place = checkout(revision, [asked], Path(folder)).places[asked]
    assert place is not None  # a revision that has nothing there is an error
    return place, asked if asked.exists() else Path()


@dataclass(slots=True)
class _Side:
    found: Found
    columns: ColumnMap | None
    keys: list[pl.DataFrame] = field(default_factory=list)
    malformed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MALFORMED))
    profile: Profile = field(default_factory=dict)


def _read(path: Path_, home: Path, on_stage: OnStage) -> _Side:
    found = find_sources([path])
    columns = find_settings(home).columns
    side = _Side(found, columns)
    rows, features, malformed = [], [], [pl.DataFrame(schema=MALFORMED)]
    files: list[SourceFile] = []
    skipped = list(found.skipped)
    with LocalEngine() as engine:
        context = Context(engine, Folders())
        assert PROFILE.features is not None
        for number, source in enumerate(found.sources):
            on_stage(f"reading {source.file}", number, len(found.sources))
            reader = FileReader(source, found.root, columns)
            for examples in reader:
                frames = Frames(examples, pl.DataFrame(schema=MALFORMED))
                side.keys.append(keys_of(frames))
                rows.append(rows_of(examples))
                features.append(PROFILE.features(frames, Params(), context))
            malformed.append(reader.rest.malformed)
            if reader.rest.source is not None:
                files.append(reader.rest.source)
            if reader.rest.skipped is not None:
                skipped.append(reader.rest.skipped)
    if not files:
        raise no_dataset(skipped, [path])
    side.malformed = pl.concat(malformed)
    if not features:  # nothing but malformed rows: the figures of no row
        empty = Frames(pl.DataFrame(schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
        rows, features = [rows_of(empty.examples)], [PROFILE.features(empty, Params(), context)]
    corpus = Corpus(pl.concat(rows), pl.concat(features).lazy(), (), side.malformed, tuple(files))
    side.profile = profile(corpus)
    return side


def _common(a: pl.DataFrame, b: pl.DataFrame) -> int:
    """Malformed rows that both have, as multisets of their bytes (of their message, where there are none)."""
    key = pl.coalesce("digest", "message").alias("key")
    counts = [side.select(key).group_by("key").len() for side in (a, b)]
    both = counts[0].join(counts[1], on="key")
    return int(both.select(pl.min_horizontal("len", "len_right").sum()).item())


def _texts(side: _Side, places: pl.DataFrame) -> dict[Place, str]:
    """The texts of some rows, masked and cut."""
    wanted = places.drop_nulls().unique()
    texts: dict[Place, str] = {}
    for source in side.found.sources:
        rows = wanted.filter(pl.col("file") == source.file)["row"]
        if rows.is_empty():
            continue
        last = int(rows.max())  # type: ignore[arg-type]  # a number: the series is not empty
        for examples in FileReader(source, side.found.root, side.columns):
            picked = examples.filter(pl.col("row").is_in(rows.implode()))
            full = Frames(picked, pl.DataFrame(schema=MALFORMED)).full
            for row, text in zip(picked["row"], full, strict=True):  # the few that are shown
                masked = mask_text((text or "")[: _LONGEST + _MARGIN])
                texts[source.file, row] = masked[:_LONGEST]
            if examples["row"].max() >= last:  # type: ignore[operator]  # the same
                break
    return texts
