"""Every turn that is said, with its place and on whose behalf: what `toxicity` and `bias` look at.

What an assistant says is learnt, and what a user says is only read; a rejected answer, and one that was rated bad, are
examples of what not to say, and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from gate.data.views import Frames

SPOKEN = pl.Schema({"index": pl.UInt32(), "field": pl.String(), "voice": pl.String(), "text": pl.String()})


def spoken(frames: Frames) -> pl.DataFrame:
    """Schema `SPOKEN`, in no certain order: `voice` is `response`, `prompt` or `text`; no text is null or empty."""

    def compute() -> pl.DataFrame:
        rows = frames.examples.lazy().with_columns(index=pl.int_range(pl.len(), dtype=pl.UInt32))
        parts = [rows.select("index", field=pl.lit("text"), voice=pl.lit("text"), text="text")]
        for column in ("messages", "chosen"):
            turns = (
                rows.select("index", "label", message=column)
                .filter(pl.col("message").list.len() > 0)
                .with_columns(turn=pl.int_ranges(pl.col("message").list.len()))
                .with_columns(last=pl.col("message").list.len() - 1)
                .explode("message", "turn")
            )
            role = pl.col("message").struct.field("role")
            bad = (pl.col("label") == False).fill_null(False) & (pl.col("turn") == pl.col("last"))  # noqa: E712
            parts.append(
                turns.filter(role.is_in(["assistant", "user", "system"]) & ~(bad & (role == "assistant"))).select(
                    "index",
                    field=pl.format(f"{column}[{{}}].content", "turn"),
                    voice=pl.when(role == "assistant").then(pl.lit("response")).otherwise(pl.lit("prompt")),
                    text=pl.col("message").struct.field("content"),
                )
            )
        kept = [part.filter(pl.col("text").str.len_bytes() > 0) for part in parts]
        return pl.concat(kept).collect()

    return frames.once("spoken", compute)


def whole_words(entries: Iterable[str]) -> str:
    """A regular expression (Rust's and Python's) that matches any of the entries as whole words, whatever their case;
    a final `*` stands for any ending."""
    parts = [re.escape(entry.removesuffix("*")) + (r"\w*" if entry.endswith("*") else "") for entry in entries]
    return rf"(?i)\b(?:{'|'.join(parts)})\b"
