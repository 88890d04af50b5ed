"""Finds the files that a policy names, and lets none of them lie outside the folder that the policy belongs to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from gate.errors import PolicyError
from gate.folders import Folders

SETTING = "with.evaluations"
"""Where in a policy the files are named."""


def find(name: str, folders: Folders) -> tuple[Path, Path]:
    """A file that `evaluations` names, and the folder it has to stay in.

    Raises:
        PolicyError: it is absent, no file, or lies outside the folder, also by way of a link.
    """
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        raise refused(name, "an absolute path", "name it by its path in the repository")
    for root in folders.roots:
        path = root / name
        if path.exists() or path.is_symlink():
            return within(path, root, name), root
    where = folders.roots[0]
    raise refused(name, f"there is no such evaluation set in {where.name or where}", "mend the path, or take it out")


def within(path: Path, root: Path, name: str) -> Path:
    """The file itself, every link followed.

    Raises:
        PolicyError: it is absent, no file, or lies outside the folder.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # absent, a loop of links, a name that no file can have
        raise refused(name, "there is no such file", "mend the path, or fetch the file") from None
    if not real.is_relative_to(root.resolve()):
        raise refused(name, "lies outside the repository", "put the file, not a link to it, into the repository")
    if not real.is_file():
        raise refused(name, "not a file", "name the files of the evaluation set one by one")
    return real


def refused(name: str, what: str, remedy: str) -> PolicyError:
    """The error for an evaluation set that cannot be used; nothing is judged without it."""
    return PolicyError(f"evaluation set {name}: {what}", where=SETTING, remedy=remedy)
