"""The identity of an example: the same content has the same id in any file, shape or key order.

An id is SHA-256 (hex) over a versioned encoding in which every text is preceded by its length in bytes, every
list by its length, and every absent value is marked: no text can move between fields, turns or lists without
changing the id. Version 1:

    gate-example-1 KIND  MESSAGES  CHOSEN  REJECTED  LABEL  TEXT  TOOLS  [META]

`TOOLS`, tool calls and `META` enter as parsed JSON with sorted keys (as they stand when they are not JSON); a
message without content as one with empty content; a list of no tools as none. `META` is part of the record id only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import orjson

from gate.data.frame import Kind

Message: TypeAlias = "tuple[str, str | None, str | None, str | None, str | None]"
"""role, content, name, tool_calls (JSON text), tool_call_id: the fields of `gate.data.frame.MESSAGE`."""

_KINDS = {kind: f"gate-example-1 {kind} ".encode() for kind in ("chat", "preference", "feedback", "text")}
_ABSENT = b"-"
_LABELS = {None: _ABSENT, True: b"t", False: b"f"}


def _text(value: str | None) -> bytes:
    if value is None:
        return _ABSENT
    encoded = value.encode()
    return b"%d:%b" % (len(encoded), encoded)


def _json(value: str | None) -> bytes:
    """A JSON text by what it says: keys sorted, white space gone; what is not JSON by its own characters."""
    if value is None:
        return _ABSENT
    try:
        encoded = orjson.dumps(orjson.loads(value), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return b"!" + _text(value)
    return b"%d:%b" % (len(encoded), encoded)


def _messages(messages: Sequence[Message] | None) -> bytes:
    if messages is None:
        return _ABSENT
    parts = [b"%d[" % len(messages)]
    for role, content, name, calls, call_id in messages:
        text = content.encode() if content else b""
        who = role.encode()
        parts.append(b"%d:%b%d:%b" % (len(who), who, len(text), text))
        if name is None and calls is None and call_id is None:
            parts.append(b"---")
        else:
            parts += (_text(name), _json(calls), _text(call_id))
    return b"".join(parts)


def identify(
    kind: Kind,
    messages: Sequence[Message] | None = None,
    chosen: Sequence[Message] | None = None,
    rejected: Sequence[Message] | None = None,
    label: bool | None = None,
    text: str | None = None,
    tools: str | None = None,
    meta: str | None = None,
) -> tuple[str, str]:
    """The content id and the record id of one example, 64 hexadecimal characters each.

    Args:
        tools, meta: JSON texts, compared by what they say and not by how they are written.
    """
    if chosen is None and rejected is None and label is None and text is None and tools is None:
        content = hashlib.sha256(_KINDS[kind] + _messages(messages) + b"-----")
    else:
        content = hashlib.sha256(
            b"".join(
                (
                    _KINDS[kind],
                    _messages(messages),
                    _messages(chosen),
                    _messages(rejected),
                    _LABELS[label],
                    _text(text),
                    _json(tools),
                )
            )
        )
    record = content.copy()
    record.update(_json(meta))
    return content.hexdigest(), record.hexdigest()
