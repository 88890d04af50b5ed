"""The turns of a conversation: from OpenAI messages, ShareGPT turns or a user's own naming to canonical messages.

Roles are normalised as `gate.data.frame.ROLES` says. A ShareGPT `function_call` turn becomes an assistant message
without content whose `tool_calls` is the value as a JSON list: the value itself when it is a list, `[value]` when it is
an object, and the value as it stands when it is not JSON at all, so that the structure check sees it. An
`observation` becomes a `tool` message. The older `function_call` key of an OpenAI message is read as its one tool call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from gate.data.ids import Message
from gate.data.malformed import Misfit, Reason
from gate.data.parse import kind_of

CANONICAL_ROLES = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "developer": "system",
    "human": "user",
    "gpt": "assistant",
    "function_call": "assistant",
    "observation": "tool",
}


@dataclass(frozen=True, slots=True)
class Naming:
    """How a file writes a turn."""

    role: tuple[str, ...] = ("role", "from")
    content: tuple[str, ...] = ("content", "value")
    roles: Mapping[str, str] = field(default_factory=lambda: CANONICAL_ROLES)


OPENAI_OR_SHAREGPT = Naming()
_PARTS = ("name", "tool_calls", "tool_call_id", "function_call")


def listed(value: object) -> object:
    """A list of turns from a list, one turn, or the JSON text of either (as CSV holds it); else the value."""
    if type(value) is str and value.lstrip()[:1] in ("[", "{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return [value] if type(value) is dict else value


def looks_like_turns(value: object) -> bool:
    """Whether a value is a list of objects (or one, or a JSON text of them): decides the shape, not the fit."""
    value = listed(value)
    return type(value) is list and all(type(turn) is dict for turn in value)


def read_turns(
    value: object, name: str, extra: dict[str, object], naming: Naming = OPENAI_OR_SHAREGPT
) -> list[Message]:
    """Canonical messages from a list of turns.

    Args:
        name: the column, for messages to people and for `extra`.
        extra: receives what a turn holds beyond the canonical fields, as `name[i].key`: it goes to `meta`.

    Raises:
        Misfit: not a list of turns, none at all, or a turn without a role or with a content that is no text.
    """
    turns = listed(value)
    if type(turns) is not list:
        if turns is None:
            raise Misfit(Reason.NULL_VALUE, f"`{name}` is null")
        raise Misfit(Reason.WRONG_TYPE, f"`{name}` is {kind_of(turns)}, not a list of messages")
    if not turns:
        raise Misfit(Reason.MISSING_FIELD, f"`{name}` has no message")
    return [_turn(turn, f"{name}[{index}]", extra, naming) for index, turn in enumerate(turns)]


def _turn(turn: object, place: str, extra: dict[str, object], naming: Naming) -> Message:
    if type(turn) is not dict:
        raise Misfit(Reason.WRONG_TYPE, f"`{place}` is {kind_of(turn)}, not a message")
    role_key = next((key for key in naming.role if key in turn), None)
    if role_key is None:
        raise Misfit(Reason.MISSING_FIELD, f"`{place}` has no `{naming.role[0]}`")
    role = turn[role_key]
    if type(role) is not str:
        raise Misfit(_wrong(role), f"`{place}.{role_key}` is {kind_of(role)}, not the name of a role")
    content_key = next((key for key in naming.content if key in turn), None)
    content = None if content_key is None else turn[content_key]
    canonical = naming.roles.get(role, role)
    if len(turn) == 2 and type(content) is str and role != "function_call":
        return canonical, content, None, None, None

    calls = turn.get("tool_calls")
    if calls is None and turn.get("function_call") is not None:
        calls = turn["function_call"]
    tool_calls = _calls(calls, f"{place}.tool_calls")
    if role == "function_call" and tool_calls is None:
        if type(content) is not str:
            raise Misfit(_wrong(content), f"`{place}` is a function call whose value is {kind_of(content)}")
        content, tool_calls = None, _calls(content, place)
    where = f"{place}.{content_key or naming.content[0]}"
    if content is None and tool_calls is None:
        if content_key is None:
            raise Misfit(Reason.MISSING_FIELD, f"`{where}` is missing")
        raise Misfit(Reason.NULL_VALUE, f"`{where}` is null, and there is no tool call instead")
    for key, rest in turn.items():
        if key not in (role_key, content_key) and key not in _PARTS:
            extra[f"{place}.{key}"] = rest
    return (
        canonical,
        None if content is None else _content(content, where, extra),
        _optional(turn.get("name"), f"{place}.name"),
        tool_calls,
        _optional(turn.get("tool_call_id"), f"{place}.tool_call_id"),
    )


def _content(content: object, place: str, extra: dict[str, object]) -> str:
    """The text of a content: parts are joined by line feeds, and a part that is no text stays as its JSON."""
    if type(content) is str:
        return content
    if type(content) is not list:
        raise Misfit(_wrong(content), f"`{place}` is {kind_of(content)}, neither a text nor a list of parts")
    texts = []
    for index, part in enumerate(content):
        if type(part) is str:
            texts.append(part)
        elif type(part) is not dict:
            raise Misfit(_wrong(part), f"`{place}[{index}]` is {kind_of(part)}, not a content part")
        elif part.get("type", "text") != "text":
            texts.append(orjson.dumps(part).decode())
        elif type(part.get("text")) is not str:
            raise Misfit(_wrong(part.get("text")), f"`{place}[{index}].text` is {kind_of(part.get('text'))}")
        else:
            texts.append(part["text"])
            extra |= {f"{place}[{index}].{key}": rest for key, rest in part.items() if key not in ("type", "text")}
    return "\n".join(texts)


def _calls(calls: object, place: str) -> str | None:
    """Tool calls as a JSON list; what is a text but not JSON stays as it is, for the structure check."""
    if calls is None or calls == [] or calls == "":
        return None
    if type(calls) is list:
        return orjson.dumps(calls).decode()
    if type(calls) is dict:
        return f"[{orjson.dumps(calls).decode()}]"
    if type(calls) is str:
        try:
            return f"[{calls}]" if type(orjson.loads(calls)) is dict else calls
        except orjson.JSONDecodeError:
            return calls
    raise Misfit(Reason.WRONG_TYPE, f"`{place}` is {kind_of(calls)}, not a list of calls")


def _optional(value: object, place: str) -> str | None:
    if value is None or type(value) is str:
        return value
    raise Misfit(Reason.WRONG_TYPE, f"`{place}` is {kind_of(value)}, not a text")


def _wrong(value: object) -> Reason:
    return Reason.NULL_VALUE if value is None else Reason.WRONG_TYPE
