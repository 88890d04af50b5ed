"""`gate init`: the files with which a repository of data is judged on every change, each with a sentence on why.

What is there already is never replaced; the templates lie in `reports/init/`, where a team can have its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from gate.data.find import Source, find_sources, format_of
from gate.data.frame import KINDS, Kind
from gate.data.read_file import FileReader
from gate.errors import GateError, InputError, UsageError
from gate.folders import Folders
from gate.policy.settings import FILE, find_settings

Ci = Literal["github", "gitlab", "none"]
Status = Literal["written", "added", "left"]

CACHE_ENTRY = ".gate/cache/"
_LOOKED_AT = 20
"""Files of a folder that are looked at for data."""
_NO_DATA = {
    "rules",
    "trainers",
    "reports",
    "tests",
    "docs",
    "node_modules",
    "venv",
    "site-packages",
    "__pycache__",
    "src",
}


@dataclass(frozen=True, slots=True)
class InitFile:
    """One file of the setup, and what became of it."""

    path: str
    """Relative to the folder that was set up."""
    status: Status
    """`written`: it is new; `added`: a line was put at its end; `left`: it was there, and is as it was."""
    why: str
    """What it is for, in a sentence."""
    advice: str | None = None
    """What to put into a file that was left alone."""


@dataclass(frozen=True, slots=True)
class InitResult:
    """What was set up."""

    root: Path
    paths: tuple[str, ...]
    """Where the data is, relative to `root`."""
    guessed: bool
    """No data was found: the path is one to put it at."""
    files: tuple[InitFile, ...]
    ci: Ci


def init(
    folder: str | os.PathLike[str] = ".",
    *,
    paths: Sequence[str] = (),
    kinds: Sequence[Kind] = (),
    ci: Ci | None = None,
) -> InitResult:
    """Set a repository up.

    Args:
        folder: the top of the repository.
        paths: where the data is, relative to `folder`; looked for where empty.
        kinds: kinds of example for which to begin a policy of one's own.
        ci: whose workflow files to write; by what the repository has where None.

    Raises:
        UsageError: no such folder, a path outside it, an unknown kind or service.
        GateError: a file cannot be written.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UsageError("there is no such folder", where=str(folder), remedy="make it first, or name another")
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise UsageError(f"{unknown[0]!r} is no kind of example", remedy=f"one of {', '.join(KINDS)}")
    if ci is not None and ci not in get_args(Ci):
        raise UsageError(f"{ci!r} is no service that gate knows", remedy=f"one of {', '.join(get_args(Ci))}")
    settings = find_settings(root)
    own = list(settings.paths) if settings.root == root.resolve() else []
    found = _given(root, paths) if paths else own or _data(root)
    guessed = not found
    found = found or ["data"]
    service = ci or _service(root)
    templates = Folders(settings.folder)

    def text(name: str, **values: str) -> str:
        path = templates.find(f"reports/init/{name}")
        if path is None:
            raise GateError("a template is missing", where=f"reports/init/{name}", remedy="install llm-gate again")
        content = path.read_text(encoding="utf-8")
        for key, value in values.items():
            content = content.replace(f"@{key}@", value)
        return content

    listed = "\n".join(f"  - {json.dumps(path, ensure_ascii=False)}" for path in found)
    files = [_write(root, FILE, text("gate.yaml.txt", paths=listed), "Where the data is, and which policy judges it.")]
    for kind in dict.fromkeys(kinds):
        why = f"Your own policy for {kind} data; it builds on gate's, and you change it by pull request."
        files.append(_write(root, f"rules/admission/{kind}.yaml", text("policy.yaml.txt", kind=kind), why))
    for target, template, why in _WORKFLOWS[service]:
        files.append(_write(root, target, _for_path(text(template), found), why))
    hook = text("pre-commit.yaml.txt")
    files.append(
        _write(
            root, ".pre-commit-config.yaml", hook, "The same check before a commit leaves your machine.", advice=hook
        )
    )
    files.append(_ignored(root))
    return InitResult(root, tuple(found), guessed, tuple(files), service)


_WORKFLOWS: dict[Ci, tuple[tuple[str, str, str], ...]] = {
    "github": (
        (
            ".github/workflows/gate.yml",
            "github-pull-request.yml",
            "Judges every pull request, and may only read, so that it is safe for forks.",
        ),
        (
            ".github/workflows/gate-comment.yml",
            "github-comment.yml",
            "Writes the comment under the pull request; it runs nothing of it.",
        ),
    ),
    "gitlab": ((".gitlab-ci.yml", "gitlab-ci.yml", "Judges every merge request."),),
    "none": (),
}


def _for_path(workflow: str, paths: Sequence[str]) -> str:
    """A workflow with this repository's path in the place of `data`; the settings' paths where there are several."""
    path = paths[0] if len(paths) == 1 else "."
    if path == "data":
        return workflow
    return (
        workflow.replace("          path: data\n", f"          path: {json.dumps(path)}\n")
        .replace('"<!-- gate:data -->"', json.dumps(f"<!-- gate:{path} -->"))
        .replace("GATE_PATH: data\n", f"GATE_PATH: {json.dumps(path)}\n")
    )


def _write(root: Path, name: str, content: str, why: str, *, advice: str | None = None) -> InitFile:
    path = root / name
    if os.path.lexists(path):
        return InitFile(name, "left", why, advice)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        return InitFile(name, "left", why, advice)
    except OSError as error:
        raise _unwritable(path, error) from None
    return InitFile(name, "written", why)


def _ignored(root: Path) -> InitFile:
    """`.gitignore` gets a line at its end where it has none for the cache: the one file that may be added to."""
    path, why = root / ".gitignore", "What gate keeps from run to run can be worked out again, and stays out of git."
    entry = f"# What gate keeps from run to run\n{CACHE_ENTRY}\n"
    if not os.path.lexists(path):
        return _write(root, ".gitignore", entry, why)
    try:
        before = path.read_bytes()
        if {CACHE_ENTRY, ".gate/cache", ".gate/", ".gate"} & set(before.decode("utf-8", "replace").split()):
            return InitFile(".gitignore", "left", why)
        with path.open("ab") as file:
            file.write((b"" if before.endswith(b"\n") or not before else b"\n") + entry.encode())
    except OSError as error:
        raise _unwritable(path, error) from None
    return InitFile(".gitignore", "added", why)


def _unwritable(path: Path, error: OSError) -> GateError:
    what = (error.strerror or str(error)).lower()
    return UsageError(f"cannot be written: {what}", where=str(path), remedy="give permission, or choose another folder")


def _given(root: Path, paths: Sequence[str]) -> list[str]:
    named = []
    for path in paths:
        full = Path(os.path.normpath(root.absolute() / path))
        if not full.is_relative_to(os.path.normpath(root.absolute())):
            raise UsageError("the data lies outside of the folder", where=path, remedy="set up the folder above both")
        named.append(full.relative_to(os.path.normpath(root.absolute())).as_posix())
    return named


def _data(root: Path) -> list[str]:
    """The files and folders at the top that hold data; the folder itself when that is several files."""
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith(".") and path.name not in _NO_DATA)
    files = [name for name in names if (root / name).is_file() and _is_data(root / name)]
    folders = [name for name in names if (root / name).is_dir() and _holds_data(root / name)]
    return [*folders, *files]


def _holds_data(folder: Path) -> bool:
    return any(_is_data(path) for path in islice(_candidates(folder), _LOOKED_AT))


def _candidates(folder: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NO_DATA)
        yield from (Path(top) / name for name in sorted(names) if format_of(name) is not None)


def _is_data(path: Path) -> bool:
    """Whether the first rows of a file are of a shape that gate knows."""
    if format_of(path.name) is None:
        return False
    try:
        found = find_sources([path])
        # As a file of a folder, so that a configuration in JSON is passed over rather than malformed.
        sources = [Source(one.path, one.file, named=False) for one in found.sources]
        return any(next(iter(FileReader(source, found.root)), None) is not None for source in sources)
    except InputError:
        return False


def _service(root: Path) -> Ci:
    if (root / ".gitlab-ci.yml").exists():
        return "gitlab"
    if (root / ".github").is_dir():
        return "github"
    try:
        asked = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "remote", "-v"], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return "github"
    return "gitlab" if "gitlab" in asked.stdout else "github"
