"""`gate cache`: what is kept between runs, and throwing it away."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gate.store.cache import Cache
from gate.store.places import cache_folder, size_limit


@dataclass(frozen=True, slots=True)
class Kind:
    """Entries of one kind."""

    kind: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Listed:
    """What is kept."""

    folder: str
    entries: int
    bytes: int
    limit: int
    """Bytes that are kept at most."""
    kinds: tuple[Kind, ...]
    """The largest first."""


def listed(start: Path) -> Listed:
    """What is kept for data at `start`; nothing where no run has kept anything yet."""
    cache = Cache(cache_folder(start))
    entries: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for entry in cache.entries():
        # Of what is kept per file only the check is named: paths would make a line each.
        kind = entry.kind.split(" of ")[0] if " of " in entry.kind else entry.kind
        entries[kind] += 1
        sizes[kind] += entry.bytes
    kinds = tuple(Kind(kind, entries[kind], size) for kind, size in sizes.most_common())
    return Listed(str(cache.folder), sum(entries.values()), sum(sizes.values()), size_limit(), kinds)


def cleared(start: Path) -> tuple[str, int]:
    """Throw away what is kept for data at `start`.

    Returns:
        the folder, and bytes set free.
    """
    cache = Cache(cache_folder(start))
    return str(cache.folder), cache.clear()
