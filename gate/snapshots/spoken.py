"""An example as a person reads it: who says what, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True)
class Part:
    """A turn, or another text of an example, as it is in the data: neither masked nor made inert."""

    label: str
    """The role, or what it is: `chosen`, `rejected`, `text`, `tools`, `label`, `meta`."""
    text: str
    answer: bool = False
    """Whether the model learns to say it."""


Message = Mapping[str, str | None]


def parts(example: Mapping[str, object]) -> list[Part]:
    """The parts of an example.

    Args:
        example: a row of gate.data.frame.EXAMPLES, as `DataFrame.iter_rows(named=True)` gives it.
    """
    found = list(_turns(example, "messages"))
    if example["kind"] != "preference" and found and found[-1].label.startswith("assistant"):
        found[-1] = Part(found[-1].label, found[-1].text, answer=True)
    found += [
        Part(column if part.label == "assistant" else f"{column}, {part.label}", part.text, answer=True)
        for column in ("chosen", "rejected")
        for part in _turns(example, column)
    ]
    if isinstance(text := example["text"], str):
        found.append(Part("text", text, answer=True))
    if (label := example["label"]) is not None:
        found.append(Part("label", "good answer" if label else "bad answer", answer=True))
    found += [Part(name, value) for name in ("tools", "meta") if isinstance(value := example[name], str)]
    return found


def _turns(example: Mapping[str, object], column: str) -> Iterator[Part]:
    # What the schema says; a row as Python has it is untyped.
    for message in cast(Sequence[Message], example[column] or ()):
        role = message["role"] or "?"
        if message["name"]:
            role = f"{role} ({message['name']})"
        if message["content"] is not None or not message["tool_calls"]:
            yield Part(role, message["content"] or "")
        if message["tool_calls"]:
            yield Part(f"{role} calls", message["tool_calls"])
