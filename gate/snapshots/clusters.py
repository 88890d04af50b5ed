"""Which examples belong together, so that no split may part them: the same content, almost the same text, or the same
prompt, each as the leakage check understands it, and whatever is connected through such pairs.

Near-duplicates are searched for among examples that are not in one cluster yet, until there are none: the search keeps
the first of several that are alike and leaves the others uncompared, so that one search alone could miss that two
clusters meet. What comes out are the connected components, which depend on the examples only, in whatever order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.base import Context
from gate.checks.duplicates.candidate_sets import candidate_sets
from gate.checks.duplicates.copies import first_of_same
from gate.checks.duplicates.near import find_near_duplicates
from gate.checks.duplicates.sketches import partition
from gate.checks.leakage import LeakageParams
from gate.data.corpus import Corpus

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """The examples that are to be split, with what says which of them are alike.

    The form is that of the leakage check: a row of the corpus has a split, or a blank one, and the features are those
    of the admitted rows only.
    """

    corpus: Corpus
    """Every row of the dataset, with the features of the admitted ones."""
    admitted: Rows
    """Their positions in the corpus, ascending."""
    params: LeakageParams
    context: Context
    """With a memory of what was read of the examples: of these alone, since others are cut into other shingles."""


class _Memory:
    """What one search has read of the examples, for the next."""

    def __init__(self) -> None:
        self._frame: pl.DataFrame | None = None

    def get(self) -> pl.DataFrame | None:
        return self._frame

    def put(self, frame: pl.DataFrame) -> None:
        self._frame = frame


def clusters(likenesses: Sequence[Likeness]) -> Rows:
    """The cluster of each admitted example: the position, among the admitted, of the first of its cluster by rank.

    Args:
        likenesses: all of the same examples; a pair that one of them sees is a pair.
    """
    rows = likenesses[0].corpus.rows[likenesses[0].admitted]
    rank = ranked(rows)
    cluster: Rows = np.arange(rows.height)
    for each in likenesses:
        cluster = joined(cluster, *_same(each, rank), rank)
    if not rows.height:
        return cluster
    groups = partition(rows)
    settled = 0
    for each in cycle(likenesses):
        pairs = _alike(each, cluster, rank, groups)
        # Done once all of them, one after the other, have seen the clusters as they are and no pair across.
        settled = 0 if pairs.size else settled + 1
        if settled == len(likenesses):
            break
        cluster = joined(cluster, pairs[0], pairs[1], rank)
    return cluster


def ranked(rows: pl.DataFrame) -> Rows:
    """A rank for each example, by content ids: which of several is first in its cluster, and nothing besides."""
    rank = np.empty(rows.height, dtype=np.int64)
    rank[np.argsort(rows["key"].to_numpy(), kind="stable")] = np.arange(rows.height)
    return rank


def joined(cluster: Rows, left: Rows, right: Rows, rank: Rows) -> Rows:
    """The clusters once the examples of some pairs belong together too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = cluster.size
    one = np.concatenate([np.arange(size), left])
    other = np.concatenate([cluster, right])
    apart = one != other
    one, other = one[apart], other[apart]
    pairs = coo_array((np.ones(one.size, dtype=np.int8), (one, other)), shape=(size, size))
    count, label = connected_components(pairs, directed=False)
    in_order = np.empty(size, dtype=np.int64)
    in_order[rank] = np.arange(size)
    first = np.empty(count, dtype=np.int64)
    first[label[in_order[::-1]]] = in_order[::-1]  # of equal labels the last, so the lowest rank, stays
    together: Rows = first[label]
    return together


def _same(likeness: Likeness, rank: Rows) -> tuple[Rows, Rows]:
    """Pairs of the same content, and of the same prompt where it is long enough to tell."""
    features = likeness.corpus.features.select("content_0", "content_1", "prompt_0", "prompt_1", "words").collect()
    long_enough = pl.col("words") >= likeness.params.minimum_words
    prompts = features.select(pl.when(long_enough).then("prompt_0"), "prompt_1")
    left, right = [], []
    for content in (features.select("content_0", "content_1"), prompts):
        first = first_of_same(content, rank)
        copies = np.flatnonzero((first >= 0) & (first != np.arange(first.size)))
        left.append(copies)
        right.append(first[copies])
    return np.concatenate(left), np.concatenate(right)


def _alike(likeness: Likeness, cluster: Rows, rank: Rows, groups: Rows) -> Rows:
    """Pairs of almost the same text, of different clusters; shape (2, pairs), none where there is no such pair."""
    level = rank[cluster]
    order = np.lexsort((rank, level))
    by_level = np.empty(order.size, dtype=np.int64)
    by_level[order] = np.arange(order.size)
    corpus, params, context = likeness.corpus, likeness.params, likeness.context
    near = find_near_duplicates(
        corpus.features,
        candidate_sets(corpus, "full", params.shingle, context.workers.cores, context.memo, of=likeness.admitted),
        by_level,
        groups,
        threshold=params.threshold,
        cut=params.banding(),
        levels=level,
        threads=context.workers.cores,
    )
    across = np.flatnonzero(cluster[near.keeper] != cluster)
    if not across.size:
        return np.empty((2, 0), dtype=np.int64)
    return np.stack([np.arange(cluster.size), near.cluster])


def likeness(corpus: Corpus, admitted: NDArray[np.bool_], params: LeakageParams, context: Context) -> Likeness:
    """A dataset cut down to its admitted examples, none of which is older than another.

    Raises:
        ValueError: the features are not one per row.
    """
    features = corpus.features
    if features.select(pl.len()).collect().item() != corpus.rows.height:
        raise ValueError("the features of every row are needed, and not only of those that have a split")
    if not admitted.all():
        features = features.filter(pl.lit(pl.Series(admitted)))
    rows = corpus.rows.with_columns(old=pl.lit(False))
    own = replace(corpus, rows=rows, features=features, base=None)
    return Likeness(own, np.flatnonzero(admitted), params, replace(context, memo=_Memory()))
