"""Reads a YAML file as plain values, and remembers the line of every one of them.

Only what a policy needs is read: mappings with string keys, lists, strings, numbers, booleans and null (YAML 1.2).
Everything that could make a reader see something else than the author meant (a key written twice, an alias, a tag,
a date, NaN) is an error with its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, Event
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from gate.errors import PolicyError
from gate.policy.model import Place

LARGEST_FILE = 256 << 10
"""Bytes. A guard against the wrong file, not a demand on policies: the shipped ones have a few thousand."""

DEEPEST = 40
"""Levels of nesting. The same kind of guard: the parser takes quadratic time in it, and a policy needs five."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_PREFIX = "tag:yaml.org,2002:"
_SCALARS = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null")}


@dataclass(frozen=True, slots=True)
class YamlFile:
    """What a file says."""

    file: str
    """Its name, as a person should see it."""
    values: Mapping[str, object]
    places: Mapping[str, Place]
    """Where each value stands, by dotted key: `rules.0.with.threshold`."""


def read_yaml(path: Path, name: str) -> YamlFile:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: the file.
        name: how to name it to a person.

    Raises:
        PolicyError: it cannot be read, is not YAML, or says something that has more than one meaning.
    """
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            raise PolicyError(f"more than {LARGEST_FILE:,} bytes long", where=name, remedy="is this the right file?")
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise PolicyError(f"the file cannot be read ({reason})", where=name, remedy="name a YAML file") from None
    return parse_yaml(content, name)


class Function(str):
    """What stood behind `!function`: lm-eval's way to name Python in a task's YAML."""

    __slots__ = ()


def parse_yaml(content: bytes, name: str, *, dates: bool = False, functions: bool = False) -> YamlFile:
    """The same of bytes that were read already.

    Args:
        dates: a date is the text that was written, instead of an error.
        functions: `!function` makes a `Function`, instead of an error.
    """
    try:
        if len(content) > LARGEST_FILE:
            raise PolicyError(f"more than {LARGEST_FILE:,} bytes long", where=name, remedy="is this the right file?")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PolicyError("not UTF-8", where=f"{name}:{line}", remedy="save the file as UTF-8") from None
    return _parsed(text, name, dates, functions)


@lru_cache(maxsize=64)  # the policy of each kind reads the same parents
def _parsed(text: str, name: str, dates: bool, functions: bool) -> YamlFile:
    root = _composed(text, name)
    if root is None or (isinstance(root, ScalarNode) and root.tag == f"{_PREFIX}null"):
        raise PolicyError("the file is empty", where=name, remedy="`gate rules schema` says what it may hold")
    if not isinstance(root, MappingNode):
        raise PolicyError("expected `key: value` lines at the top", where=f"{name}:{_line(root)}")
    reader = _Reader(name, dates, functions)
    values = reader.mapping(root, "")
    return YamlFile(name, values, reader.places)


def _composed(text: str, name: str) -> Node | None:
    try:
        depth, events = 0, list(_yaml().parse(text))
        for event in events:
            where = f"{name}:{event.start_mark.line + 1}"
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:
                raise PolicyError("nested too deeply", where=where)
            if isinstance(event, AliasEvent):
                remedy = "write the value out; policies share what they have in common through `extends:`"
                raise PolicyError(f"an alias (*{event.anchor})", where=where, remedy=remedy)
        composing = _yaml()
        composing._parser = _Parsed(events)  # type: ignore[attr-defined]  # not scanned a second time, which is what takes long
        return composing.composer.get_single_node()  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        raise _not_yaml(error, text, name) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PolicyError("a character that YAML does not allow", where=f"{name}:{line}") from None
    except YAMLError as error:
        raise PolicyError(f"not YAML: {error}", where=name) from None


class _Parsed:
    """A parser that has parsed."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events, self._at = events, 0

    def check_event(self, *kinds: type[Event]) -> bool:
        return self._at < len(self._events) and (not kinds or isinstance(self._events[self._at], kinds))

    def peek_event(self) -> Event:
        return self._events[self._at]

    def get_event(self) -> Event:
        self._at += 1
        return self._events[self._at - 1]


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _not_yaml(error: MarkedYAMLError, text: str, name: str) -> PolicyError:
    mark = error.problem_mark or error.context_mark
    where, remedy = name, "indent with spaces, and put text that holds `: ` or starts with a sign into quotes"
    if mark is not None:
        where = f"{name}:{mark.line + 1}"
        lines = text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return PolicyError("a tab in the indentation", where=where, remedy="indent with spaces")
    problem = " ".join(str(error.problem or error.context or "it cannot be parsed").split())
    return PolicyError(f"not YAML: {problem}", where=where, remedy=remedy)


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Turns nodes into values, and notes their places."""

    def __init__(self, file: str, dates: bool, functions: bool) -> None:
        self.file, self.dates, self.functions = file, dates, functions
        self.places: dict[str, Place] = {}

    def value(self, node: Node, key: str) -> object:
        if isinstance(node, MappingNode):
            return self.mapping(node, key)
        if isinstance(node, SequenceNode):
            return self.sequence(node, key)
        return self.scalar(node, key)

    def mapping(self, node: MappingNode, prefix: str) -> dict[str, object]:
        if node.tag != f"{_PREFIX}map":
            raise self.refused(node, f"a tag ({node.tag})", "take the tag away")
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            path = f"{prefix}.{key}" if prefix else key
            if key in values:
                remedy = f"it already stands in line {self.places[path].line}; keep one of the two"
                raise self.refused(key_node, f"the key {key!r} stands there twice", remedy)
            self.places[path] = Place(self.file, _line(key_node))
            values[key] = self.value(value_node, path)
        return values

    def key(self, node: Node) -> str:
        if isinstance(node, ScalarNode) and node.tag == f"{_PREFIX}str":
            return self.text(node)
        if isinstance(node, ScalarNode) and node.value == "<<":
            raise self.refused(node, "a merge key (<<)", "use `extends:`")
        raise self.refused(node, "a key that is not text", "put the key in quotes")

    def sequence(self, node: SequenceNode, prefix: str) -> list[object]:
        if node.tag != f"{_PREFIX}seq":
            raise self.refused(node, f"a tag ({node.tag})", "take the tag away")
        for index, item in enumerate(node.value):
            self.places[f"{prefix}.{index}"] = Place(self.file, _line(item))
        return [self.value(item, f"{prefix}.{index}") for index, item in enumerate(node.value)]

    def scalar(self, node: Node, key: str) -> object:
        if node.tag == f"{_PREFIX}timestamp":
            if self.dates:
                return self.text(node)
            raise self.refused(node, f"{key}: a date", "put it in quotes")
        if node.tag == "!function" and self.functions:
            return Function(self.text(node))
        if node.tag not in _SCALARS:
            raise self.refused(node, f"{key}: a tag ({node.tag})", "take the tag away")
        if node.tag == f"{_PREFIX}str":
            return self.text(node)
        try:
            value = _yaml().constructor.construct_object(node)
        except ValueError:
            raise self.refused(node, f"{key}: a number that cannot be read", "put text in quotes") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refused(node, f"{key}: not a finite number", "write a number")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise self.refused(node, f"{key}: a number of more than 64 bits", "put it in quotes if it is text")
        return value

    def text(self, node: Node) -> str:
        value = str(node.value)
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.refused(node, "half of a surrogate pair, which is no character", "write the character itself")
        if _CONTROL.search(value):  # it would act on the terminal that the value is shown on
            raise self.refused(node, "a control character", "take it away")
        return value

    def refused(self, node: Node, what: str, remedy: str | None) -> PolicyError:
        return PolicyError(what, where=f"{self.file}:{_line(node)}", remedy=remedy)
