"""Items of one cluster are not independent: their sums are what is compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gate.errors import UsageError
from gate.promotion.tango import Floats


def grouped(differences: Floats, clusters: Sequence[str] | None) -> tuple[Floats, Floats]:
    """Sums and sizes of the clusters, in an order that does not depend on that of the items.

    Args:
        differences: one figure an item.
        clusters: the cluster of each item; None: every item is its own.

    Raises:
        UsageError: not one cluster for each item.
    """
    if clusters is None:
        return np.sort(differences), np.ones(len(differences))
    if len(clusters) != len(differences):
        raise UsageError(f"{len(clusters)} clusters are named for {len(differences)} items")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    which = np.array([numbers[name] for name in clusters])
    order = np.lexsort((differences, which))  # within a cluster by size: floating point sums depend on the order
    sums: Floats = np.bincount(which[order], weights=differences[order]).astype(np.float64)
    sizes = np.bincount(which).astype(np.float64)
    canonical = np.lexsort((sizes, sums))
    return sums[canonical], sizes[canonical]
