"""How two datasets differ, row by row, told from small keys: no text is held.

Rows are matched as multisets, the surest matches first: equal records; equal contents with another split or other meta;
the same name (an `id` in meta); the same question with another answer, or the other way round; the same beginning or
end. What is left of one side was added or removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from gate.data.frame import SPLITS
from gate.data.views import Frames

Change = Literal["changed", "moved", "meta", "added", "removed"]
CHANGES: tuple[Change, ...] = ("changed", "moved", "meta", "added", "removed")
"""`changed`: other text; `moved`: the same text in another split; `meta`: the same text, other columns beside it."""

NAMES = ("id", "uuid", "idx", "_id", "guid", "example_id", "prompt_id", "question_id", "conversation_id")
"""Columns that name a row, the first that is there; used where its values are unique among what is unmatched."""
_EDGE = 48
"""Characters of a text's beginning and end that are compared: longer than most templates' common openings."""

KEYS = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "file": pl.Categorical(),
        "row": pl.UInt32,
        "split": pl.Enum(SPLITS),
        "content": pl.UInt64,  # the first 64 bits of the content id
        "record": pl.UInt64,  # of the record id
        "name": pl.UInt64,  # hash of the name in meta, null where there is none
        "prompt": pl.UInt64,
        "response": pl.UInt64,
        "begins": pl.UInt64,
        "ends": pl.UInt64,
    }
)
"""What is held of each row: some 80 bytes. Hashes are those of one process."""

DIFFERENCES = pl.Schema(
    {  # type: ignore[arg-type]  # the same
        "change": pl.Enum(CHANGES),
        "a_file": pl.String,  # null for an added row
        "a_row": pl.UInt32,
        "a_split": pl.String,
        "b_file": pl.String,  # null for a removed row
        "b_row": pl.UInt32,
        "b_split": pl.String,
    }
)


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between the rows of two datasets."""

    rows: pl.DataFrame
    """Schema `DIFFERENCES`, in the order of `CHANGES`, then of B's rows (A's for removed ones)."""
    same: int
    """Rows that are equal, their split and meta included."""
    refiled: int
    """How many of those lie in another file."""

    def count(self, change: Change) -> int:
        """How many rows changed that way."""
        return self.rows.filter(pl.col("change") == change).height


def keys_of(frames: Frames) -> pl.DataFrame:
    """The rows of a shard (schema `KEYS`)."""
    examples = frames.examples
    name = pl.coalesce(pl.lit(f"{key}:") + pl.col("meta").str.json_path_match(f"$.{key}") for key in NAMES)
    head = pl.col("id").str.head(16), pl.col("record_id").str.head(16)
    text = frames.full.str.strip_chars()
    return examples.select(
        pl.col("file").cast(KEYS["file"]),
        "row",
        "split",
        head[0].str.to_integer(base=16, dtype=pl.UInt64).alias("content"),
        head[1].str.to_integer(base=16, dtype=pl.UInt64).alias("record"),
        pl.when(name.is_not_null()).then(name.hash()).alias("name"),
        _hashed(frames.prompt).alias("prompt"),
        _hashed(frames.response).alias("response"),
        _hashed(text.str.head(_EDGE)).alias("begins"),
        _hashed(text.str.tail(_EDGE)).alias("ends"),
    ).cast(KEYS)


def _hashed(texts: pl.Series) -> pl.Series:
    """A hash of each text, null where there is no text to speak of."""
    return pl.select(pl.when(texts.str.len_bytes() > 0).then(texts.hash())).to_series()


@dataclass(frozen=True, slots=True)
class _Step:
    change: Change | None
    """None: the rows are equal."""
    on: tuple[str, ...]
    once: bool = False
    """Only where the key is unique on both sides among what is unmatched."""


_STEPS = (
    _Step(None, ("record", "split", "file")),
    _Step(None, ("record", "split")),
    _Step("meta", ("content", "split", "file")),
    _Step("meta", ("content", "split")),
    _Step("moved", ("record",)),
    _Step("moved", ("content",)),
    _Step("changed", ("name",), once=True),
    _Step("changed", ("prompt", "file")),
    _Step("changed", ("prompt",)),
    _Step("changed", ("response", "file"), once=True),
    _Step("changed", ("begins", "file"), once=True),
    _Step("changed", ("ends", "file"), once=True),
)
_KEYED = ("record", "content", "name", "prompt", "response", "begins", "ends")


def differences(a: Sequence[pl.DataFrame], b: Sequence[pl.DataFrame]) -> Differences:
    """How the rows of B differ from those of A.

    Args:
        a, b: schema `KEYS`, in parts; positions count through them.
    """
    left, right = _numbered(a), _numbered(b)
    rest_a, rest_b = left, right
    same = refiled = 0
    pairs: list[pl.DataFrame] = []
    for number, step in enumerate(_STEPS):
        if not rest_a.height or not rest_b.height:
            break
        paired = _paired(rest_a, rest_b, step)
        if not paired.height:
            continue
        rest_a = rest_a.join(paired, left_on="at", right_on="a", how="anti", maintain_order="left")
        rest_b = rest_b.join(paired, left_on="at", right_on="b", how="anti", maintain_order="left")
        if step.change is None:
            same += paired.height
            refiled += paired.height if number else 0
        else:
            pairs.append(paired.with_columns(change=pl.lit(step.change)))
    none = pl.DataFrame(schema={"a": pl.UInt32, "b": pl.UInt32, "change": pl.String})
    gone = rest_a.select(a="at", b=pl.lit(None, pl.UInt32), change=pl.lit("removed"))
    new = rest_b.select(a=pl.lit(None, pl.UInt32), b="at", change=pl.lit("added"))
    every = pl.concat([none, *pairs, new, gone]).with_columns(pl.col("change").cast(DIFFERENCES["change"]))
    placed = (
        every.join(_places(left, "a"), on="a", how="left")
        .join(_places(right, "b"), on="b", how="left")
        .sort("change", "b", "a", nulls_last=True)
        .select(pl.col(name).cast(dtype) for name, dtype in DIFFERENCES.items())
    )
    return Differences(placed, same, refiled)


def _numbered(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(schema=KEYS), *parts]).with_row_index("at")


def _places(side: pl.DataFrame, name: str) -> pl.DataFrame:
    return side.select(
        pl.col("at").alias(name), *(pl.col(each).cast(pl.String if each != "row" else pl.UInt32).alias(f"{name}_{each}")
                                    for each in ("file", "row", "split"))
    )  # fmt: skip


def _paired(a: pl.DataFrame, b: pl.DataFrame, step: _Step) -> pl.DataFrame:
    """Positions `a` and `b` of rows with equal keys, the first with the first, the second with the second."""
    keyed = [key for key in step.on if key in _KEYED]

    def ranked(side: pl.DataFrame, name: str) -> pl.DataFrame:
        known = side.drop_nulls(keyed)
        if step.once:
            known = known.filter(pl.len().over(step.on) == 1)
        return known.select(pl.col("at").alias(name), *step.on, rank=pl.int_range(pl.len()).over(step.on))

    both = ranked(a, "a").join(ranked(b, "b"), on=[*step.on, "rank"], how="inner", nulls_equal=True)
    return both.select(pl.col("a", "b").cast(pl.UInt32))
