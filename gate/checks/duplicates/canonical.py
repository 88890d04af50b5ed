"""The content of an example as one string: the same string means the same content, and nothing else does.

Two strings are equal exactly when kind, roles, folded contents, names, tool calls, tools, label and plain text
are: the signs between the parts never occur inside a folded text.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import polars as pl

from gate.checks.duplicates.content import Key, answered, before_answer
from gate.checks.duplicates.fold import SECTION, TURN, fold
from gate.data.views import Frames

_PART = "\x1d"  # between the parts of a turn
_ABSENT = "\x1c"  # for a list or text that is not there, which differs from an empty one


def canonical_content(frames: Frames, key: Key, *, with_label: bool = True) -> pl.Series:
    """One string per row: of the whole example, or of its prompt (with the tools) or response alone.

    Null where there is nothing to compare: no such part, or a prompt or response with nothing in it. Without
    the label, feedback of both labels on one answer has the same content.
    """
    columns = frames.examples.select("kind", "label", "text", "tools")
    parts = [conversation(part) for part in _messages(frames, key)]
    sections = [*parts]
    if key != "response":
        sections.append(_folded_json(columns["tools"]).fill_null(_ABSENT))
    if key == "full":
        sections.append(fold(columns["text"]).fill_null(_ABSENT))
    label = columns["label"].cast(pl.String) if with_label else pl.Series([None], dtype=pl.String)
    written = pl.concat_str(
        columns["kind"].cast(pl.String), label.fill_null(_ABSENT), *sections, separator=SECTION
    ).alias("content")
    if key == "full":
        return pl.select(written).to_series()
    return pl.select(pl.when(has_content(parts[0])).then(written)).to_series()


_ROWS = 20_000  # written out at a time: bounds what is held besides the frame


@dataclass(frozen=True, slots=True)
class Repeated:
    """Which rows have the same content."""

    present: pl.Series
    """Whether a row has anything to compare."""
    number: pl.Series
    """Shared by the rows of one content, and by no others; null where a row's content comes once, or is absent."""


def repeated_content(frames: Frames, key: Key, *, with_label: bool = True) -> Repeated:
    """Which rows have the same canonical content.

    Contents are told apart by a hash first, some rows at a time; those that share one are then compared whole,
    so that no two rows are taken for the same because their hashes are.
    """
    hashes = [pl.Series([], dtype=pl.UInt64)]
    for _, part in frames.slices(_ROWS):
        content = canonical_content(part, key, with_label=with_label)
        hashes.append(pl.select(pl.when(content.is_not_null()).then(content.hash())).to_series())
    hash_ = pl.concat(hashes)
    present = hash_.is_not_null()
    suspects = (present & hash_.is_duplicated()).arg_true()
    content = canonical_content(Frames(frames.examples[suspects], frames.malformed.clear()), key, with_label=with_label)
    number = pl.select(pl.when(content.is_duplicated()).then(content.rank("dense"))).to_series()
    every = pl.Series([None], dtype=pl.UInt32).new_from_index(0, hash_.len())
    return Repeated(present, every.scatter(suspects, number.cast(pl.UInt32)))


def _messages(frames: Frames, key: Key) -> list[pl.Series]:
    if key == "full":
        return [frames.examples[name] for name in ("messages", "chosen", "rejected")]
    part = (
        before_answer()
        if key == "prompt"
        else pl.when(pl.col("kind") == "preference")
        .then(pl.col("chosen"))
        .when(answered())
        .then(pl.col("messages").list.tail(1))
    )
    return [frames.examples.select(part.alias("messages"))["messages"]]


def has_content(conversations: pl.Series) -> pl.Series:
    """Whether any turn of a conversation, as `conversation` writes it, has a content, a name or a tool call."""
    return conversations.str.contains(f"{_PART}[^{_PART}{TURN}]")


def conversation(messages: pl.Series) -> pl.Series:
    """The turns of each row in one string, contents folded; `_ABSENT` for a null or empty list."""
    turns = (
        messages.alias("turn")
        .to_frame()
        .with_row_index("at")
        .filter(pl.col("turn").list.len() > 0)
        .explode("turn")
        .unnest("turn")
    )
    parts = [
        turns["role"].fill_null(_ABSENT),
        fold(turns["content"]).fill_null(""),
        fold(turns["name"]).fill_null(""),
        _folded_json(turns["tool_calls"]).fill_null(""),
    ]
    joined = (
        turns.select("at", text=pl.concat_str(*parts, separator=_PART))
        .group_by("at", maintain_order=True)
        .agg(pl.col("text").str.join(TURN))
    )
    rows = pl.select(at=pl.int_range(len(messages), dtype=pl.UInt32))
    return rows.join(joined, on="at", how="left", maintain_order="left")["text"].fill_null(_ABSENT)


def _folded_json(values: pl.Series) -> pl.Series:
    """JSON texts without the order of keys, call ids, and white space between parts; then folded.

    A Python loop over the different texts, of tool calls and tool schemas only.
    """
    different = values.drop_nulls().unique()
    if different.is_empty():
        return values
    return fold(values.replace_strict(different, [_canonical_json(text) for text in different], return_dtype=pl.String))


def _canonical_json(text: str) -> str:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # the structure check reports it; here it is compared as it stands
    if isinstance(value, list):
        value = [{k: v for k, v in call.items() if k != "id"} if isinstance(call, dict) else call for call in value]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
