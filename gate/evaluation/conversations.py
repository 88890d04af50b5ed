"""Conversations of several turns as lm-eval can carry them: a prompt that is a text and still knows its messages.

lm-eval asks a task for the text of an item and puts that into one user turn. A `Conversation` is that text (a plain
transcript, for models without a chat template) which also carries the messages; where the template is applied, the
turn is put back into them, so that the model sees the turns that it was trained on, system message and all. Nothing in
a text can pass for one: it is told by its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

MESSAGES = "messages"
"""The field of an item with its conversation: the JSON text of a list of messages."""

TOOLS = "tools"
"""The field with the tools that it may call, as JSON; mostly not there."""

Message = Mapping[str, Any]
"""As chat templates take them: `role`, `content`, and what goes with calls of tools."""


class Conversation(str):
    """The transcript of a conversation that ends before an answer."""

    messages: tuple[Message, ...]
    tools: Sequence[Any] | None
    """What it may call, as chat templates take it."""

    def __new__(cls, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> Conversation:
        made = super().__new__(cls, transcript(messages))
        made.messages, made.tools = tuple(messages), tools
        return made


def conversation(doc: Mapping[str, Any]) -> Conversation:
    """A task's `doc_to_text`: the conversation of an item."""
    tools = orjson.loads(doc[TOOLS]) if doc.get(TOOLS) else None
    return Conversation(orjson.loads(doc[MESSAGES]), [tools] if isinstance(tools, dict) else tools)


def transcript(messages: Sequence[Message]) -> str:
    """A conversation for a model without a chat template; the answer belongs on the next line. One question stands
    alone; else every turn is named."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return f"{messages[0]['content']}\n"
    turns = (f"{str(each['role']).capitalize()}: {_said(each)}\n" for each in messages)
    return "".join(turns) + "Assistant:\n"


def _said(message: Message) -> str:
    calls = message.get("tool_calls")
    return message["content"] or (orjson.dumps(calls).decode() if calls else "")


def expanded(history: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns as lm-eval hands them to a chat template, with conversations put back into their messages. System messages
    are joined into one at the beginning, which is all that most templates take.

    Args:
        history: turns with `role` and `content`, which may be a `Conversation`.
    """
    turns: list[dict[str, Any]] = []
    system: list[str] = []
    for turn in history:
        content = turn["content"]
        inner = content.messages if isinstance(content, Conversation) else (turn,)
        for each in inner:
            if each["role"] == "system":
                system.append(each["content"])
            else:
                turns.append(dict(each))
    return [{"role": "system", "content": "\n\n".join(dict.fromkeys(system))}, *turns] if system else turns


def with_conversations(model: Any) -> Any:
    """A model of lm-eval whose chat template gets conversations as they are.

    It needs lm-eval's `fewshot_as_multiturn=True`: otherwise all turns are glued to one text before the template sees
    them.

    Args:
        model: with lm-eval's `apply_chat_template`; changed in place.
    """
    plain: Callable[..., Any] = model.apply_chat_template

    def apply_chat_template(chat_history: Sequence[Message], *args: Any, **keywords: Any) -> Any:
        turns = expanded(chat_history)
        last = chat_history[-1]["content"] if chat_history else None
        tools = last.tools if isinstance(last, Conversation) else None
        before: Any = getattr(model, "chat_template_args", None)
        if tools and not isinstance(before, dict):
            raise ValueError("this backend cannot tell the model of the tools that an item offers")
        if tools:
            model.chat_template_args = before | {"tools": tools}
        try:
            _check_system(model, turns)
            return plain(turns, *args, **keywords)
        finally:
            if tools:
                model.chat_template_args = before

    model.apply_chat_template = apply_chat_template
    return model


def _check_system(model: Any, turns: Sequence[Message]) -> None:
    """lm-eval leaves system messages out where a template fails on them, and says so in its log only.

    Raises:
        ValueError: the template fails on them.
    """
    from jinja2 import TemplateError

    render = getattr(getattr(model, "tokenizer", None), "apply_chat_template", None)
    if render is None or all(turn["role"] != "system" for turn in turns):
        return
    try:
        render(turns, tokenize=False, add_generation_prompt=True, **getattr(model, "chat_template_args", None) or {})
    except TemplateError as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"the model's chat template does not take a system message ({said})") from None
