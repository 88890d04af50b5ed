"""What of an example is compared for likeness: the whole of it, its prompt or its response, as one string per row."""

from __future__ import annotations

from typing import Literal

import polars as pl

from gate.checks.duplicates.fold import SECTION, TURN
from gate.checks.duplicates.turns import Column, folded_text, folded_turns
from gate.data.views import Frames

Key = Literal["full", "prompt", "response"]
KEYS: tuple[Key, ...] = Key.__args__  # type: ignore[attr-defined]


def answered(frames: Frames) -> pl.Series:
    """Whether the last message of an example is its answer, as in `Frames.response`; one per row, no nulls."""
    last = pl.col("messages").list.last().struct.field("role")
    return frames.once(
        "answered",
        lambda: frames.examples.select(
            answered=((last == "assistant") & (pl.col("kind") != "preference")).fill_null(False)
        )["answered"],
    )


def turns_of(frames: Frames, key: Literal["prompt", "response"]) -> pl.DataFrame:
    """The folded turns of `messages` before the answer, or the answer (that of `chosen` for a preference)."""
    turns = folded_turns(frames, "messages")
    is_answer = (pl.col("from_end") == 0) & pl.lit(answered(frames).gather(turns["at"]))
    if key == "prompt":
        return turns.filter(~is_answer)
    chosen = folded_turns(frames, "chosen")
    preferences = pl.lit((frames.examples["kind"] == "preference").gather(chosen["at"]))
    return pl.concat([turns.filter(is_answer), chosen.filter(preferences)])


def compared_text(frames: Frames, key: Key) -> pl.Series:
    """The folded text by which rows are near-duplicates: contents and tool calls, with signs between turns and
    sections. Null where an example has no such part (plain text has neither prompt nor response).

    Roles and tool schemas are left out: they are the same in most rows of a dataset and would make rows
    look alike whose content is not.
    """
    return frames.once(f"compared text of {key}", lambda: _compared_text(frames, key))


def _compared_text(frames: Frames, key: Key) -> pl.Series:
    if key == "full":
        names: tuple[Column, ...] = ("messages", "chosen", "rejected")
        messages, chosen, rejected = (_joined(frames, folded_turns(frames, name)) for name in names)
        preference = [part.fill_null("") for part in (messages, chosen, rejected)]
        text = (
            pl.when(pl.col("kind") == "text")
            .then(folded_text(frames))
            .when(pl.col("kind") == "preference")
            .then(pl.concat_str(preference, separator=SECTION))
            .otherwise(messages)
        )
        return frames.examples.select(text=text)["text"]
    text_of = _joined(frames, turns_of(frames, key))
    if key == "prompt":
        # All of the messages were the answer: a prompt with nothing in it, rather than none.
        return frames.examples.select(text=pl.when(pl.col("messages").is_not_null()).then(text_of.fill_null("")))[
            "text"
        ]
    return text_of


def _joined(frames: Frames, turns: pl.DataFrame) -> pl.Series:
    """The contents and tool calls of the turns of each row, with a sign between turns; null where it has none."""
    text = (
        pl.when(pl.col("calls") == "")
        .then("content")
        .when(pl.col("content") == "")
        .then("calls")
        .otherwise(pl.concat_str("content", "calls", separator=" "))
    )
    joined = turns.select("at", text=text).group_by("at", maintain_order=True).agg(pl.col("text").str.join(TURN))
    rows = pl.select(at=pl.int_range(frames.examples.height, dtype=pl.UInt32))
    return rows.join(joined, on="at", how="left", maintain_order="left")["text"]
