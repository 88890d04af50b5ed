"""Rows whose text holds one of the model's control tokens: to the model, a turn ends there, or another one begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gate.training.rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SHOWN = 3
_SHORTEST = 3
"""Characters of a control token that is looked for: a shorter one stands in any text."""


def control_token_note(rows: Iterable[Row], tokenizer: PreTrainedTokenizerBase) -> tuple[str, str] | None:
    """What a person should know of such rows, as (code, message); None where there are none."""
    tokens = [str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special]
    tokens = [token for token in tokens if len(token) >= _SHORTEST]
    beginnings = {token[:2] for token in tokens}
    found: dict[str, str] = {}
    for row in rows:
        for text in _texts(row):
            if any(beginning in text for beginning in beginnings):
                there = next((token for token in tokens if token in text), None)
                if there is not None:
                    found.setdefault(row.id, there)
    if not found:
        return None
    shown = ", ".join(f"{name[:12]} ({token})" for name, token in list(found.items())[:_SHOWN])
    return (
        "control_tokens",
        f"{len(found):,} rows hold control tokens of this model in their text, where they end a turn or begin one: "
        f"{shown}{', …' if len(found) > _SHOWN else ''}",
    )


def _texts(row: Row) -> Iterator[str]:
    for messages in (row.messages, row.chosen, row.rejected):
        for message in messages:
            yield message.get("content") or ""
            yield message.get("tool_calls") or ""
    yield row.text or ""
