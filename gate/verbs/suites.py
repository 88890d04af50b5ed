"""`gate suites`: which suites there are, what one asks, and whether a team's own can be read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.evaluation.snapshot_rules import snapshot_task_rules
from gate.evaluation.suite_files import FOLDER, check_names, read_folder, read_suite, read_suites
from gate.evaluation.suite_overview import ShownSuite, shown
from gate.evaluation.task import Suite
from gate.evaluation.task_code import allowed
from gate.evaluation.task_document import SUITES, SuiteName
from gate.folders import Folders
from gate.policy.settings import find_settings

__all__ = ["ShownSuite", "check_suites", "list_suites", "show_suite"]

Path_ = str | os.PathLike[str]


def list_suites(*, allow_code: Sequence[str] = (), start: Path | None = None) -> list[ShownSuite]:
    """The four suites as they would be run here. One that cannot be read says why.

    Args:
        allow_code: `SUITE/FILE.py@DIGEST` of Python that tasks may bring.
        start: the folder from which the repository's own are looked for; the current one where it is left out.
    """
    folders = _folders(start)
    found = []
    for name in SUITES:
        try:
            found.append(_shown(name, folders, allow_code))
        except GateError as error:
            found.append(ShownSuite(name, "", (), (), problem=str(error)))
    return found


def show_suite(name: str, *, allow_code: Sequence[str] = (), start: Path | None = None) -> ShownSuite:
    """A suite as it would be run here.

    Raises:
        UsageError: there is none of that name.
        PolicyError: it does not say something gate can do.
    """
    return _shown(name, _folders(start), allow_code)


def check_suites(path: Path_ | None = None, *, allow_code: Sequence[str] = ()) -> list[ShownSuite]:
    """Suites, read in whole: every key, every item, every template. No model is needed.

    Args:
        path: a suite's folder (which holds `regression.yaml` or another suite's), or a repository; all that would be
            run here, where it is left out.

    Raises:
        UsageError: there is no suite.
        PolicyError: the first thing that does not say something gate can do, with file and line.
    """
    if path is not None:
        folder = Path(path)
        if not folder.is_dir():
            raise UsageError("there is no such folder", where=os.fspath(path), remedy="name a suite's folder")
        if names := [name for name in SUITES if (folder / f"{name}.yaml").is_file()]:
            return [_folder(folder, name, allow_code) for name in names]
        if not any((folder / FOLDER / name / f"{name}.yaml").is_file() for name in SUITES):
            listed = ", ".join(f"{name}.yaml" for name in SUITES)
            raise UsageError(
                "no suite lies there", where=os.fspath(path), remedy=f"a suite's folder holds one of {listed}"
            )
    folders = Folders(Path(path).resolve()) if path is not None else _folders(None)
    suites = read_suites(folders, allow_code=allow_code)
    snapshot_task_rules(folders)
    return [shown(suite, _files(suite, folders)) for suite in suites]


def _folder(folder: Path, name: SuiteName, allow_code: Sequence[str]) -> ShownSuite:
    called = folder.as_posix().rstrip("/")
    suite, _ = read_folder(folder, name, "" if called == "." else called, allowed(allow_code))
    check_names([suite])
    return shown(suite, (f"{called}/{name}.yaml",))


def _shown(name: str, folders: Folders, allow_code: Sequence[str]) -> ShownSuite:
    suite = read_suite(name, folders, allow_code=allow_code)
    if suite.name == "regression":
        snapshot_task_rules(folders)  # how its tasks are made stands in the same file
    return shown(suite, _files(suite, folders))


def _files(suite: Suite, folders: Folders) -> tuple[str, ...]:
    """Its group's YAML, the repository's own first."""
    own = [path for path in suite.files if (path.parent.name, path.name) == (suite.name, f"{suite.name}.yaml")]
    return tuple(folders.origin(path) for path in reversed(own))


def _folders(start: Path | None) -> Folders:
    return Folders(find_settings(start or Path()).folder)
