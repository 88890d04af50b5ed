"""One record of a known layout to one canonical example.

`instruction` and `input` become one user message, joined by a blank line; a system prompt and earlier turns go in
front. The answer of a question may be a number or a truth value, which is read as its JSON text; elsewhere a number
where a text belongs is malformed. Every column that the layout does not use is kept in `meta`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import NamedTuple

import orjson

from gate.data.frame import Split
from gate.data.ids import Message
from gate.data.malformed import Misfit, Reason
from gate.data.parse import Record, kind_of
from gate.data.preference import preference_of, transcript
from gate.data.shapes import WORDS, Layout, named
from gate.data.splits import split_word
from gate.data.turns import read_turns


class Example(NamedTuple):
    """The content of one example; JSON parts as texts. A named tuple, since a million of them are made."""

    messages: list[Message] | None
    chosen: list[Message] | None
    rejected: list[Message] | None
    label: bool | None
    text: str | None
    tools: str | None
    split: Split | None
    meta: str | None


def as_json(value: object) -> str:
    """JSON text of any value a reader meets; bytes as base64, dates in ISO 8601, decimals as text.

    Raises:
        Misfit: nested deeper than can be written.
    """
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError as error:
        if "ecursion" in str(error):
            raise Misfit(Reason.NESTED_TOO_DEEPLY, "nested deeper than 254 levels") from None
        raise Misfit(Reason.WRONG_TYPE, "a column holds a value that JSON cannot") from None


def _plain(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def converter(layout: Layout) -> Callable[[Record], Example]:
    """The function that turns the records of one file into examples; it raises `Misfit`."""
    convert = {"chat": _conversation, "feedback": _conversation, "preference": _preference, "text": _plain_text}
    make = convert[layout.kind](layout)
    if layout.columns is None:
        return make
    columns = layout.columns

    def mapped(record: Record) -> Example:
        parts, rest = named(record, columns)
        for part, path in columns.items():
            if part not in parts:
                raise Misfit(Reason.MISSING_FIELD, f"`{path}` is missing, which other rows of the file have")
        taken = {f"{name} (unmapped)": rest.pop(name) for name in parts.keys() & rest.keys()}
        try:
            return make({**rest, **taken, **parts})
        except Misfit as misfit:
            message = misfit.message
            for part, path in columns.items():
                message = message.replace(f"`{part}", f"`{path}")
            raise Misfit(misfit.reason, message) from None

    return mapped


Make = Callable[[Record], Example]


def _conversation(layout: Layout) -> Make:
    prompt, extra_input, response, label = layout.prompt, layout.input, layout.response, layout.label
    system, history, tools, messages = layout.system, layout.history, layout.tools, layout.messages
    literal = layout.shape == "question_answer"
    base = {part for part in (prompt, extra_input, response, label, history, tools, messages) if part is not None}

    def make(record: Record) -> Example:
        extra: dict[str, object] = {}
        used = base
        if messages is not None:
            turns = read_turns(_need(record, messages), messages, extra, layout.naming)
            if system in record and turns[0][0] != "system":
                turns = _system(record, system) + turns
                used = base | {system}
        else:
            assert prompt is not None
            assert response is not None
            question, answer = record.get(prompt), record.get(response)
            if type(question) is str and type(answer) is str:
                further = record.get(extra_input) if extra_input is not None else None
                if further:
                    question = _joined(question, further, extra_input)
                turns = [("user", question, None, None, None), ("assistant", answer, None, None, None)]
            else:
                turns = _asked(layout, record, extra) + _said(record, response, "assistant", extra, literal)
            if history in record:
                turns = _history(record[history], history) + turns
            if system in record and turns[0][0] != "system":
                turns = _system(record, system) + turns
                used = base | {system}
        judged = None if label is None else _label(_need(record, label), label, layout.typed)
        return _example(layout, record, used, extra, turns, label=judged)

    return make


def _preference(layout: Layout) -> Make:
    prompt, extra_input, chosen, rejected = layout.prompt, layout.input, layout.chosen, layout.rejected
    base = {part for part in (prompt, extra_input, chosen, rejected, layout.history, layout.tools) if part is not None}

    def make(record: Record) -> Example:
        assert chosen is not None
        assert rejected is not None
        extra: dict[str, object] = {}
        used = base
        asked: list[Message] = []
        good, bad = _need(record, chosen), _need(record, rejected)
        if prompt in record and record[prompt] not in (None, "", []):
            asked = _asked(layout, record, extra)
        elif isinstance(good, str) and isinstance(bad, str):
            good, bad = transcript(good) or good, transcript(bad) or bad
        said = [_answers(value, name, extra, layout) for value, name in ((good, chosen), (bad, rejected))]
        shared, better, worse = preference_of(asked, said[0], said[1])
        if layout.history in record:
            shared = _history(record[layout.history], layout.history) + shared
        if layout.system in record and (not shared or shared[0][0] != "system"):
            shared = _system(record, layout.system) + shared
            used = base | {layout.system}
        return _example(layout, record, used, extra, shared, chosen=better, rejected=worse)

    return make


def _plain_text(layout: Layout) -> Make:
    column = layout.text
    assert column is not None

    def make(record: Record) -> Example:
        value = record.get(column)
        if type(value) is not str:
            value = _string(_need(record, column), column)
        return _example(layout, record, {column}, {}, None, text=value)

    return make


def _example(
    layout: Layout,
    record: Record,
    used: set[str],
    extra: dict[str, object],
    messages: list[Message] | None,
    *,
    chosen: list[Message] | None = None,
    rejected: list[Message] | None = None,
    label: bool | None = None,
    text: str | None = None,
) -> Example:
    """The parts put together with tools, split and whatever is left over."""
    split: Split | None = None
    tools = None
    if not record.keys() <= used or layout.tools in record:
        if layout.split in record:
            word = record[layout.split]
            split = split_word(word) if isinstance(word, str) else None
            if split is not None:
                used = used | {layout.split}
        if layout.tools in record:
            tools = _tools(record[layout.tools], layout.tools)
        extra = {key: value for key, value in record.items() if key not in used} | extra
    meta = as_json(extra) if extra else None
    return Example(messages, chosen, rejected, label, text, tools, split, meta)


def _need(record: Record, column: str) -> object:
    if column not in record:
        raise Misfit(Reason.MISSING_FIELD, f"`{column}` is missing")
    if record[column] is None:
        raise Misfit(Reason.NULL_VALUE, f"`{column}` is null")
    return record[column]


def _string(value: object, column: str | None, *, literal: bool = False) -> str:
    if isinstance(value, str):
        return value
    if literal and isinstance(value, bool | int | float):
        return as_json(value)
    raise Misfit(Reason.WRONG_TYPE, f"`{column}` is {kind_of(value)}, not a text")


def _joined(question: str, further: object, column: str | None) -> str:
    more = _string(further, column)
    return f"{question}\n\n{more}" if question else more


def _asked(layout: Layout, record: Record, extra: dict[str, object]) -> list[Message]:
    """The prompt's messages, with further input appended to a prompt that is a text."""
    assert layout.prompt is not None
    turns = _said(record, layout.prompt, "user", extra, False, layout)
    further = None if layout.input is None else record.get(layout.input)
    if further:
        role, content, *rest = turns[-1]
        turns[-1] = (role, _joined(content or "", further, layout.input), rest[0], rest[1], rest[2])
    return turns


def _said(
    record: Record, column: str, role: str, extra: dict[str, object], literal: bool, layout: Layout | None = None
) -> list[Message]:
    value = _need(record, column)
    if isinstance(value, list | dict):
        return read_turns(value, column, extra) if layout is None else read_turns(value, column, extra, layout.naming)
    if isinstance(value, str) and value[:2] in ("[{", '{"') and layout is not None and layout.kind == "preference":
        return _answers(value, column, extra, layout, role)
    return [(role, _string(value, column, literal=literal), None, None, None)]


def _answers(
    value: object, column: str, extra: dict[str, object], layout: Layout, role: str = "assistant"
) -> list[Message]:
    """The turns of `chosen` or `rejected`, from a text or from turns (in CSV from their JSON)."""
    if isinstance(value, str) and (layout.typed or not value.startswith("[{")):
        return [(role, value, None, None, None)]
    return read_turns(value, column, extra, layout.naming)


def _system(record: Record, column: str | None) -> list[Message]:
    value = record.get(column) if column is not None else None
    if value is None or value == "":
        return []
    return [("system", _string(value, column), None, None, None)]


def _history(value: object, column: str | None) -> list[Message]:
    """Earlier turns, as pairs of what the user and the assistant said."""
    if value is None or value == "":
        return []
    turns: list[Message] = []
    for pair in value if isinstance(value, list) else [None]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Misfit(Reason.WRONG_TYPE, f"`{column}` is not a list of pairs of texts")
        turns += [("user", _string(pair[0], column), None, None, None)]
        turns += [("assistant", _string(pair[1], column), None, None, None)]
    return turns


def _label(value: object, column: str, typed: bool) -> bool:
    if isinstance(value, bool):
        return value
    if not typed and isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    raise Misfit(Reason.WRONG_TYPE, f"`{column}` is {kind_of(value)}, not true or false")


def _tools(value: object, column: str | None) -> str | None:
    if value is None or value in ("", "[]", []):
        return None
    if isinstance(value, list | dict):
        return as_json(value)
    if isinstance(value, str):
        try:
            orjson.loads(value)
        except orjson.JSONDecodeError:
            raise Misfit(Reason.WRONG_TYPE, f"`{column}` is a text that is not JSON") from None
        return value
    raise Misfit(Reason.WRONG_TYPE, f"`{column}` is {kind_of(value)}, not a list of tools")
