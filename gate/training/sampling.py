"""A few fixed prompts, answered greedily while a model trains: what a person looks at first.

They are the first ones of the validation split (of the train split where there is none), so that they stay the same
from evaluation to evaluation and from run to run on the same data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gate.training.rows import Row, Rows

TEXT_TOKENS = 32
"""Of a text, how many tokens are given to go on from."""
MOST_PROMPT_TOKENS = 1024
"""The last ones of a longer prompt: samples are looked at, and should not cost an evaluation."""
SHOWN = 2000
"""Characters of a prompt or an answer that an event holds."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is answered."""

    shown: str
    tokens: tuple[int, ...]


def prompts(rows: Rows, tokenizer: Any, count: int, room: int | None) -> list[Prompt]:
    """The first prompts of a run, as tokens.

    Args:
        tokenizer: with the chat template that the run trains with.
        room: tokens of the model's context, of which the answer takes some; None: no limit is known.
    """
    most = MOST_PROMPT_TOKENS if room is None else max(min(MOST_PROMPT_TOKENS, room), 1)
    found: list[Prompt] = []
    seen: set[str] = set()
    for row in _in_order(rows):
        if len(found) == count:
            break
        made = _prompt(row, tokenizer)
        if made is not None and made[0] not in seen:
            seen.add(made[0])
            found.append(Prompt(made[0][-SHOWN:], tuple(made[1][-most:])))
    return found


def answers(
    model: Any, tokenizer: Any, asked: Sequence[Prompt], new_tokens: int, *, together: bool = False
) -> list[str]:
    """What a model says to prompts, greedily. Neither its mode nor any random state is changed.

    Args:
        new_tokens: the most of an answer.
        together: whether several devices hold one model among them, and have to keep step.
    """
    import torch
    from transformers import GenerationConfig

    if not asked:
        return []
    device = next(model.parameters()).device
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    longest = max(len(each.tokens) for each in asked)
    ids = torch.tensor([[pad or 0] * (longest - len(each.tokens)) + list(each.tokens) for each in asked])
    mask = torch.tensor([[0] * (longest - len(each.tokens)) + [1] * len(each.tokens) for each in asked])
    ends = [tokenizer.eos_token_id, *_list(getattr(model.generation_config, "eos_token_id", None))]
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=new_tokens,
        pad_token_id=pad,
        eos_token_id=sorted({each for each in ends if each is not None}) or None,
        use_cache=True,
    )
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            made = model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                generation_config=greedy,
                synced_gpus=together,
            )
    finally:
        model.train(training)
    return [tokenizer.decode(each[longest:], skip_special_tokens=True)[:SHOWN] for each in made]


def _in_order(rows: Rows) -> Iterable[Row]:
    yield from rows.validation
    yield from (row for row in rows.train if row.kind == "data")


def _prompt(row: Row, tokenizer: Any) -> tuple[str, list[int]] | None:
    """What a row asks, as a person reads it and as tokens; None where it asks nothing."""
    if row.text is not None:
        tokens = list(tokenizer.encode(row.text))[:TEXT_TOKENS]
        return (tokenizer.decode(tokens), tokens) if tokens else None
    asked = list(row.messages)
    if not row.chosen:  # of a preference the messages are the prompt
        while asked and asked[-1]["role"] == "assistant":
            asked.pop()
    if not asked or not tokenizer.chat_template:
        return None
    messages = [_plain(message) for message in asked]
    tools = json.loads(row.tools) if row.tools else None
    tokens = tokenizer.apply_chat_template(
        messages, tools=tools, tokenize=True, add_generation_prompt=True, return_dict=False
    )
    shown = "\n".join(f"{each['content']}" for each in asked if each["role"] in ("user", "system") and each["content"])
    return shown, list(tokens)


def _plain(message: dict[str, str | None]) -> dict[str, Any]:
    """A message as templates know it: only what it has."""
    made: dict[str, Any] = {key: value for key, value in message.items() if value is not None}
    made.setdefault("content", "")
    if isinstance(calls := made.get("tool_calls"), str):
        made["tool_calls"] = json.loads(calls)
    return made


def _list(value: Any) -> list[int]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [int(value)]
