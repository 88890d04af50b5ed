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

_LENGTH = np.uint64(29)
_LONGEST = np.uint64((1 << 29) - 1)
"""Characters beyond which a row is no longer than another: 512 million."""

Numbers = NDArray[np.uint64]

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
    # Three whole numbers and not six columns, one of them text.
    old = rows["old"].to_numpy()
    characters = rows["characters"].to_numpy().astype(np.uint64)
    first = ((levels(rows).astype(np.uint64) * 2 + ~old) << _LENGTH) + (_LONGEST - np.minimum(characters, _LONGEST))
    key = rows["key"].to_numpy()
    last = (file.to_numpy() << np.uint64(32)) + rows["row"].to_numpy().astype(np.uint64)
    order = _sorted(first, key, last)
    ranked = np.empty(order.size, dtype=np.int64)
    ranked[order] = np.arange(order.size)
    return ranked


def _sorted(first: Numbers, key: Numbers, last: Numbers) -> NDArray[np.int64]:
    """The order by three columns. Most rows are told apart by what goes into one number, which sorts in a third of the
    time and a quarter of the memory; the few that are not are sorted by all."""
    together = (first << np.uint64(32)) | (key >> np.uint64(32))
    order = np.argsort(together)
    in_order = together[order]
    alike = in_order[1:] == in_order[:-1]
    tied = np.append(alike, False) | np.insert(alike, 0, False)
    some = order[tied]
    order[tied] = some[np.lexsort((last[some], key[some], together[some]))]
    return order
