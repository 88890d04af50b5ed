"""Finds the rows that have the same content as another."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray


def first_of_same(content: pl.DataFrame, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row the lowest-ranked row of the same content, itself where it is that; -1 where it is null.

    Args:
        content: one or more columns that together are the same for rows of the same content, and for no others; one
            row each. Null in the first column: nothing to compare.
        ranks: the order of keeping, a permutation.
    """
    first = content.columns[0]
    present = content[first].is_not_null()
    same = np.where(present.to_numpy(), np.arange(ranks.size), -1)
    # Few rows have a copy: only those that repeat the first column are looked at any further.
    several = (present & content[first].is_duplicated()).arg_true().to_numpy()
    lowest = (
        content[several]
        .with_columns(rank=pl.Series(ranks[several], dtype=pl.Int64))
        .select(pl.col("rank").min().over(content.columns))["rank"]
        .to_numpy()
    )
    in_order = np.empty(ranks.size, dtype=np.int64)
    in_order[ranks] = np.arange(ranks.size)
    same[several] = in_order[lowest]
    return same
