"""A JSON document: an array of objects, an object with one list, a single record, or JSON Lines under that name.

The elements of an array are found by a linear scan over strings and brackets and parsed one by one. Where an element
cannot be closed, the scan takes up again at the next place that looks like the beginning of a row: a brace after a
comma or a closing bracket, followed by a key that a row began with before.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator

import orjson

from gate.data.batch import ROWS, Batch, Reading
from gate.data.columns import ColumnMap
from gate.data.jsonl import BOM, read_jsonl
from gate.data.malformed import Misfit, Reason
from gate.data.parse import parse_record, suspicious
from gate.data.shapes import recognise
from gate.data.stream import BLOCK

_STRING = rb'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*"'
_TOKEN = re.compile(rb"[ \t\r\n:,]*(?:(" + _STRING + rb")|([\[{])|([\]}])|[-+.\w]+)")
_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(_STRING + rb"|[^,\[\]{}\"]+")
_FIRST_KEY = re.compile(rb"\{[ \t\r\n]*(" + _STRING + rb")")
_DEEPEST = 1100
"""Just past the depth that the parser accepts; deeper is malformed anyhow."""
_RESCANS = 20
"""How many times the file's length may be scanned again after damage, before the rest is given up as one."""


class NoRows(Exception):
    """A JSON object that is neither a record nor a list of them: a configuration, not a dataset."""


def read_json(
    blocks: Iterable[bytes], reading: Reading, longest: int, columns: ColumnMap | None = None
) -> Iterator[Batch]:
    """The records of a JSON document, held in memory while it is read.

    Raises:
        NoRows: it is one object that holds no rows and is none.
    """
    whole = io.BytesIO()  # grows in place and gives its bytes away uncopied, where joining holds them twice
    damage = None
    try:
        whole.writelines(blocks)
    except Misfit as misfit:  # what came before the damage is kept
        damage = misfit
    data = whole.getvalue()
    del whole
    start = _skip(data, len(BOM) if data.startswith(BOM) else 0)
    if start < len(data):
        yield from _document(data, start, reading, longest, columns, damaged=damage is not None)
    if damage is not None:
        reading.fail_file(damage, offset=len(data))


def _document(
    data: bytes, start: int, reading: Reading, longest: int, columns: ColumnMap | None, *, damaged: bool
) -> Iterator[Batch]:
    if data[start : start + 1] == b"[":
        yield from _array(data, start, reading, damaged=damaged)
        return
    try:
        value = orjson.loads(data[start:])
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        lists = [
            key for key, item in value.items() if isinstance(item, list) and any(isinstance(i, dict) for i in item)
        ]
        single = recognise([value], columns) is not None
        empty = [key for key, item in value.items() if item == []]
        if not single and len(lists) == 1:
            place = _list_of(data, start, lists[0])
            if place is not None:
                del value
                yield from _array(data, place, reading, damaged=damaged, whole=False)
                return
        if not single and not lists and len(empty) != 1:
            raise NoRows
        if not single and not lists:
            return
        yield from _single(data, start, reading)
        return
    lines = [line for line in data[start : start + (1 << 20)].split(b"\n", 200) if line.strip()]
    place = None if len(lines) > 1 and _complete(lines[0]) else _list_of(data, start, None)
    if place is not None:
        yield from _array(data, place, reading, damaged=damaged, wrapper=start)
    elif sum(line.lstrip().startswith(b"{") for line in lines) > 1 or not data[start:].lstrip().startswith(b"{"):
        yield from read_jsonl(_sliced(data, 0), reading, longest)
    else:
        yield from _single(data, start, reading)


def _sliced(data: bytes, overlap: int) -> Iterator[bytes]:
    """The document in blocks, so that what looks at one never copies all of it."""
    return (data[start : start + BLOCK + overlap] for start in range(0, len(data), BLOCK))


def _complete(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _single(data: bytes, start: int, reading: Reading) -> Iterator[Batch]:
    line = data.count(b"\n", 0, start) + 1
    raw = data[start:].rstrip()
    try:
        record = parse_record(raw, suspect=suspicious(raw))
    except Misfit as misfit:
        reading.fail(misfit, raw, line=line, offset=start)
        return
    reading.rows += 1
    batch = Batch()
    batch.add(record, reading.rows, line, start, raw)
    yield batch


def _skip(data: bytes, position: int) -> int:
    match = _SPACE.match(data, position)
    return position if match is None else match.end()


def _list_of(data: bytes, start: int, key: str | None) -> int | None:
    """Where the list under a top-level key begins; without a key, the first list that begins with an object."""
    depth = 0
    last = b""
    for match in _tokens(data, start):
        text, opening, closing = match.groups()
        if text is not None:
            last = text if depth == 1 else last
        elif opening is not None:
            if depth == 1 and opening == b"[":
                place = match.end() - 1
                begins = data[_skip(data, place + 1) : _skip(data, place + 1) + 1] == b"{"
                if begins if key is None else _key(last) == key:
                    return place
            depth += 1
        elif closing is not None:
            depth -= 1
    return None


def _tokens(data: bytes, start: int) -> Iterator[re.Match[bytes]]:
    """Adjoining tokens, up to the first byte that is part of none."""
    # `scanner` has been in `re` for decades and is the only matcher that goes on where it stopped; typeshed lacks it.
    return iter(_TOKEN.scanner(data, start).match, None)  # type: ignore[attr-defined]


def _key(token: bytes) -> str | None:
    try:
        return str(orjson.loads(token))
    except orjson.JSONDecodeError:
        return None


def _closing(data: bytes, start: int) -> tuple[int | None, int]:
    """Where the value that begins at `start` ends (None when it does not), and how far the scan came."""
    if data[start : start + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(data, start)
        return (None, start + 1) if scalar is None else (start + len(scalar.group().rstrip()), scalar.end())
    stack: list[bytes] = []
    end = start
    for match in _tokens(data, start):
        end = match.end()
        _, opening, closing = match.groups()
        if opening is not None:
            stack.append(opening)
            if len(stack) > _DEEPEST:
                return None, end
        elif closing is not None:
            if stack.pop() != (b"{" if closing == b"}" else b"["):
                return None, end
            if not stack:
                return end, end
    return None, end


def _array(
    data: bytes, opening: int, reading: Reading, *, damaged: bool, whole: bool = True, wrapper: int | None = None
) -> Iterator[Batch]:
    """The elements of the array that opens at `opening`.

    A loop over elements, since each is parsed by itself and one bad element must not cost the others.

    Args:
        damaged: the bytes end early because the container is damaged, which is reported by itself.
        whole: the array is the document, so that nothing may follow it.
        wrapper: where the object around the array begins, when that has not been found to be valid yet.
    """
    suspect = any(suspicious(piece) for piece in _sliced(data, 64))
    position, line, counted = _skip(data, opening + 1), 1, 0
    keys: set[bytes] = set()
    budget = _RESCANS * len(data) + 1_000_000
    batch = Batch()
    closed = untidy = False
    while position < len(data):
        if data[position : position + 1] == b"]":
            closed = True
            break
        line += data.count(b"\n", counted, position)
        counted = position
        end, reached = _closing(data, position)
        after = _skip(data, end) if end is not None else position
        fits = end is not None and data[after : after + 1] in (b",", b"]")
        if first := _FIRST_KEY.match(data, position):
            keys.add(first.group(1))
        following = after
        if not fits:
            budget -= reached - position
            following = _next_row(data, max(position + 1, end or 0), keys) if budget > 0 else len(data)
            if end is None or data[end:following].strip(b" \t\r\n,"):
                end = position + len(data[position:following].rstrip(b" \t\r\n,"))
            if following == len(data) and damaged:
                break  # the rest is reported with the damage
        raw = data[position:end]
        try:
            record = parse_record(raw, suspect=suspect and suspicious(raw))
        except Misfit as misfit:
            if raw.strip():
                reading.fail(misfit, raw, line=line, offset=position)
            elif not untidy:
                untidy = True
                reading.fail_file(
                    Misfit(Reason.INVALID_JSON, "a comma stands where a row is expected"), offset=position
                )
        else:
            reading.rows += 1
            batch.add(record, reading.rows, line, position, raw)
            if not fits and following < len(data) and not untidy:
                untidy = True
                reading.fail_file(Misfit(Reason.INVALID_JSON, "no comma stands between two rows"), offset=end)
        if len(batch.records) >= ROWS or reading.hopeless:
            yield batch
            batch = Batch()
        position = following
        if data[position : position + 1] == b",":
            comma, position = position, _skip(data, position + 1)
            if data[position : position + 1] == b"]" and not untidy:
                untidy = True
                reading.fail_file(Misfit(Reason.INVALID_JSON, "a comma stands behind the last row"), offset=comma)
    if batch.records:
        yield batch
    if not closed and not damaged:
        reading.fail_file(Misfit(Reason.TRUNCATED, "the array is not closed"), offset=len(data))
    elif closed and wrapper is not None:
        _check_wrapper(data[wrapper:opening] + b"[]" + data[position + 1 :], reading)
    elif closed and whole and (rest := data[position + 1 :]).strip():
        more = Misfit(Reason.INVALID_JSON, f"{len(rest.strip()):,} bytes follow the end of the array")
        reading.fail_file(more, rest, offset=position + 1)


def _check_wrapper(emptied: bytes, reading: Reading) -> None:
    """Note when the object around the rows is broken by itself, or holds rows in a second list."""
    try:
        value = parse_record(emptied, suspect=suspicious(emptied))
    except Misfit as misfit:
        reading.fail_file(Misfit(misfit.reason, f"around the rows: {misfit.message}"), emptied)
        return
    if any(isinstance(item, list) and any(isinstance(one, dict) for one in item) for item in value.values()):
        reading.fail_file(Misfit(Reason.UNKNOWN_SHAPE, "the object holds rows in more than one list"), emptied)


def _next_row(data: bytes, start: int, keys: set[bytes]) -> int:
    """The next place where a row seems to begin, or the end."""
    names = b"|".join(re.escape(key) for key in sorted(keys)[:1000]) or _STRING
    found = re.compile(rb"[,}\]][ \t\r\n]*(\{[ \t\r\n]*(?:" + names + rb")[ \t\r\n]*:)").search(data, start - 1)
    return len(data) if found is None else found.start(1)
