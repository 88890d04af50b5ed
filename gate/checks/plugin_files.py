"""Which checks the Python files in a team's `rules/checks/` hold, read from their text: none of it is run."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gate.errors import PolicyError
from gate.folders import Folders

FOLDER = "rules/checks"
NAME = r"[a-z][a-z0-9_]*"
"""What a check may be called: its name stands in policies, file names and reports."""

_LARGEST = 1 << 20
"""Bytes: a guard against the wrong file."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A check in a file."""

    name: str
    path: str
    """Where the file lies."""
    file: str
    """How to name it to a person."""
    line: int
    source: bytes
    digest: str
    """SHA-256 (hex) of `source`."""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


def plugins_in(folders: Folders) -> dict[str, Plugin]:
    """The checks of a team's own, by name. Files that begin with `_` hold none.

    Raises:
        PolicyError: a file is no Python or holds no check, lies elsewhere, or two checks have one name.
    """
    found: dict[str, Plugin] = {}
    for path in _files(folders):
        for plugin in _in_file(path, folders):
            if plugin.name in found:
                raise PolicyError(
                    f"the check {plugin.name!r} is there twice",
                    where=plugin.where,
                    remedy=f"the other one is in {found[plugin.name].where}; rename one of them",
                )
            found[plugin.name] = plugin
    return found


def _files(folders: Folders) -> Iterator[Path]:
    if folders.user is None:
        return
    folder, root = folders.user / FOLDER, folders.user.resolve()
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("_"):
            continue
        # A link could lead to code that nobody reviewed, or out of the revision that this is judged by.
        if not path.resolve().is_relative_to(root):
            raise PolicyError(
                "it is a link that leaves the repository",
                where=folders.origin(path),
                remedy=f"put the file itself into {FOLDER}/",
            )
        if not path.is_file():
            raise PolicyError("it is not a file", where=folders.origin(path), remedy="take it away")
        yield path


def _in_file(path: Path, folders: Folders) -> tuple[Plugin, ...]:
    file = folders.origin(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise PolicyError(f"more than {_LARGEST:,} bytes long", where=file, remedy="is this the right file?")
        source = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise PolicyError(f"the file cannot be read ({reason})", where=file, remedy="make it readable") from None
    return _parsed(source, str(path), file)


@lru_cache(maxsize=256)
def _parsed(source: bytes, path: str, file: str) -> tuple[Plugin, ...]:
    try:
        tree = ast.parse(source, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        said = getattr(error, "msg", None) or "it cannot be parsed"
        where = f"{file}:{line}" if line else file
        raise PolicyError(f"the plug-in is not Python: {said}", where=where, remedy="mend the line") from None
    digest = hashlib.sha256(source).hexdigest()
    found = tuple(
        Plugin(_name(decorator, file), path, file, node.lineno, source, digest)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and _called(decorator.func) == "check"
    )
    if not found:
        raise PolicyError(
            "it holds no function decorated with gate.checks.check",
            where=f"{file}:1",
            remedy="decorate one, or begin the file's name with `_`",
        )
    return found


def _called(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _name(decorator: ast.Call, file: str) -> str:
    given = decorator.args[0] if decorator.args else None
    given = given or next((each.value for each in decorator.keywords if each.arg == "name"), None)
    name = given.value if isinstance(given, ast.Constant) else None
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise PolicyError(
            "the check's name is not written out, or not of lower-case letters, digits and `_`",
            where=f"{file}:{decorator.lineno}",
            remedy='write it as text: @check("no_shouting", …)',
        )
    return name
