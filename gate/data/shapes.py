"""Recognises a file's shape from its first rows: which columns say what.

Each of the first rows is matched by itself and the most frequent layout wins, so that a broken first row does not
decide. Optional columns keep their usual names even when the first rows lack them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gate.data.columns import ColumnMap
from gate.data.frame import Kind, Shape
from gate.data.parse import Record
from gate.data.turns import OPENAI_OR_SHAREGPT, Naming, listed, looks_like_turns

SAMPLE = 200
"""Rows looked at: enough that a layout seen in most of them is the file's."""

RESPONSES = {
    "instruction": ("output", "response", "completion", "answer"),
    "prompt": ("completion", "response", "output", "answer"),
    "question": ("answer", "response", "output", "completion"),
    "query": ("response", "answer", "output", "completion"),
    "problem": ("solution", "answer", "response"),
    "input": ("output", "response", "answer", "completion", "target"),
}
"""Which columns may answer which, in order of preference."""
_SHAPES: dict[tuple[str, str], Shape] = {
    ("instruction", "output"): "instruction",
    ("prompt", "completion"): "prompt_completion",
    ("input", "output"): "input_output",
}
CONVERSATIONS = ("messages", "conversations", "conversation")
_PREFERENCE_PROMPTS = (
    "conversations",
    "conversation",
    "prompt",
    "messages",
    "instruction",
    "question",
    "query",
    "input",
)
WORDS = {"true": True, "false": False, "1": True, "0": False}
"""A label as CSV writes it, in any case."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A shape, and the column that holds each of its parts (None: the shape has no such part)."""

    shape: Shape
    kind: Kind
    prompt: str | None = None
    input: str | None = None
    response: str | None = None
    messages: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    label: str | None = None
    text: str | None = None
    system: str | None = None
    history: str | None = None
    tools: str | None = None
    split: str | None = "split"
    naming: Naming = field(default=OPENAI_OR_SHAREGPT, hash=False)
    columns: Mapping[str, str] | None = field(default=None, hash=False)
    """Of a mapped file: canonical part to (dotted) source column."""
    typed: bool = True
    """Whether the format has types; where it has none (CSV) the words true and false are labels."""


def recognise(records: Sequence[Record], columns: ColumnMap | None = None, *, typed: bool = True) -> Layout | None:
    """The layout of a file, from the records it begins with; None when its columns are of no known shape.

    Args:
        columns: the user's own names; used when the file has any of them.
        typed: False for CSV and TSV, whose cells are all texts.
    """
    sample = records[:SAMPLE]
    mapped = None if columns is None else _mapped(sample, columns)
    if mapped is None or columns is None:
        return _most_frequent(sample, typed)
    rows = [named(record, mapped)[0] for record in sample]
    if "messages" not in mapped and not {"prompt", "response"} <= set(mapped) and "text" not in mapped:
        rows = [{**record, **row} for record, row in zip(sample, rows, strict=True)]
    layout = _most_frequent([{_STANDARD.get(k, k): v for k, v in row.items()} for row in rows], typed)
    if layout is None:
        return None
    naming = Naming((columns.role,), (columns.content,), {**OPENAI_OR_SHAREGPT.roles, **columns.roles})
    if "label" in mapped and layout.kind == "chat":  # named as a label, so a judgement whatever it holds
        layout = replace(layout, shape="feedback", kind="feedback", label="label")
    extra = "input" if "input" in mapped else layout.input
    return replace(layout, input=extra, columns={_STANDARD.get(k, k): v for k, v in mapped.items()}, naming=naming)


_STANDARD = {"response": "completion"}


def _mapped(sample: Sequence[Record], columns: ColumnMap) -> dict[str, str] | None:
    """The parts of a user's map that any of the first rows has; None when there is none of them."""
    parts = (
        "system", "prompt", "input", "response", "messages", "chosen", "rejected", "label", "text", "tools", "split",
    )  # fmt: skip
    wanted = {part: getattr(columns, part) for part in parts if getattr(columns, part) is not None}
    return {part: path for part, path in wanted.items() if any(_has(row, path) for row in sample)} or None


def _has(record: Record, path: str) -> bool:
    return find(record, path)[0]


def find(record: Record, path: str) -> tuple[bool, object]:
    """Whether a record has a (dotted) column, and its value. A key that itself holds dots comes first."""
    if path in record:
        return True, record[path]
    value: object = record
    for part in path.split("."):
        if type(value) is not dict or part not in value:
            return False, None
        value = value[part]
    return True, value


def named(record: Record, columns: Mapping[str, str]) -> tuple[Record, Record]:
    """A mapped record in two: the mapped parts under their canonical names, and every other column."""
    parts: Record = {}
    rest = dict(record)
    for part, path in columns.items():
        has, value = find(record, path)
        if has:
            parts[part] = value
            _remove(rest, path)
    return parts, rest


def _remove(record: Record, path: str) -> None:
    """Take a dotted column out of a shallow copy, copying what is nested on the way."""
    if path in record:
        del record[path]
        return
    first, _, rest = path.partition(".")
    inner = record.get(first)
    if rest and type(inner) is dict:
        inner = dict(inner)
        _remove(inner, rest)
        if inner:
            record[first] = inner
        else:
            del record[first]


def _most_frequent(sample: Sequence[Record], typed: bool) -> Layout | None:
    layouts = Counter(layout for row in sample if (layout := _of_row(row, typed)) is not None)
    return layouts.most_common(1)[0][0] if layouts else None


def _first(row: Record, names: Sequence[str]) -> str | None:
    return next((name for name in names if name in row), None)


def _of_row(row: Record, typed: bool) -> Layout | None:
    base = Layout(
        "text",
        "text",
        system=_first(row, ("system", "system_prompt")) or "system",
        tools=_first(row, ("tools", "functions")) or "tools",
        typed=typed,
    )
    conversation = next((name for name in CONVERSATIONS if name in row and looks_like_turns(row[name])), None)
    if "chosen" in row and "rejected" in row:
        prompt = _first(row, _PREFERENCE_PROMPTS)
        extra = None if prompt in CONVERSATIONS else _extra_input(prompt)
        parts = replace(base, prompt=prompt or "prompt", input=extra, history="history")
        return replace(parts, shape="preference", kind="preference", chosen="chosen", rejected="rejected")
    if conversation is not None:
        label = _label(row, ("label", "kto_tag"), typed)
        if label is not None:
            return replace(base, shape="feedback", kind="feedback", messages=conversation, label=label)
        shape: Shape = "sharegpt" if conversation != "messages" or _sharegpt(row[conversation]) else "messages"
        return replace(base, shape=shape, kind="chat", messages=conversation)
    for prompt, answers in RESPONSES.items():
        response = _first(row, answers) if prompt in row else None
        if response is None:
            continue
        label = _label(row, ("label", "kto_tag") if response == "completion" else ("kto_tag",), typed)
        parts = replace(base, prompt=prompt, response=response, history="history", input=_extra_input(prompt, row))
        if label is not None:
            return replace(parts, shape="feedback", kind="feedback", label=label)
        return replace(parts, shape=_SHAPES.get((prompt, response), "question_answer"), kind="chat")
    text = _first(row, ("text", "content"))
    return None if text is None else Layout("text", "text", text=text, typed=typed)


def _extra_input(prompt: str | None, row: Record | None = None) -> str | None:
    """The column with further input for a prompt: `input` beside an instruction, `context` beside any."""
    if prompt in (None, "input"):
        return None
    if row is not None and "context" in row and "input" not in row:
        return "context"
    return "input" if prompt == "instruction" else "context"


def _label(row: Record, names: Sequence[str], typed: bool) -> str | None:
    """The column that judges an answer. A text other than a word for true or false is a category, and meta."""
    for name in names:
        if name in row and not isinstance(row[name], list | dict):
            value = row[name]
            if not isinstance(value, str) or value.lower() in WORDS or (not value and not typed):
                return name
    return None


def _sharegpt(value: object) -> bool:
    turns = listed(value)
    return type(turns) is list and bool(turns) and "from" in turns[0]
