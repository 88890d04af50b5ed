"""Where an export goes, and how it gets there: whole, or not at all.

Files grow in a hidden folder beside their destination, which a renaming puts in place; whatever interrupts them takes
that folder along. Where a folder cannot be renamed (it is where a disk is mounted, as in a container, or nobody may
write beside it) they grow inside it and are moved up one by one, the proof last. With `force` an export takes the place
of an older one, and of nothing else: a folder that holds anything that its own list of files does not name is left as
it is.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson

from gate.errors import GateError, UsageError

PROOF = "gate-export.json"
"""The list of an export's files, beside them."""
LARGEST_PROOF = 16 << 20
"""Bytes: a guard against the wrong file."""


class ExportError(GateError):
    """The export could not be written, to a full disk for example; nothing of it is left."""

    exit_code = 4


def proof_of(file: Path) -> Path:
    """Where the proof of an export lies that is a single file."""
    return file.with_name(f"{file.name}.{PROOF}")


@contextmanager
def growing(out: Path, *, force: bool, file: bool, avoid: Path | None = None) -> Iterator[Path]:
    """A folder to write the export to, which is put in place at the end.

    Args:
        out: a folder, or a file where `file` is set: what the folder holds then is one file and its proof.
        force: take the place of an older export.
        avoid: a folder in which no export may lie (the store's).

    Raises:
        UsageError: there is something at `out` already, or it may not be written.
        ExportError: the disk is full, or a file system error.
    """
    target = Path(os.path.realpath(out))
    if avoid is not None and target.is_relative_to(os.path.realpath(avoid)):
        raise UsageError("an export cannot lie in the store", where=os.fspath(out), remedy="name another folder")
    _look(target, out, force=force, file=file)
    made = _parents(target)
    work: Path | None = None
    try:
        inside = not file and target.is_dir() and (target.is_mount() or not os.access(target.parent, os.W_OK))
        place = target if inside else target.parent
        place.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.gate-export-", dir=place))
        yield work
        _sync(work)
        if file:
            _put_file(work, target)
        else:
            _look(target, out, force=force, file=False, besides=work)  # something may have come to be there meanwhile
            _put_inside(work, target) if inside else _put_folder(work, target)
        made = []
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "there is no room left" if full else f"the export could not be written ({_why(error)})"
        raise ExportError(
            what, where=os.fspath(out), remedy="make room or give permission, and run it again; nothing was left there"
        ) from None
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
        for folder in made:  # only what is empty goes
            with suppress(OSError):
                folder.rmdir()


def _look(target: Path, out: Path, *, force: bool, file: bool, besides: Path | None = None) -> None:
    """Make sure that the destination is free, or an older export that may go."""
    if file:
        if target.is_dir():
            raise UsageError("it is a folder", where=os.fspath(out), remedy="name a file")
        if (target.exists() or proof_of(target).exists()) and not force:
            raise UsageError(
                "there is a file already", where=os.fspath(out), remedy="name another one, or write --force"
            )
        return
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise UsageError(
            "there is a file of that name", where=os.fspath(out), remedy="name a folder that does not exist yet"
        )
    if all(path == besides for path in target.iterdir()):
        return
    if not force:
        raise UsageError(
            "the folder is not empty",
            where=os.fspath(out),
            remedy="name one that does not exist yet, or write --force to replace an older export",
        )
    if stranger := _stranger(target, besides):
        raise UsageError(
            f"it holds {stranger}, which no export of gate's wrote: --force replaces exports only",
            where=os.fspath(out),
            remedy="name another folder, or empty this one yourself",
        )


def _stranger(folder: Path, besides: Path | None) -> str | None:
    """A file that the folder's own list does not name; what it is called, for a person."""
    try:
        proof = folder / PROOF
        if proof.stat().st_size > LARGEST_PROOF:
            raise ValueError
        listed = {str(each["path"]) for each in orjson.loads(proof.read_bytes())["files"]} | {PROOF}
    except (OSError, ValueError, KeyError, TypeError):
        return f"no readable {PROOF}"
    for path in sorted(folder.rglob("*")):
        if besides is not None and path.is_relative_to(besides):
            continue
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in listed:
            return repr(name[:100])
    return None


def _parents(target: Path) -> list[Path]:
    """The folders that will be made, the innermost first."""
    return [folder for folder in target.parents if not folder.exists()]


def _sync(work: Path) -> None:
    for path in work.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _put_file(work: Path, target: Path) -> None:
    """The proof first: a file without one is what never lies there."""
    (data,) = [path for path in work.iterdir() if path.name != PROOF]
    (work / PROOF).replace(proof_of(target))
    data.replace(target)


def _put_folder(work: Path, target: Path) -> None:
    work.chmod(0o777 & ~_umask())  # what makes temporary folders makes them private
    old = work.with_name(f"{work.name}.old")
    if target.exists():
        target.rename(old)
    try:
        work.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _put_inside(work: Path, target: Path) -> None:
    old = work.with_name(f"{work.name}.old")
    old.mkdir()
    ours = (work, old)
    try:
        for path in [each for each in target.iterdir() if each not in ours]:
            path.rename(old / path.name)
        for path in sorted(work.iterdir(), key=lambda each: each.name == PROOF):
            path.rename(target / path.name)
    except BaseException:
        for path in [each for each in target.iterdir() if each not in ours]:
            path.rename(work / path.name)
        for path in list(old.iterdir()):
            path.rename(target / path.name)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
