"""The turns of a shard with their texts folded: worked out once, and shared by every check of duplicates.

Folding is most of what comparing contents costs, so the whole content, the prompt, the response and the text
whose shingles are compared are all put together from the same folded turns.
"""

from __future__ import annotations

from typing import Literal

import orjson
import polars as pl

from gate.checks.duplicates.fold import fold
from gate.data.views import Frames

Column = Literal["messages", "chosen", "rejected"]


def folded_turns(frames: Frames, column: Column) -> pl.DataFrame:
    """The turns of a list of messages, one per row, in order.

    Columns: `at` (position in `frames.examples`), `from_end` (0 for the last turn of its list), `role` (as
    written, perhaps null), `content`, `name`, `calls` (folded, "" where there is none) and `canonical_calls`
    (the same without the order of keys and the ids of calls).
    """
    return frames.once(f"folded turns of {column}", lambda: _turns(frames.examples[column]))


def folded_text(frames: Frames) -> pl.Series:
    """The plain text of each example, folded; null where there is none."""
    return frames.once("folded text", lambda: fold(frames.examples["text"]))


def _turns(messages: pl.Series) -> pl.DataFrame:
    length = pl.col("turn").list.len()
    turns = (
        messages.alias("turn")
        .to_frame()
        .with_row_index("at")
        .filter(length > 0)
        .with_columns(from_end=pl.int_ranges(length.cast(pl.Int64) - 1, -1, -1))
        .explode("turn", "from_end")
        .unnest("turn")
    )
    return turns.select(
        "at",
        "from_end",
        "role",
        content=_folded(turns["content"]),
        name=_folded(turns["name"]),
        calls=_folded(turns["tool_calls"]),
        canonical_calls=folded_json(turns["tool_calls"]).fill_null(""),
    )


def _folded(texts: pl.Series) -> pl.Series:
    if texts.null_count() == len(texts):
        return pl.select(pl.repeat("", len(texts), dtype=pl.String)).to_series()
    return fold(texts).fill_null("")


def folded_json(values: pl.Series) -> pl.Series:
    """JSON texts without the order of keys, call ids, and white space between parts; then folded. Nulls stay.

    A Python loop over the different texts, of tool calls and tool schemas only.
    """
    different = values.drop_nulls().unique()
    if different.is_empty():
        return values
    return fold(values.replace_strict(different, [_canonical(text) for text in different], return_dtype=pl.String))


def _canonical(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # the structure check reports it; here it is compared as it stands
    if isinstance(value, list):
        value = [{k: v for k, v in call.items() if k != "id"} if isinstance(call, dict) else call for call in value]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
