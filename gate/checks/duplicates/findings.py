"""Findings for rows that are proposed for dropping in favour of another row."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.base import found
from gate.data.views import Frames


def dropped_rows(
    frames: Frames,
    rows: NDArray[np.int64],
    keepers: NDArray[np.int64],
    clusters: NDArray[np.int64],
    scores: NDArray[np.float64],
    *,
    code: str,
    message: str,
) -> pl.DataFrame:
    """One finding for each of `rows`, which is dropped in favour of the same position of `keepers`.

    Args:
        rows, keepers, clusters: positions in `frames.examples`; a cluster is named after its first row's id.
        scores: similarity of each row with its keeper.
        message: with `{}` for the place of the keeper (file:row), and perhaps another for the score.
    """
    examples = frames.examples.select("id", "file", "row")
    kept, first = examples[keepers], examples[clusters]
    place = pl.format("{}:{}", kept["file"], kept["row"])
    # Rounded down: a pair just below 1 does not read as 1.
    shown = pl.Series(np.floor(scores * 1000) / 1000).cast(pl.String)
    return found(
        examples[rows]
        .with_columns(
            message=pl.format(message, place, shown) if message.count("{}") == 2 else pl.format(message, place),
            code=pl.lit(code),
            group=first["id"].str.head(16),
            partner=kept["id"],
            score=pl.Series(scores),
            remedy=pl.lit("drop"),
        )
        .sort("file", "row")
    )
