"""What near-duplicates are searched by: for each text some numbers, worked out where the text is, and kept.

The texts themselves are needed again only for the rows that turn out to share a band with another.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.content import Key, compared_text
from gate.checks.duplicates.shingles import Shingles, chunks, shingle
from gate.checks.duplicates.signatures import Banding, band_keys
from gate.checks.duplicates.tokens import Hashes, mix
from gate.data.frame import KINDS
from gate.data.views import Frames

NO_BAND = np.uint64(0)
"""In place of a band's key where a text has none: it is empty, or shorter than a shingle and compared as a whole. A
key that is this number by chance (2⁻⁶⁴) costs one of its text's bands."""


def band_column(band: int) -> str:
    return f"band_{band}"


def partition(rows: pl.DataFrame) -> NDArray[np.int64]:
    """A small number per kind and label: rows in different partitions are never duplicates of one another.

    Args:
        rows: with the columns `kind` and `label`, as in a canonical frame and in a corpus.
    """
    label = pl.col("label").cast(pl.Int64).fill_null(2)
    kind = pl.col("kind").cast(pl.Enum(KINDS)).to_physical().cast(pl.Int64)
    return rows.select((kind * 3 + label).alias("partition"))["partition"].to_numpy()


def sketches(frames: Frames, key: Key, size: int, cut: Banding, threads: int = 1) -> pl.DataFrame:
    """The sketch of each example of a shard, worked out once for all checks that ask for the same.

    Columns: `shingles` (u32, how many, repeats counted; 0: nothing to compare), `total` (u64, the sum of their
    hashes: rows of the same partition, number and total have the same shingles), and a key (u64) per band,
    `band_0` and so on; texts of different partitions have different keys.
    """
    return frames.once(
        f"sketches of {key}, {size}, {cut}",
        lambda: sketched(compared_text(frames, key), partition(frames.examples), size, cut, threads),
    )


def sketched(texts: pl.Series, groups: NDArray[np.int64], size: int, cut: Banding, threads: int = 1) -> pl.DataFrame:
    """The sketches of folded texts, with columns as those of `sketches`.

    Args:
        groups: the partition of each.
        threads: how many chunks of texts are worked on at a time.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        parts = list(pool.map(lambda part: _sketch(shingle(part, size), cut), chunks(texts)))
    counts = np.concatenate([part.counts for part in parts])
    total = np.concatenate([part.total for part in parts])
    columns = {"shingles": pl.Series(counts), "total": pl.Series(total)}
    salt = mix(groups.astype(np.uint64) + np.uint64(1))
    for band in range(cut.bands):
        keys = np.concatenate([part.keys[:, band] for part in parts])
        keys[keys != NO_BAND] ^= salt[keys != NO_BAND]
        columns[band_column(band)] = pl.Series(keys)
    return pl.DataFrame(columns)


@dataclass(frozen=True, slots=True)
class _Sketch:
    counts: NDArray[np.uint32]
    total: Hashes
    keys: NDArray[np.uint64]
    """Shape (texts, bands)."""


def _sketch(found: Shingles, cut: Banding) -> _Sketch:
    counts = found.counts
    some = counts > 0
    total = np.zeros(counts.size, dtype=np.uint64)
    if some.any():
        total[some] = np.add.reduceat(found.values, found.offsets[:-1][some])
    keys = band_keys(found.values, found.offsets, cut)
    keys[~some | found.whole] = NO_BAND
    return _Sketch(counts.astype(np.uint32), total, keys)
