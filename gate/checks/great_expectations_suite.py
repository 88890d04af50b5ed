"""A Great Expectations suite as its file says it, read and judged before anything runs.

GX itself drops what it does not know and passes what is empty, so everything that can be told from the file is
told here: it is JSON, it is a suite of GX 1.x, it has expectations, and GX has every one of their types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson

from gate.errors import PolicyError
from gate.folders import Folders

FOLDER = "rules/expectations"

_RUNTIME = frozenset({"result_format", "catch_exceptions", "include_config", "batch_id"})
"""Keys among the `kwargs` that say how to report, not what to expect; gate reports in its own way."""

_CORE_MODULE = re.compile(r"^from [\w.]*\b(expect_\w+|unexpected_rows_expectation) import", re.MULTILINE)
_ASKS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(r"(?<!quantile_values)_to_be_between$"), ("min_value", "max_value")),
    (re.compile(r"_(?:in|contain|equal)_set$"), ("value_set", "value_pairs_set")),
    (re.compile(r"_match_regex$"), ("regex",)),
    (re.compile(r"_of_type$|_type_to_be$"), ("type_",)),
    (re.compile(r"_in_type_list$"), ("type_list",)),
    (re.compile(r"_kl_divergence_"), ("threshold",)),
    (re.compile(r"_kl_divergence_"), ("partition_object",)),
    (re.compile(r"^expect_table_columns_to_match_"), ("column_set", "column_list")),
)
"""Arguments of which GX lets every one be absent, whereupon it passes anything."""

_SLUG = re.compile(r"[\w-]{1,60}")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_WORD = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation of a suite."""

    type: str
    """GX's name of it, e.g. `expect_column_values_to_be_between`."""
    kwargs: dict[str, object]
    """Its arguments as the file gives them, without those that only say how to report."""
    severity: str | None = None
    """GX's own: `critical`, `warning` or `info`."""
    rule: str | None = None
    """What its meta calls it, e.g. `no-unfilled-slots`."""

    @property
    def about_columns(self) -> bool:
        """Whether it asks which columns there are (and not what is in them)."""
        return self.type.startswith("expect_table_column") or self.type == "expect_column_to_exist"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values it reads, in order."""
        if self.about_columns:
            return ()
        listed = self.kwargs.get("column_list")
        named = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        named += listed if isinstance(listed, list) else []
        return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))

    @property
    def mentions(self) -> frozenset[str]:
        """Words of its row condition, some of which are columns that it reads as well."""
        return frozenset(_words(self.kwargs.get("row_condition")))

    @property
    def field(self) -> str | None:
        """How to name its columns to a person."""
        if self.about_columns and isinstance(self.kwargs.get("column"), str):
            return str(self.kwargs["column"])
        return ", ".join(self.columns) or None


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, ready to be handed to GX."""

    name: str
    file: str
    """Its file, as a person would name it."""
    expectations: tuple[Expectation, ...]

    def place(self, position: int) -> str:
        """Where an expectation stands in the file."""
        return f"{self.file}: expectations[{position}] ({self.expectations[position].type})"


def read_suite(name: str, folders: Folders) -> Suite:
    """The suite of that name (`rules/expectations/NAME.json`) or of that path (`….json`, in the user's folder).

    Raises:
        PolicyError: there is no such file, or it is not a suite that GX 1.x could run in full.
    """
    path = suite_path(name, folders)
    where = folders.origin(path)
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise PolicyError(f"not JSON: line {error.lineno}, column {error.colno}", where=where) from None
    except OSError as error:
        raise PolicyError(f"cannot be read ({error.strerror})", where=where) from None
    return _suite(content, path.stem, where)


def suite_path(name: str, folders: Folders) -> Path:
    """Where a suite lies.

    Raises:
        PolicyError: there is no such file.
    """
    if not name.endswith(".json"):
        found = folders.find(f"{FOLDER}/{name}.json") if re.fullmatch(r"[\w.-]+", name) else None
        if found is None:
            known = folders.names(FOLDER, ".json")
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise PolicyError(
                f"there is no suite {name!r}",
                where=f"{FOLDER}/",
                remedy=f"{hint}the suites are {', '.join(known) or 'none'}; a path ends in .json",
            )
        return found
    if folders.user is None:
        raise PolicyError(
            f"{name!r} is a path, and there is no folder that it could start from",
            remedy="put a gate.yaml or a rules/ folder beside the suite, or name one of gate's own suites",
        )
    root = folders.user.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise PolicyError(f"{name!r} leads out of the folder", where=root.name, remedy="move the suite into it")
    if not path.is_file():
        raise PolicyError(f"there is no suite at {name!r}", where=root.name)
    return path


def _suite(content: object, stem: str, where: str) -> Suite:
    if not isinstance(content, dict):
        raise PolicyError("not a suite: it must be a JSON object with a list of expectations", where=where)
    listed = content.get("expectations")
    if "expectation_suite_name" in content or (
        isinstance(listed, list) and any(isinstance(each, dict) and "expectation_type" in each for each in listed)
    ):
        raise PolicyError(
            "saved by Great Expectations before 1.0",
            where=where,
            remedy="say `name` for `expectation_suite_name` and `type` for `expectation_type`, or save it with GX 1.x",
        )
    if not isinstance(listed, list):
        raise PolicyError("not a suite: it has no list of `expectations`", where=where)
    if not listed:
        raise PolicyError("the suite is empty, and would pass anything", where=where, remedy="add an expectation")
    name = content.get("name")
    expectations = tuple(_expectation(each, f"{where}: expectations[{at}]") for at, each in enumerate(listed))
    return Suite(name if isinstance(name, str) and name else stem, where, expectations)


def _expectation(entry: object, where: str) -> Expectation:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise PolicyError("an expectation is an object with a `type` and `kwargs`", where=where)
    kind, kwargs = entry["type"], entry.get("kwargs", {})
    if not isinstance(kwargs, dict):
        raise PolicyError("`kwargs` must be an object", where=f"{where} ({kind})")
    if kind not in known_types():
        close = get_close_matches(kind, known_types(), n=1)
        raise PolicyError(
            f"Great Expectations has no expectation {kind!r}",
            where=where,
            remedy=f"did you mean {close[0]!r}?" if close else "see its gallery of expectations",
        )
    where = f"{where} ({kind})"
    if parameter := next(_parameters(kwargs), None):
        raise PolicyError(
            f"takes {parameter!r} at run time, which nothing supplies", where=where, remedy="write its value"
        )
    for pattern, asked in _ASKS:
        if pattern.search(kind) and all(kwargs.get(name) is None for name in asked):
            names = " or ".join(f"`{name}`" for name in asked)
            raise PolicyError("expects nothing, and would pass anything", where=where, remedy=f"give it {names}")
    condition = kwargs.get("row_condition")
    if isinstance(condition, str) and "@" in _QUOTED.sub("", condition):
        raise PolicyError("its row condition reaches for Python objects (@)", where=where, remedy="name columns only")
    severity, meta = entry.get("severity"), entry.get("meta")
    rule = meta.get("rule") if isinstance(meta, dict) else None
    kept = {key: value for key, value in kwargs.items() if key not in _RUNTIME}
    return Expectation(
        kind,
        kept,
        severity if isinstance(severity, str) else None,
        rule if isinstance(rule, str) and _SLUG.fullmatch(rule) else None,
    )


@cache
def known_types() -> tuple[str, ...]:
    """The types of expectation that the installed GX registers, sorted, without importing it (3 s): the modules
    that its package of core expectations imports, each named after its type."""
    package = find_spec("great_expectations")
    if package is None or not package.submodule_search_locations:
        return ()
    core = Path(package.submodule_search_locations[0]) / "expectations" / "core" / "__init__.py"
    return tuple(sorted(set(_CORE_MODULE.findall(core.read_text()))))


def _parameters(value: object) -> Iterator[str]:
    """The names of run-time parameters (`{"$PARAMETER": …}`) anywhere inside the arguments."""
    if isinstance(value, dict):
        if "$PARAMETER" in value:
            yield str(value["$PARAMETER"])
        for item in value.values():
            yield from _parameters(item)
    elif isinstance(value, list):
        for item in value:
            yield from _parameters(item)


def _words(condition: object) -> Iterator[str]:
    """Everything in a row condition that may be the name of a column: words, and quoted strings."""
    if isinstance(condition, str):
        yield condition
        yield from _WORD.findall(condition)
        yield from (quoted[1:-1] for quoted in _QUOTED.findall(condition))
        yield from re.findall(r"`([^`]+)`", condition)
    elif isinstance(condition, dict):
        for value in condition.values():
            yield from _words(value)
    elif isinstance(condition, list):
        for value in condition:
            yield from _words(value)
