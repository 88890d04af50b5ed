"""Asks git, and nothing but git: no hook, filter, monitor or download of the repository ever runs.

A base is read from objects that git has verified, never from an index or a working tree, which a pull request fills.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gate.errors import InputError, MissingDependency

_SAFE = (
    "--no-pager",
    "--no-replace-objects",  # a replaced object is not the one whose name was asked for
    "--literal-pathspecs",
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.allow=never"),
)
_BLOCK = 1 << 20
INSTALL = "Install git, or compare with a folder: --base ./FOLDER."


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree."""

    mode: str
    """Octal: 100644, 100755, 120000 (a link), 160000 (a submodule)."""
    blob: str
    """The name of its object, hex."""
    size: int
    """Bytes of the object; 0 for a submodule, which has none here."""

    @property
    def plain(self) -> bool:
        """Whether it is a plain file."""
        return self.mode.startswith("100")

    @property
    def link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == "120000"


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository on this machine."""

    top: Path
    """The root of its working tree, links resolved."""

    @classmethod
    def around(cls, path: Path) -> Repository | None:
        """The repository whose working tree holds a path; None where there is none.

        Raises:
            InputError: git will not work there (it belongs to somebody else, it is damaged).
            MissingDependency: git is not installed.
        """
        folder = path if path.is_dir() and not path.is_symlink() else path.parent
        while not folder.is_dir():
            folder = folder.parent
        if not any(os.path.lexists(each / ".git") for each in (folder.resolve(), *folder.resolve().parents)):
            return None
        answer = _run(folder, ["rev-parse", "--show-toplevel"])
        if answer.returncode != 0:
            raise InputError(
                f"git cannot read the repository: {_first_line(answer.stderr)}",
                where=str(folder),
                remedy="Run `git status` there and follow what it says.",
            )
        return cls(Path(os.fsdecode(answer.stdout.rstrip(b"\n"))).resolve())

    def commit(self, revision: str) -> str | None:
        """The commit that a revision stands for (hex); None where the repository has none such."""
        answer = _run(self.top, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
        return answer.stdout.decode("ascii").strip() if answer.returncode == 0 else None

    @property
    def shallow(self) -> bool:
        """Whether it holds only the newest commits."""
        return _run(self.top, ["rev-parse", "--is-shallow-repository"]).stdout.strip() == b"true"

    def tree(self, commit: str) -> dict[str, Entry]:
        """Every path of a commit (`/` between parts), with what lies there.

        Raises:
            InputError: an object of it is not on this machine.
        """
        answer = _run(self.top, ["ls-tree", "-r", "-z", "-l", "--full-tree", commit])
        if answer.returncode != 0:
            raise InputError(
                f"git cannot list commit {commit[:12]}: {_first_line(answer.stderr)}",
                remedy="Fetch it whole: `git fetch --refetch --no-filter`, or `fetch-depth: 0` in a workflow.",
            )
        entries = {}
        # One line per file of the repository, 2 µs each.
        for line in answer.stdout.split(b"\0")[:-1]:
            about, _, name = line.partition(b"\t")
            mode, _, blob, size = about.decode("ascii").split()
            entries[os.fsdecode(name)] = Entry(mode, blob, int(size) if size.isdecimal() else 0)
        return entries

    def write(self, files: Sequence[tuple[str, Entry, Path]]) -> None:
        """Write objects as plain files; folders must be there.

        What the working tree still has is copied from there, which is faster: where the copy is the object.

        Args:
            files: where each lies in the repository, what it was there, and where it goes.

        Raises:
            InputError: an object is not on this machine.
        """
        left = [(entry.blob, path) for name, entry, path in files if not _copied(self.top / name, entry, path)]
        for (_, path), (size, out) in zip(left, self._blobs([blob for blob, _ in left]), strict=True):
            with path.open("xb") as file:
                _copy(out, file, size)

    def lfs_objects(self) -> Path:
        """Where Git LFS keeps what it has downloaded."""
        common = _run(self.top, ["rev-parse", "--git-common-dir"]).stdout
        git_folder = self.top / os.fsdecode(common.rstrip(b"\n"))
        storage = os.fsdecode(_run(self.top, ["config", "--get", "lfs.storage"]).stdout.rstrip(b"\n"))
        return git_folder / (storage or "lfs") / "objects"

    def _blobs(self, names: Sequence[str]) -> Iterator[tuple[int, BinaryIO]]:
        if not names:
            return
        # A file, not a pipe: git answers while it still reads, and two full pipes would wait for each other.
        with tempfile.TemporaryFile() as asked:
            asked.write("".join(f"{name}\n" for name in names).encode("ascii"))
            asked.seek(0)
            command, environment = _command(self.top, ["cat-file", "--batch"])
            with subprocess.Popen(
                command, env=environment, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                assert process.stdout is not None
                try:
                    for name in names:
                        said = process.stdout.readline().split()
                        if len(said) != 3 or said[1] != b"blob":
                            raise InputError(
                                f"object {name[:12]} is not on this machine",
                                where=str(self.top),
                                remedy="Fetch it: `git fetch --refetch --no-filter`; a partial clone has no old files.",
                            )
                        yield int(said[2]), process.stdout  # type: ignore[misc]  # opened without text: bytes
                        process.stdout.read(1)  # the line feed behind each object
                finally:
                    process.kill()


def _copied(source: Path, entry: Entry, path: Path) -> bool:
    """Copy a file of the working tree; false (and nothing is left) where it is not that object."""
    try:
        if source.is_symlink() or not source.is_file() or source.stat().st_size != entry.size:
            return False
        made = hashlib.sha256() if len(entry.blob) == 64 else hashlib.sha1(usedforsecurity=False)  # git's formats
        made.update(b"blob %d\0" % entry.size)
        with source.open("rb") as file, path.open("xb") as copy:
            while block := file.read(_BLOCK):
                made.update(block)  # of what is written, so that a change while it is read is noticed
                copy.write(block)
    except OSError:
        path.unlink(missing_ok=True)
        return False
    if made.hexdigest() != entry.blob:
        path.unlink()
        return False
    return True


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        block = source.read(min(size, _BLOCK))
        if not block:
            raise InputError("git ended before it had given a whole file", remedy="Run `git fsck`.")
        target.write(block)
        size -= len(block)


def _command(folder: Path, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    # What GIT_* says (another repository, index, object folder, traces) is meant for somebody else's git.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    return ["git", *_SAFE, "-C", str(folder), *arguments], environment


def _run(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    command, environment = _command(folder, arguments)
    try:
        return subprocess.run(command, env=environment, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise MissingDependency("git is not installed", remedy=INSTALL) from None


def _first_line(message: bytes) -> str:
    lines = message.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else "it gave no reason"
