"""Where fixed data may go, and how it gets there: beside what was read, whole or not at all.

The new data grows in a hidden folder beside its destination, which one renaming puts in place. In place, each file is
replaced by renaming too, and only where git has its present content, so that nothing is lost that cannot be had back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gate.data.find import STDIN, Found
from gate.data.frame import SkippedFile
from gate.errors import GateError, UsageError

LOG = "gate-fix.jsonl"
_ELSEWHERE = "name a folder that does not exist yet: --out DIR"


class PlaceError(GateError):
    """The fixed data could not be put in place: a full disk, say. The data that was read is as it was."""

    exit_code = 4


def allowed(out: Path, asked: Sequence[Path]) -> None:
    """Make sure that a destination neither exists nor lies in the data.

    Raises:
        UsageError: it does.
    """
    target = out.resolve()
    for path in asked:
        given = path.resolve()
        if target == given or (given.is_dir() and target.is_relative_to(given)):
            raise UsageError("the fixed data would lie in the data itself", where=str(out), remedy=_ELSEWHERE)
        if given.is_relative_to(target):
            raise UsageError("the fixed data would lie over the data", where=str(out), remedy=_ELSEWHERE)
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError("it is there already", where=str(out), remedy=f"remove it, or {_ELSEWHERE}")
    parent = next(folder for folder in target.parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError("no permission to write there", where=str(out), remedy=_ELSEWHERE)


def copyable(found: Found) -> list[str]:
    """The files that are no data and go along as they are. Hidden folders (`.git`, `.gate`) stay behind, and so do
    caches of the datasets library: they hold rows that are fixed or gone. A link to a file that is read stays behind,
    too: its copy would hold every row twice."""
    root = Path(found.root)
    return [
        each.path
        for each in found.skipped
        if _goes_along(root / each.path, each) and (root / each.path).resolve().is_relative_to(root.resolve())
    ]


def _goes_along(path: Path, skipped: SkippedFile) -> bool:
    again = skipped.reason.startswith("the same as") or "cache of the datasets library" in skipped.reason
    if not path.exists() or path.name == LOG or again:
        return False
    return path.is_file() or (path.is_dir() and skipped.reason == "configuration, not data")


def copy(source: Path, target: Path) -> None:
    """A file or a folder, with its times and permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def put(tree: Path, out: Path) -> None:
    """Give the finished folder its name.

    Raises:
        PlaceError: something came to be there meanwhile.
    """
    try:
        _sync(tree)
        tree.rename(out)
    except OSError as error:
        raise PlaceError(
            f"the fixed data could not be put in place: {(error.strerror or str(error)).lower()}",
            where=str(out),
            remedy=_ELSEWHERE,
        ) from None


def _sync(tree: Path) -> None:
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def put_file(fixed: Path, original: Path) -> None:
    """Put a fixed file in the place of the original one, which keeps its permissions."""
    target = Path(os.path.realpath(original))
    temporary = target.with_name(f".{target.name[:100]}.gate-fix-{os.getpid()}")
    try:
        shutil.copyfile(fixed, temporary)
        shutil.copymode(target, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise PlaceError(
            f"the file could not be replaced: {(error.strerror or str(error)).lower()}",
            where=str(original),
            remedy="files replaced before it are in git: `git diff --stat` lists them",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def clean_in_git(files: Sequence[Path]) -> None:
    """Make sure that git has every file with its present content.

    Raises:
        UsageError: git, or a repository, is not there; or a file is untracked, ignored, or changed since its commit.
    """
    for path in files:
        real = Path(os.path.realpath(path))
        tracked = _git(real.parent, "ls-files", "--error-unmatch", "--", real.name)
        if tracked is None:
            raise UsageError(
                "in place needs git to have the file, and it does not",
                where=str(path),
                remedy="commit it first, or write elsewhere: --out DIR",
            )
        if _git(real.parent, "status", "--porcelain", "--", real.name) != "":
            raise UsageError(
                "in place needs git to have the file as it is now, and it has changed since the last commit",
                where=str(path),
                remedy="commit or stash it first, or write elsewhere: --out DIR",
            )


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, None where it refuses. Nothing of the repository is run on the way: no hooks, no monitor."""
    command = ["git", "--literal-pathspecs", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def not_piped(asked: Sequence[str]) -> None:
    """Standard input has no place that it could be written to.

    Raises:
        UsageError: it was named.
    """
    if STDIN in asked:
        raise UsageError("standard input cannot be fixed", remedy="write it to a file first")
