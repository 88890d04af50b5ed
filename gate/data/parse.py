"""One JSON record from its bytes, strictly: what JSON leaves open or parsers disagree on is refused.

`orjson` reads fast but keeps the last of two equal keys and turns integers beyond 64 bits into floats; both would
change data silently, so both are detected exactly. Everything that looks suspicious to a cheap count is read again,
token by token.
"""

from __future__ import annotations

import re

import orjson

from gate.data.malformed import Misfit, Reason, name_of

Record = dict[str, object]

_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED_MARK = re.compile(rb"\\u00(?:22|3[aA])")
_DIGITS_ALIKE = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else byte for byte in range(256))
_LONG_DIGITS = b"0" * 19
_TOKEN = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")([ \t\r\n]*:)?|[{}]', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_INTEGER = re.compile(rb"(?<![\d.eE+-])-?\d{19,}(?![\d.eE])")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAN = re.compile(rb"[\[:,]\s*(?:NaN|-?Infinity|nan|inf)\s*(?=[,\]}])")


def suspicious(block: bytes) -> bool:
    """Whether a block of records holds anything for which the cheap count of keys is not exact, or an integer
    that may not fit 64 bits. Asked once per block, so that the count per record stays cheap."""
    return bool(_SPACED_KEY.search(block) or _ESCAPED_MARK.search(block) or _long_digits(block))


def _long_digits(block: bytes) -> bool:
    """Whether 19 digits stand in a row; a search for a fixed text, since a pattern would cost ten times as much."""
    return _LONG_DIGITS in block.translate(_DIGITS_ALIKE)


def parse_record(raw: bytes, *, suspect: bool) -> Record:
    """The object in `raw`.

    A key is a string followed by a colon. In `raw` that reads `":`, as do a few places inside texts; in the record
    written out again the same texts give the same places, so equal counts prove that no key was lost. That holds
    unless white space stands before a colon or a quote or colon is written as an escape: `suspect` then, and every
    token is looked at.

    Args:
        raw: without surrounding white space that JSON does not know.
        suspect: what `suspicious` said of this record or of a block that holds it.

    Raises:
        Misfit: not JSON, not an object, a key twice, an integer beyond 64 bits.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise why_not_json(raw, error) from None
    if type(value) is not dict:
        raise Misfit(Reason.NOT_AN_OBJECT, f"the row is {kind_of(value)}, not an object with named fields")
    if suspect:
        _check_tokens(raw)
        return value
    marks = raw.count(b'":')
    if marks != len(value):
        try:
            same = marks == orjson.dumps(value).count(b'":')
        except orjson.JSONEncodeError:  # nested deeper than orjson writes
            same = False
        if not same:
            _check_tokens(raw)
    return value


def kind_of(value: object) -> str:
    """What a value is, in JSON's words; never the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
    return f"a {type(value).__name__}"


def _check_tokens(raw: bytes) -> None:
    """Raise when valid JSON names a key twice in one object, or holds an integer beyond 64 bits."""
    seen: list[set[bytes | str]] = []
    for match in _TOKEN.finditer(raw):
        token, colon = match.group(1, 2)
        if token is None:
            if match.group() == b"{":
                seen.append(set())
            else:
                seen.pop()
        elif colon is not None:
            key = orjson.loads(token)
            if key in seen[-1]:
                raise Misfit(Reason.DUPLICATE_KEY, f"the key {name_of(key)!r} stands twice in one object")
            seen[-1].add(key)
    if _long_digits(raw):
        for number in _INTEGER.finditer(_STRING.sub(b'""', raw)):
            digits = number.group()
            if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
                raise Misfit(Reason.NUMBER_TOO_LARGE, "an integer does not fit 64 bits; write it as a text")


def why_not_json(raw: bytes, error: orjson.JSONDecodeError) -> Misfit:
    """The reason why bytes are not JSON, as precise as can be said without showing them."""
    message = str(error)
    if b"\x00" in raw:
        return Misfit(Reason.NUL, f"{raw.count(0)} NUL bytes in the row")
    try:
        raw.decode()
    except UnicodeDecodeError as invalid:
        return Misfit(Reason.INVALID_UTF8, f"byte {invalid.start + 1} of the row is not UTF-8")
    if "depth limit" in message or "recursion" in message.lower():
        return Misfit(Reason.NESTED_TOO_DEEPLY, "nested deeper than 1,024 levels")
    if "surrogate" in message or ("\\u" in message and _SURROGATE.search(raw)):
        return Misfit(Reason.LONE_SURROGATE, f"half of a surrogate pair at character {error.pos + 1} of the row")
    if "infinity" in message or _NAN.search(_STRING.sub(b'""', raw)):
        return Misfit(Reason.NOT_A_NUMBER, "NaN or Infinity is not JSON; write null or leave the field out")
    stripped = raw.rstrip()
    if error.pos >= len(stripped.decode()) or "unterminated" in message.lower() or "unexpected end" in message.lower():
        return Misfit(Reason.TRUNCATED, f"the row ends after {len(stripped):,} bytes, before its object is closed")
    detail = message.split(":")[0]
    return Misfit(Reason.INVALID_JSON, f"not JSON at character {error.pos + 1} of the row: {detail}")
