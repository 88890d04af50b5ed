"""Canonical columns from converted examples, a batch at a time.

Messages are laid out flat and given to Arrow with their offsets; building them as dictionaries takes ten times longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import polars as pl

from gate.data.convert import Example
from gate.data.frame import EXAMPLES, MESSAGE, MESSAGES, Split
from gate.data.ids import Message, identify
from gate.data.shapes import Layout

if TYPE_CHECKING:
    import pyarrow as pa

NO_EXAMPLES = pl.DataFrame(schema=EXAMPLES)


def frame_of(
    examples: Sequence[Example],
    rows: Sequence[int],
    lines: Sequence[int | None],
    sources: Sequence[str] | None,
    *,
    file: str,
    layout: Layout,
    split: Split | None,
) -> pl.DataFrame:
    """Examples of one file and shape as a frame of schema `EXAMPLES`.

    Args:
        rows, lines: their places; as long as `examples`.
        sources: the records verbatim, when asked for.
        split: the file's, for rows that do not say their own.
    """
    if not examples:
        return NO_EXAMPLES
    kind = layout.kind
    messages, chosen, rejected, labels, texts, tools, splits, metas = zip(*examples, strict=True)
    # A loop over rows: SHA-256 has no column expression (≈ 3 µs per row).
    ids = [
        identify(kind, *parts) for parts in zip(messages, chosen, rejected, labels, texts, tools, metas, strict=True)
    ]
    columns = {"messages": messages, "chosen": chosen, "rejected": rejected}
    frame = pl.DataFrame({name: _lists(values) for name, values in columns.items()}).with_columns(
        pl.Series("id", [one for one, _ in ids], pl.String),
        pl.Series("record_id", [one for _, one in ids], pl.String),
        pl.Series("row", rows, pl.UInt32),
        pl.Series("line", lines, pl.UInt32),
        pl.Series("split", [own or split for own in splits], EXAMPLES["split"]),
        pl.Series("label", labels, pl.Boolean),
        pl.Series("text", texts, pl.String),
        pl.Series("tools", tools, pl.String),
        pl.Series("meta", metas, pl.String),
        pl.Series("source", sources if sources is not None else [None] * len(ids), pl.String),
        file=pl.lit(file),
        shape=pl.lit(layout.shape, EXAMPLES["shape"]),
        kind=pl.lit(kind, EXAMPLES["kind"]),
    )
    return frame.select(pl.col(name).cast(dtype) for name, dtype in EXAMPLES.items())


def _lists(values: Sequence[list[Message] | None]) -> pl.Series:
    """Message lists as one list column; null where there is no list.

    Arrays are made by Polars and only put together by Arrow: `pyarrow.array` imports pandas to look at its argument.
    """
    import pyarrow as pa

    if not any(value is not None for value in values):
        return pl.Series([None], dtype=MESSAGES).new_from_index(0, len(values))
    flat = list(chain.from_iterable(value for value in values if value is not None))
    fields = list(zip(*flat, strict=True)) or [()] * len(MESSAGE.fields)
    arrays = [_arrow(pl.Series(column, dtype=pl.String)) for column in fields]
    struct = pa.StructArray.from_arrays(arrays, [field.name for field in MESSAGE.fields])
    lengths = [0 if value is None else len(value) for value in values]
    offsets = _arrow(pl.Series([0, *accumulate(lengths)], dtype=pl.Int64))
    absent = pl.Series([value is None for value in values])
    mask = _arrow(absent) if absent.any() else None
    return pl.Series(_Capsule(pa.LargeListArray.from_arrays(offsets, struct, mask=mask)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Capsule:
    """An Arrow array that Polars takes as it is: given one of pyarrow's, it would first import `pyarrow.compute`."""

    array: pa.Array

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.array.__arrow_c_array__(requested_schema)


def _arrow(series: pl.Series) -> pa.Array:
    return series.to_arrow(compat_level=pl.CompatLevel.newest())
