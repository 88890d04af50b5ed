"""Findings for rows that are proposed for dropping in favour of another row."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.base import NOTHING_FOUND, found
from gate.data.corpus import Corpus


def located(corpus: Corpus, *positions: NDArray[np.int64]) -> list[pl.DataFrame]:
    """The columns `id`, `file` and `row` of rows named by position, for each of the arguments; every file is read
    once at most."""
    different, place = np.unique(np.concatenate(positions), return_inverse=True)
    rows = corpus.locate(different)
    ends = np.cumsum([each.size for each in positions])[:-1]
    return [rows[own] for own in np.split(place, ends)]


def group_of(corpus: Corpus, positions: NDArray[np.int64]) -> pl.Series:
    """The name of a group after one of its rows: the first 16 hex digits of that row's content id."""
    return pl.Series([f"{key:016x}" for key in corpus.rows["key"].gather(positions)], dtype=pl.String)


def dropped_rows(
    corpus: Corpus,
    rows: NDArray[np.int64],
    keepers: NDArray[np.int64],
    groups: pl.Series,
    scores: NDArray[np.float64],
    *,
    code: str,
    message: str,
) -> pl.DataFrame:
    """One finding for each of `rows`, which is dropped in favour of the same position of `keepers`.

    Args:
        rows, keepers: positions in the corpus.
        groups: the name of each finding's group.
        scores: similarity of each row with its keeper.
        message: with `{}` for the place of the keeper (file:row), and perhaps another for the score.
    """
    if not rows.size:
        return NOTHING_FOUND
    own, kept = located(corpus, rows, keepers)
    place = pl.format("{}:{}", kept["file"], kept["row"])
    # Rounded down: a pair just below 1 does not read as 1.
    shown = pl.Series(np.floor(scores * 1000) / 1000).cast(pl.String)
    return found(
        own.with_columns(
            message=pl.format(message, place, shown) if message.count("{}") == 2 else pl.format(message, place),
            code=pl.lit(code),
            group=groups,
            partner=kept["id"],
            score=pl.Series(scores),
            remedy=pl.lit("drop"),
        ).sort("file", "row")
    )
