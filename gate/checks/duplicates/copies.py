"""Finds the rows that have the same content as another."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray


def first_of_same(content: pl.Series, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row the lowest-ranked row of the same content, itself where it is that; -1 where it is null.

    Args:
        content: anything that is the same for rows of the same content, and for no others; one per row.
        ranks: the order of keeping, a permutation.
    """
    in_order = np.empty(ranks.size, dtype=np.int64)
    in_order[ranks] = np.arange(ranks.size)
    lowest = pl.select(content=content, rank=pl.Series(ranks)).select(
        pl.when(pl.col("content").is_not_null()).then(pl.col("rank").min().over("content"))
    )
    rank = lowest.to_series().fill_null(-1).to_numpy()
    return np.where(rank >= 0, in_order[rank], -1)
