"""Reads a suite: `rules/suites/NAME/` of the repository, of gate, or of both, every file of it checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate.errors import PolicyError, UsageError
from gate.evaluation.suite_listing import Listing, group_form
from gate.evaluation.task import Suite, merged
from gate.evaluation.task_code import Code, allowed
from gate.evaluation.task_document import SUITES, SuiteName
from gate.evaluation.task_files import TaskReader
from gate.evaluation.task_yaml import TaskYaml
from gate.folders import Folders
from gate.policy.invalid import nearest
from gate.policy.model import Place
from gate.policy.yaml_file import LARGEST_FILE, parse_yaml

FOLDER = "rules/suites"
MADE: tuple[SuiteName, ...] = ("regression", "memorization")
"""Suites whose tasks are made of a snapshot or a training, so that their own list may be empty."""
_MOST_FILES = 2_000
"""YAML files of a suite. A guard against the wrong folder."""


def read_suite(name: str, folders: Folders, *, allow_code: Iterable[str] = ()) -> Suite:
    """A suite, every item of it checked. A repository's own takes the place of gate's, or adds to it (`extends: true`).

    Args:
        allow_code: `SUITE/FILE.py@DIGEST` of Python that tasks may bring.

    Raises:
        UsageError: there is no such suite.
        PolicyError: a file of it does not say something gate can do; with file and line.
    """
    if name not in SUITES:
        raise UsageError(f"there is no suite {name[:100]!r}", remedy=nearest(name, SUITES, "the suites are"))
    known: SuiteName = name
    code = allowed(allow_code)
    parts: list[Suite] = []
    path: Path | None = None
    while (path := folders.find(f"{FOLDER}/{name}/{name}.yaml", after=path)) is not None:
        where = folders.origin(path)
        if not folders.holds(path):
            raise PolicyError("the suite leads out of the repository", where=where, remedy="put its files into it")
        suite, extends = read_folder(path.parent, known, where.rpartition("/")[0], code)
        parts.insert(0, suite)
        if not extends:
            break
    if not parts:
        raise PolicyError(f"there is no suite {name}", where=f"{FOLDER}/{name}", remedy="install gate anew")
    whole = merged(known, parts) if len(parts) > 1 else parts[0]
    check_names([whole])
    if not whole.tasks and known not in MADE:
        raise PolicyError("the suite has no tasks", where=f"{FOLDER}/{name}/{name}.yaml", remedy="name some in `task:`")
    return whole


def read_suites(folders: Folders, names: Sequence[str] = SUITES, *, allow_code: Iterable[str] = ()) -> list[Suite]:
    """Several suites, no two tasks of which have one name.

    Raises:
        as `read_suite`.
    """
    code = tuple(allow_code)
    suites = [read_suite(name, folders, allow_code=code) for name in names]
    check_names(suites)
    return suites


def check_names(suites: Iterable[Suite]) -> None:
    """That a task's name means one task.

    Raises:
        PolicyError: two have one name.
    """
    seen: dict[str, str] = {}
    for suite in suites:
        for task in suite.tasks:
            if task.name in seen:
                both = suite.name if seen[task.name] == suite.name else f"{seen[task.name]} and {suite.name}"
                raise PolicyError(
                    f"two tasks are called {task.name!r} ({both})", where=f"{FOLDER}/{suite.name}", remedy="rename one"
                )
            seen[task.name] = suite.name


def read_folder(folder: Path, name: SuiteName, called: str, code: Mapping[str, str]) -> tuple[Suite, bool]:
    """The suite in a folder, and whether it says that it adds to the one below it.

    Args:
        called: the folder, as a person should see it.
        code: digests of Python that may run, by `SUITE/FILE.py`.

    Raises:
        PolicyError: a file does not say something gate can do.
    """
    reader = _Folder(folder, name, called, Code(name, folder, code))
    return reader.suite()


@dataclass(slots=True)
class _Folder:
    folder: Path
    name: SuiteName
    called: str
    code: Code

    def suite(self) -> tuple[Suite, bool]:
        files = self._files()
        included: set[Path] = set()
        yamls = {path: self._yaml(path, included) for path in files}
        tasks: dict[str, TaskYaml] = {}
        groups: dict[str, TaskYaml] = {}
        for path, yaml in yamls.items():
            kind = "group" if "group" in yaml.values else "task"
            named = yaml.values.get(kind)
            if named is None and path.resolve() in included:
                continue
            if not isinstance(named, str):
                raise PolicyError(
                    "neither a task nor a group", where=yaml.name,
                    remedy="a task's YAML has `task: NAME`, a group's `group: NAME` and `task: [NAMES]`",
                )  # fmt: skip
            if (twice := tasks.get(named) or groups.get(named)) is not None:
                raise PolicyError(
                    f"{named!r} is what {twice.name} is called too", where=yaml.where(kind), remedy="rename one"
                )
            (groups if kind == "group" else tasks)[named] = yaml
        if self.name not in groups:
            raise PolicyError(
                f"no file says `group: {self.name}`", where=self.called, remedy="the suite's own group is one"
            )
        form = group_form(groups[self.name], self.name)
        listing = Listing(self.name, TaskReader(self.name, self.folder, self.code), tasks, groups)
        made = listing.tasks(form, groups[self.name])
        if unused := sorted(set(tasks) - listing.used):
            raise PolicyError(
                f"the task {unused[0]!r} is in no group, so nobody would run it", where=tasks[unused[0]].where("task"),
                remedy=f"name it in `task:` of {groups[self.name].name}, or take the file away",
            )  # fmt: skip
        gate = form.metadata.gate
        return Suite(self.name, gate.about, tuple(made), tuple(files)), gate.extends

    def _files(self) -> list[Path]:
        found = sorted(path for path in self.folder.rglob("*.y*ml") if path.suffix in (".yaml", ".yml"))
        if len(found) > _MOST_FILES:
            raise PolicyError(
                f"more than {_MOST_FILES:,} YAML files", where=self.called, remedy="is it the right folder?"
            )
        for path in found:
            self._inside(path, self._name(path))
        return found

    def _name(self, path: Path) -> str:
        return f"{self.called}/{path.relative_to(self.folder).as_posix()}" if self.called else path.name

    def _inside(self, path: Path, where: str) -> None:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise PolicyError("it leads out of the suite's folder", where=where, remedy="put the file into it")

    def _yaml(self, path: Path, included: set[Path], above: tuple[Path, ...] = ()) -> TaskYaml:
        """A file with what it includes below it; its own keys win, as in lm-eval."""
        name = self._name(path)
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except OSError as error:
            reason = (error.strerror or "unreadable").lower()
            raise PolicyError(f"the file cannot be read ({reason})", where=name, remedy="name a YAML file") from None
        own = parse_yaml(content, name, functions=True)
        values: dict[str, Any] = {}
        places: dict[str, Place] = {}
        listed = own.values.get("include", [])
        for each in listed if isinstance(listed, list) else [listed]:
            where = str(own.places["include"])
            below = path.parent / each if isinstance(each, str) else None
            if below is None or not below.is_file():
                raise PolicyError(
                    f"include: there is no file {str(each)[:200]!r}", where=where, remedy="it is relative to the YAML"
                )
            self._inside(below, where)
            if below.resolve() in (*above, path.resolve()):
                raise PolicyError("include: it includes itself", where=where, remedy="take one of the two away")
            included.add(below.resolve())
            inner = self._yaml(below, included, (*above, path.resolve()))
            values |= inner.values
            places |= inner.places
        for key in own.values:  # a key of its own takes the whole value's place
            places = {each: place for each, place in places.items() if each != key and not each.startswith(f"{key}.")}
        values |= own.values
        values.pop("include", None)
        return TaskYaml(name, path, values, places | dict(own.places))
