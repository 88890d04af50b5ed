"""The texts inside a record as it was written, and the record with some of them replaced and nothing else touched.

A record keeps its own spacing, key order, number formats and escapes: only the string tokens (JSON) or cells (CSV)
whose values change are written anew. Texts that are JSON themselves, such as a conversation in a CSV cell or the
arguments of a tool call, are looked into.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import orjson

from gate.data.convert import Example

_STRING = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")([ \t\r\n]*:)?', re.DOTALL)
_INDEX = re.compile(r"(messages|chosen|rejected)\[(\d+)\]\.(content|tool_calls)")


class NotRewritable(Exception):
    """A record of a form that cannot be written again with certainty; it is left as it is."""


def strings_of(value: object) -> Iterator[str]:
    """Every text in a record, at any depth, and those inside texts that are JSON; keys are none."""
    if isinstance(value, str):
        yield value
        inner = _nested(value)
        if inner is not None:
            yield from strings_of(inner)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)


def text_of(example: Example, field: str) -> str | None:
    """The text that a finding's `field` names (as in `gate.data.views.TEXTS`); None where there is none."""
    if field in ("text", "tools"):
        return example.text if field == "text" else example.tools
    if turn := _INDEX.fullmatch(field):
        turns = {"messages": example.messages, "chosen": example.chosen, "rejected": example.rejected}[turn[1]] or []
        if int(turn[2]) >= len(turns):
            return None
        return turns[int(turn[2])][1 if turn[3] == "content" else 3]
    if field.startswith("meta.") and example.meta is not None:
        return next((text for path, text in _paths("meta", orjson.loads(example.meta)) if path == field), None)
    return None


def _paths(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _paths(f"{path}.{key}", item)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _paths(f"{path}[{position}]", item)


def replaced(text: str, new: Mapping[str, str]) -> str:
    """A text after replacement: its own new value, or its JSON with the texts in it replaced."""
    if text in new:
        return new[text]
    if _nested(text) is None:
        return text
    return json_replaced(text.encode(), new).decode()


def json_replaced(raw: bytes, new: Mapping[str, str]) -> bytes:
    """A JSON record with some of its texts replaced.

    Args:
        raw: valid JSON.
        new: the new value of each text that changes.
    """

    def token(match: re.Match[bytes]) -> bytes:
        written, colon = match.groups()
        if colon is not None:
            return match.group()
        text = orjson.loads(written)
        changed = replaced(text, new)
        if changed == text:
            return match.group()
        # A token in ASCII has its other characters escaped, where it has any: the new one is written likewise.
        return json.dumps(changed, ensure_ascii=written.isascii()).encode()

    return _STRING.sub(token, raw)


def row_replaced(raw: bytes, cells: Sequence[str], new: Mapping[str, str]) -> bytes:
    """A CSV row with some of its cells replaced; the others keep their quotes.

    Args:
        raw: the row's bytes, with or without its line end.
        cells: its values, as they were read.

    Raises:
        NotRewritable: no delimiter cuts the row into these values.
    """
    text = raw.decode()
    for delimiter in (",", ";", "\t", "|"):
        pieces = _cells(text, delimiter)
        if pieces is not None and [_value(piece) for piece in pieces[:-1]] == list(cells):
            break
    else:
        raise NotRewritable
    changed = (_written(piece, new, delimiter) for piece in pieces[:-1])
    return (delimiter.join(changed) + pieces[-1]).encode()


def _cells(text: str, delimiter: str) -> list[str] | None:
    """The row's cells as they stand, then its line end; None where quotes do not fit."""
    cell = re.compile(rf'"(?:[^"]|"")*"|[^{re.escape(delimiter)}\r\n]*')
    pieces, position = [], 0
    while True:
        match = cell.match(text, position)
        assert match is not None  # the second alternative matches nothing at all, too
        pieces.append(match.group())
        position = match.end()
        if not text.startswith(delimiter, position):
            break
        position += 1
    rest = text[position:]
    return [*pieces, rest] if not rest.strip("\r\n") else None


def _value(piece: str) -> str:
    return piece[1:-1].replace('""', '"') if piece.startswith('"') else piece


def _written(piece: str, new: Mapping[str, str], delimiter: str) -> str:
    value = _value(piece)
    changed = replaced(value, new)
    if changed == value:
        return piece
    if piece.startswith('"') or any(mark in changed for mark in (delimiter, '"', "\r", "\n")):
        return '"' + changed.replace('"', '""') + '"'
    return changed


def value_replaced(value: object, new: Mapping[str, str]) -> object:
    """A value of a columnar file with some of its texts replaced."""
    if isinstance(value, str):
        return replaced(value, new)
    if isinstance(value, dict):
        return {key: value_replaced(item, new) for key, item in value.items()}
    if isinstance(value, list):
        return [value_replaced(item, new) for item in value]
    if isinstance(value, tuple):  # an entry of an Arrow map
        return tuple(value_replaced(item, new) for item in value)
    return value


def _nested(text: str) -> dict[str, object] | list[object] | None:
    if text[:1] not in ("{", "["):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) else None
