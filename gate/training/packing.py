"""Several examples in one sequence, so that little is padding: best fit, longest first (Ding et al. 2024, sec. 3)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def packs(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Which examples go together: each into the sequence that it leaves the least room in.

    No example is cut or left out. Sequences come in the order of their first example, and examples in one in theirs.

    Args:
        lengths: of each example, in tokens; none is longer than `room`.
    """
    open_by_room: list[tuple[int, int]] = []  # (room left, number of the sequence), sorted
    made: list[list[int]] = []
    for example in sorted(range(len(lengths)), key=lambda at: (-lengths[at], at)):
        length = lengths[example]
        at = bisect_left(open_by_room, (length, -1))
        if at == len(open_by_room):
            left, number = room, len(made)
            made.append([])
        else:
            left, number = open_by_room.pop(at)
        made[number].append(example)
        if left > length:
            insort(open_by_room, (left - length, number))
    return sorted((sorted(members) for members in made), key=lambda members: members[0])
