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
    # The low half of each number, seen in place: an array of 64-bit numbers more would be the largest here.
    low = values.view("<u4")[::2] if values.dtype.byteorder != ">" else values.astype("<u4")
    slot = (low & np.uint32(slots - 1)).view(np.int32)
    text = np.repeat(np.arange(counts.size, dtype=np.int32), counts)
    table = np.empty(slots, dtype=np.int32 if total < 2**31 else np.int64)
    alone = np.empty(total, dtype=bool)
    # Some at a time, in order: NumPy widens every index to 64 bits, which for all at once would be the largest
    # array here.
    parts = [slice(start, start + _AT_A_TIME) for start in range(0, total, _AT_A_TIME)]
    for part in parts:
        table[slot[part]] = text[part]  # of equal indices, NumPy leaves the last value
    for part in parts:
        alone[part] = table[slot[part]] == text[part]
    del text
    # The first in its slot, with no other text after it: a text's shingles lie side by side, so that none
    # lies in between either.
    position = np.arange(min(total, _AT_A_TIME), dtype=table.dtype)
    for part in reversed(parts):
        own = slot[part][::-1]
        table[own] = position[: own.size][::-1] + part.start
    for part in parts:
        own = slot[part]
        alone[part] &= table[own] == position[: own.size] + part.start
    del slot, table
    so_far = np.zeros(total + 1, dtype=np.int32 if total < 2**31 else np.int64)
    np.cumsum(alone, out=so_far[1:])
    ends = np.cumsum(counts)
    unshared = so_far[ends] - so_far[ends - counts]
    kept: NDArray[np.bool_] = (counts > 0) & (unshared <= (1 - threshold) * counts + 1e-6)
    return kept
