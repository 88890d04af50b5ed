"""In which order a pass reads the training set, and so what was read after a number of steps.

The order is gate's own: a trainer reads the set through `gate.training.prepared`, and what it has seen follows from the
number of its steps, whatever was prefetched, however many processes shared the work, and after a crash as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def epoch_order(groups: NDArray[np.int8], seed: int, epoch: int) -> NDArray[np.int64]:
    """The positions of the set in the order in which a pass reads them.

    The first pass reads them as they lie. Later ones are shuffled anew, each group (data, replay, canaries) among its
    own places, so that replayed rows stay evenly spread.

    Args:
        groups: of each position; shape (n,).
        epoch: from 0 on.
    """
    import numpy as np

    order = np.arange(len(groups), dtype=np.int64)
    if epoch:
        draw = np.random.Generator(np.random.PCG64([seed, epoch]))
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            order[places] = draw.permutation(places)
    return order


def times_seen(groups: NDArray[np.int8], seed: int, steps: int, per_step: int) -> NDArray[np.int64]:
    """How often each position was read after a number of optimiser steps; shape (n,).

    A pass takes ceil(n / per_step) steps, and its last step takes what is left. Positions with which the last batch of
    a pass is filled up (among several processes, or in RL) are not counted.

    Args:
        per_step: positions that an optimiser step reads, over all processes and accumulation.
    """
    import numpy as np

    size = len(groups)
    times = np.zeros(size, np.int64)
    if not size:
        return times
    whole, rest = divmod(steps, -(-size // per_step))
    times += whole
    if rest:
        times[epoch_order(groups, seed, whole)[: rest * per_step]] += 1
    return times
