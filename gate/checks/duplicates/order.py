"""Which of several duplicates is kept.

Between splits, that of the test split before validation's, and that before train's: what a model is judged by stays,
and what it would have learned by heart goes. Within a split the row that the base has before one that is new, then
the longer, then the one with the smaller id. Only between rows of one content do file and row decide, so that neither
the order of the files nor of the rows in them changes what is kept.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

LEVELS = {"test": 0, "validation": 1, "train": 2}
"""By split: of two copies in different splits the one of the lower level is kept. Rows without a split are on the
level of train."""


def levels(rows: pl.DataFrame) -> NDArray[np.int64]:
    """The level of each row's split; `rows` has the schema of `gate.data.corpus.ROWS`."""
    level = pl.col("split").cast(pl.String).replace_strict(LEVELS, default=LEVELS["train"], return_dtype=pl.Int64)
    return rows.select(level.alias("level"))["level"].to_numpy()


def ranks(rows: pl.DataFrame) -> NDArray[np.int64]:
    """The rank of each row, 0 for the one that is kept against any other; a permutation.

    Args:
        rows: schema `gate.data.corpus.ROWS`. The length of a row is that of its full text without white space:
            white space does not make an example longer.
    """
    if rows.is_empty():
        return np.empty(0, dtype=np.int64)
    files = rows["file"].unique().cast(pl.String).sort()
    by_name = pl.Series(range(files.len()), dtype=pl.UInt64)
    file = rows["file"].replace_strict(files.cast(rows["file"].dtype), by_name, return_dtype=pl.UInt64)
    # Three whole numbers and not six columns, one of them text: that sorts in half the time.
    first = pl.Series("level", levels(rows), dtype=pl.UInt64) * 2 + (~pl.col("old")).cast(pl.UInt64)
    shorter = (1 << 32) - 1 - pl.col("characters").cast(pl.UInt64)
    order = (
        rows.lazy()
        .select(
            first=first * (1 << 32) + shorter,
            key="key",
            last=file * (1 << 32) + pl.col("row").cast(pl.UInt64),
            position=pl.int_range(pl.len()),
        )
        .sort("first", "key", "last")
        .select("position")
        .collect()["position"]
        .to_numpy()
    )
    ranked = np.empty(order.size, dtype=np.int64)
    ranked[order] = np.arange(order.size)
    return ranked
