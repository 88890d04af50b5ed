"""What of an example is compared: the whole of it, its prompt or its response, as one string per row."""

from __future__ import annotations

from typing import Literal

import polars as pl

from gate.checks.duplicates.fold import SECTION, TURN
from gate.data.views import Frames

Key = Literal["full", "prompt", "response"]
KEYS: tuple[Key, ...] = Key.__args__  # type: ignore[attr-defined]


def _clean(text: pl.Expr) -> pl.Expr:
    """A text without the signs that stand between turns and sections; they count as white space."""
    return text.fill_null("").str.replace_all(r"[\x1c-\x1f]", " ")


def _turn() -> pl.Expr:
    message = pl.element().struct
    return pl.concat_str([_clean(message.field("content")), _clean(message.field("tool_calls"))], separator=" ")


def _turns(messages: pl.Expr) -> pl.Expr:
    return messages.list.eval(_turn()).list.join(TURN)


def answered() -> pl.Expr:
    """Whether the last message of an example is its answer, as in `Frames.response`."""
    return (pl.col("messages").list.last().struct.field("role") == "assistant") & (pl.col("kind") != "preference")


def before_answer() -> pl.Expr:
    """The messages of the prompt, as in `Frames.prompt`."""
    count = pl.col("messages").list.len().cast(pl.Int64)
    return (
        pl.when(answered().fill_null(False)).then(pl.col("messages").list.head(count - 1)).otherwise(pl.col("messages"))
    )


def compared_text(frames: Frames, key: Key) -> pl.Series:
    """The text by which rows are near-duplicates: contents and tool calls, with signs between turns and
    sections. Null where an example has no such part (plain text has neither prompt nor response).

    Roles and tool schemas are left out: they are the same in most rows of a dataset and would make rows
    look alike whose content is not.
    """
    if key == "full":
        sections = [_turns(pl.col(name)) for name in ("messages", "chosen", "rejected")]
        conversation = pl.concat_str([part.fill_null("") for part in sections], separator=SECTION)
        text = (
            pl.when(pl.col("kind") == "text")
            .then(_clean(pl.col("text")))
            .when(pl.col("kind") == "preference")
            .then(conversation)
            .otherwise(_turns(pl.col("messages")))
        )
    elif key == "prompt":
        text = _turns(before_answer())
    else:
        text = (
            pl.when(pl.col("kind") == "preference")
            .then(_turns(pl.col("chosen")))
            .when(answered())
            .then(_turns(pl.col("messages").list.tail(1)))
        )
    return frames.examples.select(text.alias("text"))["text"]


def partition(frames: Frames) -> pl.Series:
    """A small number per kind and label: rows in different partitions are never duplicates of one another."""
    label = pl.col("label").cast(pl.Int64).fill_null(2)
    return frames.examples.select((pl.col("kind").to_physical().cast(pl.Int64) * 3 + label).alias("partition"))[
        "partition"
    ]
