"""MinHash signatures and their bands: texts that agree in a band are candidates.

Texts of Jaccard index s agree in one of b bands of r rows with a probability of 1 - (1 - sʳ)ᵇ (Leskovec,
Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.tokens import Hashes, Offsets, mix

SEED = 20240229
"""Any number: it fixes the permutations, so that the same data gives the same candidates."""

ROWS_AT_A_TIME = 512
"""Signatures leave rensa as Python lists: so few at a time stay in the processor's cache, which is nearly twice as fast
as 8,192 (125 permutations: 46 against 76 ms for 8,192 texts)."""


@dataclass(frozen=True, slots=True)
class Banding:
    """How the rows of a signature are cut into bands."""

    bands: int
    rows: int

    def recall(self, jaccard: float) -> float:
        """The probability that two texts of this Jaccard index agree in a band."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)

    @property
    def permutations(self) -> int:
        return self.bands * self.rows


def banding(permutations: int, threshold: float, recall: float) -> Banding:
    """The bands with the most rows (the fewest false candidates) that find pairs at `threshold` with a
    probability of `recall` or more.

    Raises:
        ValueError: so few permutations cannot reach that recall at that threshold.
    """
    for rows in range(permutations, 0, -1):
        cut = Banding(permutations // rows, rows)
        if cut.recall(threshold) >= recall:
            return cut
    best = Banding(permutations, 1).recall(threshold)
    raise ValueError(
        f"{permutations} permutations reach a recall of {best:.6f} at most at threshold {threshold}, not {recall}: "
        "raise permutations or threshold, or lower recall"
    )


def band_keys(values: Hashes, offsets: Offsets, cut: Banding) -> NDArray[np.uint64]:
    """One 64-bit key per text and band, shape (texts, bands); the bands are told apart by their column only.

    Args:
        values: shingles of all texts, repeats allowed; texts without any have the same keys.
        offsets: length texts + 1, into `values`.
    """
    keys = np.zeros((offsets.size - 1, cut.bands), dtype=np.uint64)
    for start, signature in _signatures(values, offsets, cut.permutations):
        blocks = signature.reshape(len(signature), cut.bands, cut.rows)
        part = keys[start : start + len(signature)]
        for row in range(cut.rows):
            part += blocks[:, :, row]
            part *= np.uint64(0x9E3779B97F4A7C15)
            mix(part)
    return keys


def _signatures(values: Hashes, offsets: Offsets, permutations: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Signatures by rensa's R-MinHash, some texts at a time, with the position of the first of them.

    It takes the 64-bit hashes as they are and gives 32-bit rows; its estimates are unbiased with the variance
    that theory gives (tested). Its `rho` variants sample a long text and are never used.
    """
    from rensa import RMinHash

    for start in range(0, offsets.size - 1, ROWS_AT_A_TIME):
        own = offsets[start : start + ROWS_AT_A_TIME + 1]
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            values[own[0] : own[-1]], (own - own[0]).astype(np.uint64), permutations, SEED
        )
        yield start, np.array(matrix.to_rows(), dtype=np.uint64)
