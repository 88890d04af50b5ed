"""How many rows of each snapshot are drawn, which ones, and how they lie among one another.

Everything here is a pure function of counts, ids and a seed. Rows are drawn by the SHA-256 of seed and id rather than
by a random generator, so that the same rows come in the same order on any machine, with any version of any library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gate.errors import UsageError


def drawn(rows: Sequence[int], weights: Sequence[float | None]) -> list[int]:
    """How many rows are drawn of each snapshot for one pass.

    A pass is as long as all snapshots together; of it each has its weight's share, and one without a weight weighs as
    many as it has rows. Without any weight that is every row once. Largest remainders (Hare) round the shares to whole
    rows that add up; of equal remainders the earlier has it.

    Args:
        rows: of each snapshot, in its train split.
        weights: of each snapshot.

    Raises:
        UsageError: a snapshot that is drawn from has no row, or one that has a weight would not be drawn at all.
    """
    if all(weight is None for weight in weights):
        return list(rows)
    total = sum(rows)
    shares = [float(count if weight is None else weight) for count, weight in zip(rows, weights, strict=True)]
    exact = [total * share / sum(shares) for share in shares]
    counts = [int(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda at: (counts[at] - exact[at], at))
    for at in by_remainder[: total - sum(counts)]:
        counts[at] += 1
    for at, (count, available) in enumerate(zip(counts, rows, strict=True)):
        if not count or not available:
            raise UsageError(
                f"of snapshot {at + 1} of the mixture ({available:,} rows) {count:,} of {total:,} rows would be drawn",
                remedy="give it more weight, or leave it out",
            )
    return counts


def replayed(main: int, share: float) -> int:
    """How many replayed rows make a share of a set in which `main` other rows are: share = r / (main + r)."""
    return round(main * share / (1 - share))


def draw_key(seed: int, *what: str | int) -> bytes:
    """Where something lies in the order that a seed gives: the SHA-256 of both."""
    return hashlib.sha256("\0".join(map(str, ("gate-draw-1", seed, *what))).encode()).digest()


def draws(ids: Sequence[str], count: int, seed: int) -> list[tuple[int, int]]:
    """Which rows of a snapshot are drawn: pairs of (place in `ids`, repetition from 0 on).

    Every row comes as often as every other, or once more: whole passes over all rows first, and of the last, unfinished
    pass those that come first in the seed's order.
    """
    whole, rest = divmod(count, len(ids)) if ids else (0, 0)
    order = sorted(range(len(ids)), key=lambda place: draw_key(seed, ids[place], place))
    return [
        *((place, repeat) for repeat in range(whole) for place in order),
        *((place, whole) for place in order[:rest]),
    ]


def interleaved(sizes: Sequence[int]) -> list[int]:
    """Evenly mixed: for each position of the whole the number of the group whose next member stands there.

    Member j of a group of n has its place at (j + 1/2) / n of the whole, so that any stretch holds of each group what
    its share is, up to one; of equal places the larger group comes first.
    """
    places = [
        ((2 * member + 1) / (2 * size), -size, group) for group, size in enumerate(sizes) for member in range(size)
    ]
    return [group for _, _, group in sorted(places)]
