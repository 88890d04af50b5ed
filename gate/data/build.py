"""Canonical columns from converted examples, a batch at a time.

Messages are laid out flat and given to Arrow with their offsets; building them as dictionaries takes ten times longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import polars as pl

from gate.data.convert import Example
from gate.data.frame import EXAMPLES, MESSAGE, Split
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
    import pyarrow as pa

    if not examples:
        return NO_EXAMPLES
    kind = layout.kind
    messages, chosen, rejected, labels, texts, tools, splits, metas = zip(*examples, strict=True)
    # A loop over rows: SHA-256 has no column expression (≈ 3 µs per row).
    ids = [
        identify(kind, *parts) for parts in zip(messages, chosen, rejected, labels, texts, tools, metas, strict=True)
    ]
    columns = {"messages": messages, "chosen": chosen, "rejected": rejected}
    lists = pa.table({name: _lists(values) for name, values in columns.items()})
    frame = pl.DataFrame(pl.from_arrow(lists)).with_columns(
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


def _lists(values: Sequence[list[Message] | None]) -> pa.Array:
    """Message lists as one Arrow list array; null where there is no list."""
    import pyarrow as pa

    if not any(value is not None for value in values):
        fields_of_message = pa.struct([(one.name, pa.large_string()) for one in MESSAGE.fields])
        return pa.nulls(len(values), pa.large_list(fields_of_message))
    lengths = [0 if value is None else len(value) for value in values]
    flat = list(chain.from_iterable(value for value in values if value is not None))
    fields = list(zip(*flat, strict=True)) or [()] * len(MESSAGE.fields)
    arrays = [pa.array(column, pa.large_string()) for column in fields]
    struct = pa.StructArray.from_arrays(arrays, [field.name for field in MESSAGE.fields])
    offsets = pa.array([0, *accumulate(lengths)], pa.int64())
    absent = [value is None for value in values]
    mask = pa.array(absent, pa.bool_()) if any(absent) else None
    return pa.LargeListArray.from_arrays(offsets, struct, mask=mask)
