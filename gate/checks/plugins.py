"""Checks of a team's own: Python files in `rules/checks/`, and packages with a `gate.checks` entry point.

Which checks a file holds is read from its text (`plugin_files`); it is run only when a rule names one of them, by
its path, in every process that needs it. What such a check returns is looked through (`plugin_output`), so that a
mistake in it is an error with its name and never a pass.
"""

from __future__ import annotations

import copyreg
import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from gate.checks.base import Check, Params
from gate.checks.plugin_files import NAME, Plugin, plugins_in
from gate.checks.plugin_output import sound
from gate.data.masking import mask_text
from gate.errors import GateError, PolicyError
from gate.folders import Folders

GROUP = "gate.checks"
"""The entry-point group."""

_ARGUMENTS = 3  # rows, parameters, context


def plugin_names(folders: Folders, built_in: frozenset[str]) -> tuple[str, ...]:
    """The names of all plug-ins that may be used with these folders, sorted; none of their code is run.

    Raises:
        PolicyError: two plug-ins have one name, one has the name of a check of gate's, or a file cannot be read as
            Python.
    """
    return tuple(sorted(_found(folders, built_in)))


def load_plugin(name: str, folders: Folders, built_in: frozenset[str]) -> Check:
    """A plug-in's check.

    Raises:
        KeyError: no plug-in has that name.
        PolicyError: it cannot be loaded, or is no check.
    """
    found = _found(folders, built_in)[name]
    if isinstance(found, EntryPoint):
        return _of_entry_point(found)
    return _of_file(name, found, folders)


def _found(folders: Folders, built_in: frozenset[str]) -> dict[str, Plugin | EntryPoint]:
    found: dict[str, Plugin | EntryPoint] = {}
    own = plugins_in(folders)
    for name, plugin in own.items():
        if name in built_in:
            raise PolicyError(
                f"the check {name!r} has the name of one of gate's own",
                where=plugin.where,
                remedy="give it another name",
            )
        found[name] = plugin
    for point in entry_points(group=GROUP):
        if point.name in built_in or point.name in found:
            whose = "one of gate's own" if point.name in built_in else "another plug-in"
            raise PolicyError(
                f"the check {point.name!r} has the name of {whose}",
                where=_where(point),
                remedy="uninstall one of the two, or rename it",
            )
        found[point.name] = point
    return found


def _where(point: EntryPoint) -> str:
    package = point.dist.name if point.dist is not None else "an installed package"
    return f"{package} (entry point {point.name} of {GROUP})"


def _of_entry_point(point: EntryPoint) -> Check:
    where = _where(point)
    try:
        made = point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever foreign code raises is a policy error
        raise _broken(error, where, None) from None
    if not isinstance(made, Check):
        raise PolicyError(
            f"it is no check but of type {type(made).__name__}",
            where=where,
            remedy="decorate it with gate.checks.check",
        )
    _sane(made, point.name, where)
    module = sys.modules.get(made.function.__module__)
    source = getattr(module, "__file__", None)
    content = Path(source).read_bytes() if source is not None else b""
    version = "" if point.dist is None else point.dist.version
    return _guarded(made, where, f"{version} {hashlib.sha256(content).hexdigest()}")


@lru_cache(maxsize=256)
def _of_file(name: str, plugin: Plugin, folders: Folders) -> Check:
    module = _module(plugin)
    checks = [made for made in vars(module).values() if isinstance(made, Check)]
    same = {id(made): made for made in checks if made.name == name}
    if len(same) != 1:
        raise PolicyError(
            f"it holds {'no' if not same else 'more than one'} check {name!r} once it has run",
            where=plugin.where,
            remedy="decorate one function at the top level of the file with gate.checks.check, and keep its name",
        )
    (made,) = same.values()
    _sane(made, name, plugin.where)
    _let_travel(made.params, name, folders)
    return _guarded(made, plugin.where, plugin.digest)


@lru_cache(maxsize=256)
def _module(plugin: Plugin) -> ModuleType:
    """The module of a file, run from the very bytes that its digest is of; nothing is written beside it."""
    name = f"gate_rules_checks_{plugin.digest[:16]}"
    module = ModuleType(name)
    module.__file__ = plugin.path
    sys.modules[name] = module  # pydantic looks up annotations there
    try:
        exec(compile(plugin.source, plugin.path, "exec", dont_inherit=True), module.__dict__)
    except GateError:
        sys.modules.pop(name, None)
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the same
        sys.modules.pop(name, None)
        raise _broken(error, plugin.file, plugin.path) from None
    return module


def _broken(error: BaseException, where: str, path: str | None) -> PolicyError:
    """What a plug-in raised while it was imported, with the line of its own that did."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    line = f":{lines[-1]}" if lines else ""
    said = mask_text(" ".join(str(error).split()))[:300]
    return PolicyError(
        f"the plug-in cannot be imported ({type(error).__name__}: {said})",
        where=f"{where}{line}",
        remedy="run the file with Python to see more; nothing was judged",
    )


def _sane(made: Check, name: str, where: str) -> None:
    """What admission relies on, and a decorator cannot hold."""
    problem = None
    if made.name != name or not re.fullmatch(NAME, name):
        problem = f"its name is {made.name!r}, not {name!r}"
    elif not (isinstance(made.params, type) and issubclass(made.params, Params)):
        problem = "its `params` is no subclass of gate.checks.Params"
    elif not _takes_three(made.function):
        problem = "its function has to take three arguments: rows, parameters, context"
    elif made.features is not None and not _takes_three(made.features):
        problem = "its `features` has to take three arguments: rows, parameters, context"
    elif not made.measures:
        problem = "its function has no docstring, which `gate rules explain` shows"
    elif not made.codes:
        problem = "it has no `codes`"
    if problem:
        raise PolicyError(f"the check {name!r}: {problem}", where=where, remedy="docs/custom-checks.md shows one")


def _takes_three(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(*[None] * _ARGUMENTS)
    except (TypeError, ValueError):
        return False
    return True


def _guarded(made: Check, where: str, digest: str) -> Check:
    """The check with everything that it returns looked through, and a version that changes with its code."""
    function, features = sound(made, where)
    return replace(made, function=function, features=features, version=f"{made.version}+{digest}")


def _let_travel(params: type[Params], name: str, folders: Folders) -> None:
    """Have parameters pickled by what they say: their class is no module's that another process could import."""
    copyreg.pickle(params, lambda own: (_again, (name, folders, own.model_dump())))


def _again(name: str, folders: Folders, said: dict[str, object]) -> Params:
    from gate.checks import load

    return load(name, folders).params.model_validate(said)
