"""Conversations as text, with the stretches that the assistant wrote: what is learned, and no character more.

Where the template says itself what is generated (`{% generation %}`), its word counts. Otherwise a turn begins where
the conversation up to it, rendered with a generation prompt, ends. That this is a prefix of the whole is checked for
every turn of every conversation; a template for which it is none is refused, because a mask beside the answer teaches
something else without anybody noticing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gate.training.messages import template_messages, tools_of, with_plain_arguments
from gate.training.rows import Message, Row
from gate.training.template import Json, Template, TemplateError, TemplateRefusal

Made = TypeVar("Made")
_MOST = 1000
"""Rows that a template may fail on before the others are not tried."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A conversation as the template writes it."""

    text: str
    spans: tuple[tuple[int, int], ...]
    """Characters (from, to) of each of the assistant's turns: from its first character to where the next turn begins.
    What of that is learned ends with its end-of-turn token (gate.training.encoding)."""


def rendered(row: Row, template: Template) -> Rendered:
    """A chat example as text and the assistant's turns in it.

    Raises:
        TemplateError: the template fails on it, leaves a message out, or does not say where the turns are.
    """
    messages, tools = template_messages(row.messages, row), tools_of(row)
    try:
        try:
            return _located(messages, tools, template, row)
        except TemplateRefusal:
            if not (plain := with_plain_arguments(row)):
                raise
            return _located(plain, tools, template, row)
    except TemplateRefusal as refusal:
        raise _refused(row, refusal) from None


def each_row(rows: Iterable[Row], make: Callable[[Row], Made]) -> list[Made]:
    """What is made of each row; where the template does not fit, how many rows that is.

    Raises:
        TemplateError: of the first row, with the number of those like it.
    """
    made: list[Made] = []
    failed: list[TemplateError] = []
    for row in rows:
        try:
            made.append(make(row))
        except TemplateError as error:
            failed.append(error)
            if len(failed) == _MOST:
                break
    if failed:
        first, others = failed[0], len(failed) - 1
        least = "at least " if len(failed) == _MOST else ""
        more = (
            f" (and so {'do' if others > 1 else 'does'} {least}{others:,} more row{'s' * (others > 1)})"
            if others
            else ""
        )
        raise TemplateError(first.what + more, where=first.where, remedy=first.remedy)
    return made


def prompt_text(messages: Sequence[Message], row: Row, template: Template) -> str:
    """A conversation up to an answer, ending with the generation prompt.

    Raises:
        TemplateError: the template fails on it, or leaves a message out.
    """
    try:
        made = template_messages(messages, row)
        text = template.render(made, tools_of(row), prompt=True)
    except TemplateRefusal as refusal:
        raise _refused(row, refusal) from None
    _check_nothing_left_out(made, text, row)
    return text


def whole_text(messages: Sequence[Message], row: Row, template: Template) -> str:
    """A conversation that ends with an answer.

    Raises:
        TemplateError: the template fails on it, or leaves a message out.
    """
    try:
        made = template_messages(messages, row)
        text = template.render(made, tools_of(row))
    except TemplateRefusal as refusal:
        raise _refused(row, refusal) from None
    _check_nothing_left_out(made, text, row)
    return text


def _located(messages: list[dict[str, Json]], tools: list[Json] | None, template: Template, row: Row) -> Rendered:
    turns = [at for at, message in enumerate(messages) if message["role"] == "assistant"]
    if template.marks:
        text, spans = template.marked(messages, tools)
        if len(spans) < len(turns):
            raise TemplateError(
                f"the template marks {len(spans)} of its {len(turns)} answers as generated",
                where=f"row {row.id[:12]}",
                remedy="put {% generation %} around what the assistant writes in every turn, tool calls too",
            )
    else:
        text = template.render(messages, tools)
        spans = [_turn(at, text, messages, tools, template, row) for at in turns]
    _check_nothing_left_out(messages, text, row, "".join(text[start:end] for start, end in spans))
    return Rendered(text, tuple(spans))


def _check_nothing_left_out(messages: list[dict[str, Json]], text: str, row: Row, learned: str | None = None) -> None:
    """That something of every message is in the text (and of every answer in what is learned): a template may pass over
    a role, or over content that is no list of parts, without a word.

    Raises:
        TemplateError: a message is missing.
    """
    for number, message in enumerate(messages, start=1):
        content = str(message["content"])
        whole = text if learned is None or message["role"] != "assistant" else learned
        if content in whole:
            continue
        # Templates trim, escape, and take thoughts out of earlier turns; they do not take words apart.
        words = _WORD.findall(content.rpartition("</think>")[2])
        if words and max(words, key=len) not in whole:
            raise TemplateError(
                f"the template leaves out message {number} ({message['role']}), or writes other words for it",
                where=f"row {row.id[:12]}",
                remedy="name a template that writes it (--chat-template FILE), or mend the data and admit it anew",
            )


_WORD = re.compile(r"[A-Za-z0-9]+")


def _turn(
    at: int, text: str, messages: list[dict[str, Json]], tools: list[Json] | None, template: Template, row: Row
) -> tuple[int, int]:
    """Where the turn `at` of a conversation stands in its text."""
    head = template.render(messages[:at], tools, prompt=True)
    if not text.startswith(head) or len(head) >= len(text):
        raise _unlocatable(at, row)
    if at == len(messages) - 1:
        return len(head), _without_closing(text, messages, tools, template)
    until = template.render(messages[: at + 1], tools)
    if text.startswith(until) and len(until) > len(head):
        return len(head), len(until)
    # A template may write the last turn in another way than earlier ones (with an empty thought, say). An earlier
    # one is found where it stands verbatim: right after the generation prompt, and right before a special token.
    content = str(messages[at]["content"]).strip()
    start = len(head) + len(text[len(head) :]) - len(text[len(head) :].lstrip())
    after = start + len(content)
    ends = [token for token in _strings(template) if text.startswith(token, after)]
    if not content or "tool_calls" in messages[at] or not text.startswith(content, start) or not ends:
        raise _unlocatable(at, row)
    return len(head), after + max(map(len, ends))


def _without_closing(text: str, messages: list[dict[str, Json]], tools: list[Json] | None, template: Template) -> int:
    """Where the last turn ends: a template may put something behind the whole conversation (an end of text, say) that
    is not there when the conversation goes on."""
    shape = template.digest, tuple(str(message["role"]) for message in messages), bool(tools)
    if shape not in _CLOSED or _CLOSED[shape]:
        try:
            going_on = template.render(messages, tools, prompt=True)
        except TemplateRefusal:  # it does not go on after an answer
            going_on = text
        _CLOSED[shape] = not going_on.startswith(text)
        if _CLOSED[shape]:
            return next(at for at, pair in enumerate(zip(text, going_on, strict=False)) if pair[0] != pair[1])
    return len(text)


_CLOSED: dict[tuple[str, tuple[str, ...], bool], bool] = {}
"""Whether a template puts something behind conversations of a shape (the digest, the roles, with tools or without)."""


def _strings(template: Template) -> list[str]:
    tokens = [each for value in template.special.values() for each in ([value] if isinstance(value, str) else value)]
    return [token for token in tokens if token]


def _unlocatable(at: int, row: Row) -> TemplateError:
    return TemplateError(
        f"the template writes what comes before message {at + 1} in another way than in the whole conversation, so "
        "that nobody can say which tokens the assistant wrote",
        where=f"row {row.id[:12]}",
        remedy="name a template that marks them with {% generation %} … {% endgeneration %} (--chat-template FILE); "
        "trl brings some for well-known models (chat_templates/*_training.jinja in its package)",
    )


def _refused(row: Row, refusal: TemplateRefusal) -> TemplateError:
    roles = " ".join(str(message["role"]) for message in [*row.messages, *row.chosen[:1]])[:200]
    return TemplateError(
        f"the chat template fails on this conversation ({roles}): {refusal}",
        where=f"row {row.id[:12]}",
        remedy="name a template that takes it (--chat-template FILE), or mend the data and admit it anew",
    )
