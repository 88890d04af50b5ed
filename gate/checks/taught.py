"""What a row teaches, and where it stands in it: the last answer of a conversation, the chosen one of a preference, or
the plain text; with what was asked. The checks of language and quality look at this; the rejected answer is not
learnt, and earlier turns are read by `toxicity` and `bias` only.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from gate.checks.base import NOTHING_FOUND, found
from gate.checks.structure_turns import excerpt
from gate.data.views import Frames

HEAD = 80
"""Characters of an answer that are shown as evidence."""


def taught(frames: Frames) -> pl.DataFrame:
    """One row per example that teaches a text: `index` (u32, position in the examples), `kind`, `field`, `text` (never
    null or empty) and `asked` (the user turn that it answers; empty where there is none).

    Tool calls are no text, and a conversation that ends with one is left out.
    """

    def compute() -> pl.DataFrame:
        def last(column: str) -> tuple[pl.Expr, pl.Expr]:
            turn = pl.col(column).list.last()
            place = pl.format("{}[{}].content", pl.lit(column), pl.col(column).list.len() - 1)
            said = pl.when(turn.struct.field("role") == "assistant").then(turn.struct.field("content"))
            return said, place

        answer, at = last("messages")
        chosen, chosen_at = last("chosen")
        kind = pl.col("kind")
        turns = pl.col("messages")
        before = pl.when(kind == "preference").then(turns.list.last()).otherwise(turns.list.get(-2, null_on_oob=True))
        asked = pl.when(before.struct.field("role") == "user").then(before.struct.field("content"))
        return (
            frames.examples.lazy()
            .select(
                "kind",
                index=pl.int_range(pl.len(), dtype=pl.UInt32),
                field=pl.when(kind == "text")
                .then(pl.lit("text"))
                .when(kind == "preference")
                .then(chosen_at)
                .otherwise(at),
                text=pl.when(kind == "text").then("text").when(kind == "preference").then(chosen).otherwise(answer),
                asked=asked.fill_null(""),
            )
            .filter(pl.col("text").str.len_bytes() > 0)
            .collect()
        )

    return frames.once("taught", compute)


def placed(frames: Frames, problems: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Findings (schema `FOUND`) in the order of the examples.

    Args:
        problems: frames of `index`, `code`, `message`, `field` and other columns of `FOUND`; a column `shown` holds
            the text whose masked head becomes the evidence.
    """
    parts = [each for each in problems if each.height]
    if not parts:
        return NOTHING_FOUND
    every = pl.concat(parts, how="diagonal_relaxed")
    if "shown" in every.columns:
        # A loop over what was found, which is little beside what was looked at (4 µs each).
        heads = [None if text is None else excerpt(text, HEAD) for text in every["shown"]]
        every = every.drop("shown").with_columns(pl.Series("evidence", heads, dtype=pl.String))
    rows = frames.examples.select("id", "file", "row", index=pl.int_range(pl.len(), dtype=pl.UInt32))
    joined = every.join(rows, on="index", maintain_order="left").sort("index", "code", maintain_order=True)
    return found(joined.drop("index"))
