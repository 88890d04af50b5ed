"""Fetches the texts of candidates from where the corpus keeps them, a few shards at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.content import Key, compared_text
from gate.checks.duplicates.near import Fetch
from gate.data.corpus import Corpus
from gate.data.views import Frames

AT_A_TIME = 16_000_000
"""Characters of candidates that are fetched at a time, or those of one shard when that has more."""

_COLUMNS = ("kind", "messages", "chosen", "rejected", "text")
"""What `compared_text` looks at."""


def candidate_texts(corpus: Corpus, key: Key, of: NDArray[np.int64] | None = None) -> Fetch:
    """Gives the folded texts of rows.

    Args:
        of: the position in the corpus of each row that may be asked for; all of them, in order, by default.
    """

    def fetch(rows: NDArray[np.int64]) -> Iterator[pl.Series]:
        positions = rows if of is None else of[rows]
        for some in _slices(corpus, positions):
            yield compared_text(Frames(corpus.examples(some, _COLUMNS), corpus.malformed.clear()), key)

    return fetch


def _slices(corpus: Corpus, positions: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The positions, which are in order, in parts that end where a shard does: each shard is read once."""
    ends = np.searchsorted(positions, np.cumsum([shard.height for shard in corpus.shards]))
    characters = np.cumsum(corpus.rows["characters"].gather(positions).cast(pl.Int64).to_numpy())
    start = 0
    for end in ends.tolist():
        before = int(characters[start - 1]) if start else 0
        if end > start and (end == positions.size or characters[end - 1] - before >= AT_A_TIME):
            yield positions[start:end]
            start = end
