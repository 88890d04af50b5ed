"""Which of several duplicates is kept: the longer, then the one with the smaller id.

Only between rows of one content do file and row decide, so that neither the order of the files nor of the
rows in them changes what is kept.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.fold import fold
from gate.data.views import Frames

_ROWS = 20_000  # folded at a time: bounds what is held besides the frame


def ranks(frames: Frames) -> NDArray[np.int64]:
    """The rank of each example, 0 for the one that is kept against any other; one per row.

    The length is that of the folded full text in characters: white space does not make an example longer.
    """
    return frames.once("ranks", lambda: _ranks(frames))


def _ranks(frames: Frames) -> NDArray[np.int64]:
    lengths = [fold(part.full).str.len_chars().fill_null(0) for _, part in frames.slices(_ROWS)]
    order = (
        frames.examples.select(
            "id",
            "file",
            "row",
            length=pl.concat([pl.Series([], dtype=pl.UInt32), *lengths]),
            position=pl.int_range(pl.len()),
        )
        .sort("length", "id", "file", "row", descending=[True, False, False, False])["position"]
        .to_numpy()
    )
    ranked = np.empty(order.size, dtype=np.int64)
    ranked[order] = np.arange(order.size)
    return ranked
