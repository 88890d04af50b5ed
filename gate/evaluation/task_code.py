"""Python that a task's YAML brings (`!function utils.score`): refused unless it was allowed by name and digest.

    --allow-code regression/utils.py@<SHA-256 of the file>

What runs is what was hashed: the file is read once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from gate.errors import PolicyError, UsageError
from gate.policy.yaml_file import Function
from gate.provenance.envelope import canonical

_ALLOWED = re.compile(r"(?P<file>[\w.-]+(?:/[\w.-]+)+\.py)@(?P<digest>[0-9a-f]{64})")


def allowed(given: Iterable[str]) -> dict[str, str]:
    """What may run: digests by `SUITE/FILE.py`. Entries of another form are left to others (bases' `NAME@DIGEST`).

    Raises:
        UsageError: an entry names a Python file without its digest.
    """
    found = {}
    for each in given:
        if match := _ALLOWED.fullmatch(each):
            found[match["file"]] = match["digest"]
        elif each.partition("@")[0].endswith(".py"):
            raise UsageError(
                f"{each[:200]!r} does not say which code is allowed", remedy="SUITE/FILE.py@ and the file's SHA-256"
            )
    return found


@dataclass(slots=True)
class Code:
    """The Python of a suite's folder, as far as its tasks name it."""

    suite: str
    folder: Path
    allowed: Mapping[str, str]
    _modules: dict[str, ModuleType] = field(default_factory=dict)

    def function(self, named: Function, where: str) -> tuple[Callable[..., Any], str, str]:
        """What a task names: the function, its file (`SUITE/FILE.py`) and the file's digest.

        Raises:
            PolicyError: there is none, or it was not allowed.
        """
        module, _, name = named.rpartition(".")
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module) or not name.isidentifier():
            raise PolicyError(f"{str(named)!r} is no function of a file", where=where, remedy="!function FILE.NAME")
        path = self.folder / f"{module.replace('.', '/')}.py"
        file = f"{self.suite}/{module.replace('.', '/')}.py"
        if not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
            raise PolicyError(f"there is no file {file}", where=where, remedy="code lies in the suite's folder")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if self.allowed.get(file) != digest:
            changed = "was allowed with another digest" if file in self.allowed else "is not allowed"
            raise PolicyError(
                f"the task runs Python of its own, which {changed}: {file}",
                where=where,
                remedy=f"read it; then --allow-code {file}@{digest}",
            )
        if digest not in self._modules:
            self._modules[digest] = _run(content, path, file)
        found = getattr(self._modules[digest], name, None)
        if not callable(found):
            raise PolicyError(f"{file} has no function {name!r}", where=where, remedy="is the name right?")
        return found, file, digest


def _run(content: bytes, path: Path, file: str) -> ModuleType:
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)  # allowed by name and digest
    except Exception as error:  # noqa: BLE001 - it may raise anything
        raise PolicyError(f"it fails: {type(error).__name__}: {error}", where=file, remedy="mend it") from None
    return module


def digest_of_code(files: Mapping[str, str]) -> str | None:
    """SHA-256 (hex) of the code that a task brings: the file's, or that of the list of several."""
    if not files:
        return None
    if len(files) == 1:
        return next(iter(files.values()))
    return hashlib.sha256(canonical(dict(files))).hexdigest()
