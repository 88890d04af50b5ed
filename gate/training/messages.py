"""Messages and tools as chat templates take them: transformers' convention, from what a snapshot holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gate.training.rows import Message, Row
from gate.training.template import Json, TemplateError


def template_messages(messages: Sequence[Message], row: Row) -> list[dict[str, Json]]:
    """Messages as templates take them: without empty fields, tool calls as objects with their arguments unpacked
    (transformers' convention), content of a mere tool call as the empty text.

    Raises:
        TemplateError: tool calls that are no JSON list.
    """
    made: list[dict[str, Json]] = []
    for message in messages:
        one: dict[str, Json] = {"role": message["role"], "content": message.get("content") or ""}
        one |= {key: value for key in ("name", "tool_call_id") if (value := message.get(key)) is not None}
        if calls := message.get("tool_calls"):
            one["tool_calls"] = [_unpacked(call) for call in _listed(calls, "tool calls", row)]
        made.append(one)
    return made


def tools_of(row: Row) -> list[Json] | None:
    """The tools that a conversation may call, or None.

    Raises:
        TemplateError: they are no JSON list.
    """
    return _listed(row.tools, "tools", row) or None if row.tools else None


def _listed(text: str, what: str, row: Row) -> list[Json]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if isinstance(read, dict):
        read = [read]
    if not isinstance(read, list):
        raise TemplateError(
            f"its {what} are no JSON list", where=f"row {row.id[:12]}", remedy="mend the data and admit it anew"
        )
    return read


def _unpacked(call: Json) -> Json:
    """A tool call whose arguments are an object, where they came as the JSON text of one (as OpenAI writes them)."""
    if not isinstance(call, dict):
        return call
    if isinstance(inner := call.get("function"), dict):
        return call | {"function": _unpacked(inner)}
    arguments = call.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        read = json.loads(arguments)
    except ValueError:
        return call
    return call | {"arguments": read} if isinstance(read, dict) else call


def with_plain_arguments(row: Row) -> list[dict[str, Json]] | None:
    """The messages with arguments of tool calls as they came, for templates that join them to a text; None where there
    are no tool calls."""
    made = template_messages(row.messages, row)
    found = False
    for one, message in zip(made, row.messages, strict=True):
        if calls := message.get("tool_calls"):
            one["tool_calls"] = [_as_text(call) for call in _listed(calls, "tool calls", row)]
            found = True
    return made if found else None


def _as_text(call: Json) -> Json:
    if not isinstance(call, dict):
        return call
    if isinstance(inner := call.get("function"), dict):
        return call | {"function": _as_text(inner)}
    arguments = call.get("arguments")
    return call | {"arguments": json.dumps(arguments)} if isinstance(arguments, Mapping) else call
