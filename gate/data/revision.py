"""Data as it was in a git revision: what `--base` compares with, written out as plain files.

Links and submodules are not followed, and nothing that a tree says leads out of the folder that is written to. A base
that cannot be found is an error, never "nothing new"; a path that the base does not have yet is none.
"""

from __future__ import annotations

import glob
import hashlib
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.data.git import Entry, Repository
from gate.errors import InputError, UsageError

CARD = "README.md"
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n(?:.*\n)*?size (\d+)\n"
)
_POINTER_BYTES = 1024  # a pointer is shorter (Git LFS specification)
_EXPLICIT = ("./", "../", "/", ".\\", "..\\", "~")
FETCH = "Fetch it: `git fetch origin main`; in a GitHub workflow `actions/checkout` with `fetch-depth: 0`."


@dataclass(frozen=True, slots=True)
class Base:
    """What `--base` names."""

    kind: Literal["revision", "path"]
    """Snapshots come with the store."""
    text: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A git revision, some of which lies in a folder as plain files."""

    asked: str
    commit: str
    """The commit that it stands for (hex)."""
    repository: Repository
    root: Path
    """The folder, as if it were the root of the repository."""
    places: Mapping[Path, Path | None]
    """Where each asked path lies in it; None where the revision does not have it, so that all its rows are new."""
    tree: Mapping[str, Entry]
    """Every path of the revision (`/` between parts)."""

    def write(self, names: Iterable[str]) -> None:
        """Write more files of the revision; those that are there already, links and submodules are passed over.

        Raises:
            InputError: a file is not on this machine, or its name leads out of the folder.
        """
        wanted = []
        for name in dict.fromkeys(names):
            entry = self.tree[name]
            path = self.root.joinpath(*_parts(name))
            if entry.plain and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                wanted.append((name, entry, path))
        self.repository.write(wanted)
        self._fetch_pointers([path for _, _, path in wanted])

    def relative(self, path: Path) -> str:
        """An asked path as the repository names it."""
        return _relative(path, self.repository)

    def _fetch_pointers(self, paths: Sequence[Path]) -> None:
        """Put what Git LFS has downloaded in the place of its pointers."""
        objects: Path | None = None
        missing = []
        for path in paths:
            pointer = _pointer(path)
            if pointer is None:
                continue
            objects = objects or self.repository.lfs_objects()
            if not _take(objects / pointer[:2] / pointer[2:4] / pointer, pointer, path):
                missing.append(path.relative_to(self.root).as_posix())
        if missing:
            more = f", and so are {len(missing) - 1} more files" if len(missing) > 1 else ""
            raise InputError(
                f"in {self.asked} this file is a Git LFS pointer whose content is not on this machine{more}",
                where=missing[0],
                remedy=f"Run `git lfs fetch origin {self.commit[:12]}`, and check again.",
            )


def find_base(text: str, paths: Sequence[Path]) -> Base:
    """What a person means by `--base`.

    Inside a repository a folder is only meant where it is written as one (`./old`, `../main/data`, `/srv/old`):
    otherwise a pull request could put a folder called `origin/main` in the way of the branch.

    Raises:
        UsageError: nothing that can be a base.
        InputError: it is not there.
    """
    if not text or "\0" in text or "\n" in text:
        raise UsageError("the base has no name", remedy="Name a git revision (--base origin/main) or a ./FOLDER.")
    if text.startswith("snapshot:"):
        raise UsageError(
            "snapshots cannot be a base yet",
            where=text,
            remedy="Name a git revision (--base origin/main) or a ./FOLDER.",
        )
    if text.startswith("-"):
        raise UsageError("a base does not begin with a dash", where=text, remedy="Name a git revision or a ./FOLDER.")
    path = Path(text).expanduser()
    if text in (".", "..") or text.startswith(_EXPLICIT) or path.is_absolute():
        if not path.exists():
            raise InputError("there is no such file or folder to compare with", where=text, remedy="Check the path.")
        return Base("path", text)
    repository = Repository.around(paths[0].absolute()) if paths else None
    if repository is None:
        if path.exists():
            return Base("path", text)
        raise InputError(
            "there is no such folder to compare with, and the data is in no git repository",
            where=text,
            remedy="Name a folder (--base ./FOLDER), or run it inside the repository of the data.",
        )
    if repository.commit(text) is None:
        raise _no_revision(text, repository, path.exists())
    return Base("revision", text)


def checkout(revision: str, paths: Sequence[Path], into: Path) -> Revision:
    """Write some paths, as they were in a git revision, into a folder; with the dataset cards (README.md) around them.

    Args:
        revision: a branch, tag or commit of the repository that holds the paths.
        paths: files, folders and globs of its working tree.
        into: an empty folder.

    Raises:
        InputError: there is no such repository or revision, it holds none of the paths, or its files are not here.
        UsageError: what was named can be no revision.
    """
    if not revision or revision.startswith("-") or "\0" in revision or "\n" in revision:
        raise UsageError("this can be no git revision", where=repr(revision), remedy="Name a branch, tag or commit.")
    repository = _repository(paths)
    commit = repository.commit(revision)
    if commit is None:
        raise _no_revision(revision, repository, exists=False)
    tree = repository.tree(commit)
    found = {path: _found(_relative(path, repository), path, tree) for path in paths}
    if all(place is None for place, _ in found.values()):
        names = ", ".join(_relative(path, repository) for path in paths)
        raise InputError(
            f"the base {revision} ({commit[:12]}) has nothing at {names}",
            remedy="Name a base that has the data; without --base all rows are judged.",
        )
    root = into.resolve()
    places = {path: None if place is None else root.joinpath(*_parts(place)) for path, (place, _) in found.items()}
    written = Revision(revision, commit, repository, root, places, tree)
    files = {name for _, inside in found.values() for name in inside}
    folders = {folder for name in files for folder in _above(name)}
    cards = {_join(folder, CARD) for folder in folders}
    written.write(sorted(files | {card for card in cards if card in tree}))
    return written


def _repository(paths: Sequence[Path]) -> Repository:
    if not paths or any(str(path) == "-" for path in paths):
        raise InputError("standard input has no base", remedy="Name files or folders of a git repository.")
    first, *others = [(path, Repository.around(_literal(path))) for path in paths]
    if first[1] is None:
        raise InputError(
            "this is in no git repository, so that no revision of it is known",
            where=str(first[0]),
            remedy="Run it inside the repository of the data, or compare with a folder: --base ./FOLDER.",
        )
    for path, repository in others:
        if repository != first[1]:
            raise InputError(
                "the paths are in different repositories", where=str(path), remedy="Check them one by one."
            )
    return first[1]


def _literal(path: Path) -> Path:
    """The part of a path before its first wildcard."""
    path = path.expanduser().absolute()
    while glob.has_magic(str(path)) and not path.exists():
        path = path.parent
    return path


def _no_revision(revision: str, repository: Repository, exists: bool) -> InputError:
    where = f"--base {revision}"
    if exists:
        return InputError(
            "this is no revision of the repository, but there is a folder of that name",
            where=where,
            remedy=f"For the folder write --base ./{revision}. For the revision: {FETCH}",
        )
    shallow = " (a shallow clone, which holds only its newest commits)" if repository.shallow else ""
    return InputError(f"the repository{shallow} has no such revision", where=where, remedy=FETCH)


def _relative(path: Path, repository: Repository) -> str:
    """A path of the working tree as the repository names it; the last part is not followed where it is a link."""
    absolute = Path(os.path.normpath(path.expanduser().absolute()))
    outside = InputError(
        "this leads out of the repository, so that no revision of it is known",
        where=str(path),
        remedy="Put the data into the repository, or compare with a folder: --base ./FOLDER.",
    )
    if absolute.exists() and not absolute.resolve().is_relative_to(repository.top):
        raise outside
    here = absolute if absolute.resolve() == repository.top else absolute.parent.resolve() / absolute.name
    here = repository.top if here.resolve() == repository.top else here
    if not here.is_relative_to(repository.top):
        raise outside
    return here.relative_to(repository.top).as_posix() if here != repository.top else ""


def _found(name: str, path: Path, tree: Mapping[str, Entry]) -> tuple[str | None, list[str]]:
    """Where a path lies in a tree, and the files behind it."""
    if glob.has_magic(name) and not path.exists():
        matches = re.compile(glob_pattern(name))
        inside = [
            each
            for each, entry in tree.items()
            if entry.plain and any(matches.fullmatch(part) for part in (each, *_above(each)))
        ]
        return (name if inside else None), inside
    for part in (*reversed(_above(name)), name):
        if part in tree and tree[part].link:
            raise InputError(
                "in the base this path is a link, which is not followed",
                where=part,
                remedy="Name the folder that it leads to.",
            )
    prefix = f"{name}/" if name else ""
    inside = [each for each, entry in tree.items() if entry.plain and (each == name or each.startswith(prefix))]
    return (name if inside else None), inside


def glob_pattern(pattern: str) -> str:
    """A shell pattern as a regular expression, `**` for any number of folders."""
    out = []
    for part in pattern.split("/"):
        if part == "**":
            out.append(r"(?:[^/]+/)*")
            continue
        made = ""
        for piece in re.split(r"(\*|\?|\[!?[^\]]+\])", part):
            if piece == "*":
                made += "[^/]*"
            elif piece == "?":
                made += "[^/]"
            elif re.fullmatch(r"\[!?[^\]]+\]", piece):
                inner = piece[1:-1].replace("\\", "\\\\")
                made += f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
            else:
                made += re.escape(piece)
        out.append(made + "/")
    whole = "".join(out)
    return whole.removesuffix("/")


def _parts(name: str) -> list[str]:
    """The parts of a path of a tree, none of which leads anywhere else."""
    parts = name.split("/") if name else []
    if any(part in ("", ".", "..") or part.lower() == ".git" or "\\" in part or "\0" in part for part in parts):
        raise InputError(
            "the base has a file whose name leads out of its folder", where=repr(name), remedy="Rename it in the base."
        )
    return parts


def _above(name: str) -> list[str]:
    """The folders that hold a path, nearest first, the root last."""
    folders = []
    while name:
        name = posixpath.dirname(name)
        folders.append(name)
    return folders


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _pointer(path: Path) -> str | None:
    """The SHA-256 that a Git LFS pointer names; None where the file is something else."""
    if path.stat().st_size >= _POINTER_BYTES:
        return None
    found = _POINTER.fullmatch(path.read_bytes())
    return found[1].decode("ascii") if found else None


def _take(stored: Path, sha256: str, path: Path) -> bool:
    """Put a stored object in the place of its pointer, when it really is the one."""
    try:
        with stored.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return False
    except OSError:
        return False
    path.unlink()
    try:
        os.link(stored, path)
    except OSError:  # another file system
        shutil.copyfile(stored, path)
    return True
