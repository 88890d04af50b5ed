"""Sets aside the texts that cannot have a near-duplicate, before any pair is compared.

If J(A, B) ≥ t then |A ∩ B| ≥ t·|A ∪ B| ≥ t·|A|: at least the share t of A's shingles occurs in another text.
Where it does not, A has no partner, whatever B is. Of rows made from
one template, which share bands by it, this sets aside those that say enough of their own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gate.checks.duplicates.tokens import Hashes, Offsets

MOST_SLOTS = 1 << 25
"""Slots of the table at most (128 MiB). When it is too small, fewer texts are set aside."""

_AT_A_TIME = 1 << 22


def may_have_partner(values: Hashes, offsets: Offsets, threshold: float) -> NDArray[np.bool_]:
    """For each text, whether it can have a Jaccard index ≥ `threshold` with another; never false for one that has.

    Args:
        values: shingles of all texts, repeats allowed.
        offsets: length texts + 1, into `values`.

    Shingles go into the slots of a table by their low bits. A slot in which two texts meet, for whatever
    reason, counts as shared by them; repeats within a text are counted once among those not shared, and as
    often as they are there in the text's size. Both only make it less likely that a text is set aside.
    """
    counts = np.diff(offsets)
    total = int(counts.sum())
    if not total:
        return np.zeros(counts.size, dtype=bool)
    slots = min(MOST_SLOTS, 1 << (2 * total - 1).bit_length())
    # The low half of each number, seen in place. Numbers of slots and texts are made anew for each part, a few at once:
    # kept for all of them at once they would take as much room as the shingles.
    low = values.view("<u4")[::2] if values.dtype.byteorder != ">" else values.astype("<u4")
    table = np.empty(slots, dtype=np.int32 if total < 2**31 else np.int64)
    alone = np.empty(total, dtype=bool)
    ends = np.cumsum(counts)
    parts = [slice(start, min(start + _AT_A_TIME, total)) for start in range(0, total, _AT_A_TIME)]

    def slot(part: slice) -> NDArray[np.int32]:
        return (low[part] & np.uint32(slots - 1)).view(np.int32)

    def text(part: slice) -> NDArray[np.int32]:
        first, last = np.searchsorted(ends, (part.start, part.stop - 1), side="right")
        some = np.arange(first, last + 1, dtype=np.int32)
        inside = np.minimum(ends[some], part.stop) - np.maximum(ends[some] - counts[some], part.start)
        return np.repeat(some, inside.clip(0))

    for part in parts:
        table[slot(part)] = text(part)  # of equal indices, NumPy leaves the last value
    for part in parts:
        alone[part] = table[slot(part)] == text(part)
    # The first in its slot, with no other text after it: a text's shingles lie side by side, so that none
    # lies in between either.
    position = np.arange(min(total, _AT_A_TIME), dtype=table.dtype)
    for part in reversed(parts):
        own = slot(part)[::-1]
        table[own] = position[: own.size][::-1] + part.start
    for part in parts:
        own = slot(part)
        alone[part] &= table[own] == position[: own.size] + part.start
    del table
    some = counts > 0
    unshared = np.zeros(counts.size, dtype=np.int64)
    unshared[some] = np.add.reduceat(alone, (ends - counts)[some], dtype=np.int32)
    kept: NDArray[np.bool_] = some & (unshared <= (1 - threshold) * counts + 1e-6)
    return kept
