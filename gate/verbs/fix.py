"""`gate fix`: do what can be done about findings without asking a person, in a copy of the data.

Data is judged, what can be done is done, and the outcome is judged again until nothing is left that could be: a
redaction may make two rows equal, and what is fixed must stay fixed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from gate.admission.fix_log import as_jsonl
from gate.admission.fixed import FixResult
from gate.admission.remedies import plan
from gate.admission.result import AdmissionResult
from gate.data.find import Found, find_sources
from gate.errors import UsageError
from gate.policy.settings import find_settings
from gate.verbs.check import check
from gate.verbs.fix_places import LOG, PlaceError, allowed, clean_in_git, not_piped, put, put_file
from gate.verbs.fix_tree import FixTree

OnStage = Callable[[str, int, int], None]

ROUNDS = 10
"""How often data is judged and fixed again at most; more than three have never been seen."""


def fix(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    in_place: bool = False,
    dry_run: bool = False,
    policy: str | os.PathLike[str] | None = None,
    select: str | Collection[str] = (),
    ignore: str | Collection[str] = (),
    log: str | os.PathLike[str] | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> FixResult:
    """Write a dataset anew without what its rules find and what can be mended safely.

    Args:
        paths: files, folders or globs; `gate.yaml`'s paths where empty.
        out: a folder that does not exist yet.
        in_place: replace the files themselves, which git must have as they are.
        dry_run: do everything and write nothing.
        policy, select, ignore: as `gate check` has them.
        log: where the log goes; `gate-fix.jsonl` in `out`, or beside the data in place.

    Raises:
        UsageError: no destination or two, one that is not allowed, files that git does not have.
        InputError: nothing would be left, or a file changed meanwhile.
        PolicyError: as `gate check` raises it.
    """
    begun = time.perf_counter()
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    settings = find_settings(_start(given))
    asked = [os.fspath(path) for path in given] or [
        str(settings.root / path) for path in settings.paths if settings.root
    ]
    if not asked:
        raise UsageError("no data was named", remedy="name a file or a folder, or set `paths:` in gate.yaml")
    if sum((out is not None, in_place, dry_run)) != 1:
        raise UsageError("one destination is needed", remedy="write --out DIR, --in-place or --dry-run")
    not_piped(asked)
    found = find_sources(asked)
    destination = None if out is None else Path(out).absolute()
    if destination is not None:
        allowed(
            destination, [Path(found.root), *map(Path, asked)] if _is_folder(asked, found) else list(map(Path, asked))
        )
    log_path = None if dry_run else Path(log) if log is not None else (destination or Path(found.root)) / LOG
    if log_path is not None and log is not None and log_path.is_dir():
        raise UsageError("the log would replace a folder", where=str(log), remedy="name a file: --log FILE")

    def judge(where: Sequence[str | os.PathLike[str]]) -> AdmissionResult:
        return check(where, policy=policy, select=select, ignore=ignore, home=_start(given), on_stage=on_stage)

    before = judge(asked)
    first = plan(before.findings, before.outcomes)
    if in_place:
        root = Path(found.root)
        clean_in_git([root / name for name in first.files])
    folder = _beside(destination, in_place=in_place, root=Path(found.root))
    try:
        work = FixTree(found, folder / "tree" / (Path(found.root).name or "data"), whole=_is_folder(asked, found))
        work.begin()
        after, planned, rounds = before, first, 0
        while planned.files and rounds < ROUNDS:
            rounds += 1
            if not work.apply(planned, after.dataset, rounds):
                break
            after = judge(work.paths)
            planned = plan(after.findings, after.outcomes)
        work.finish()
        after.dataset.root = before.dataset.root  # the folder it was fixed in is gone
        left = pl.concat([planned.left, planned.acted.drop("action")])
        result = FixResult(
            out=Path(found.root) if in_place else destination,
            log_path=log_path,
            files=work.counted(before, after),
            copied=tuple(work.copied),
            log=work.log.frame(),
            before=before,
            after=after,
            left=left,
            rounds=rounds,
            seconds=0.0,
        )
        if not dry_run:
            _deliver(work, result, destination, log_path, given_log=log is not None)
    except OSError as error:
        raise PlaceError(
            f"the fixed data could not be written: {(error.strerror or str(error)).lower()}",
            where=str(destination or found.root),
            remedy="make room or give permission, and run it again: the data that was read is as it was",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return replace(result, seconds=time.perf_counter() - begun)


def _deliver(
    work: FixTree, result: FixResult, destination: Path | None, log_path: Path | None, *, given_log: bool
) -> None:
    """Put the fixed data and its log in place: the log first where it lies elsewhere, so that no change is without."""
    assert log_path is not None
    lines = as_jsonl(result.log)
    if destination is None:
        clean_in_git([work.root / name for name in sorted(work.changed | work.gone)])
        if lines or given_log:
            _write(log_path, lines)
        for name in sorted(work.changed):
            put_file(work.folder / name, work.root / name)
        for name in sorted(work.gone):
            (work.root / name).unlink()
        return
    if given_log:
        _write(log_path, lines)
    else:
        (work.folder / LOG).write_bytes(lines)
    destination.parent.mkdir(parents=True, exist_ok=True)
    put(work.folder, destination)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _start(paths: Sequence[str | os.PathLike[str]]) -> Path:
    first = Path(paths[0]) if paths else Path()
    return first if first.exists() else Path()


def _is_folder(asked: Sequence[str], found: Found) -> bool:
    """Whether one folder was named, so that what else lies in it belongs to the dataset."""
    return len(asked) == 1 and Path(found.root).resolve() == Path(asked[0]).expanduser().resolve()


def _beside(destination: Path | None, *, in_place: bool, root: Path) -> Path:
    """A hidden folder to work in, on the disk of the destination."""
    if destination is None:
        return Path(tempfile.mkdtemp(prefix="gate-fix-"))
    destination.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{destination.name[:100]}.gate-fix-", dir=destination.parent))
