"""Divides clusters of examples among the splits: in the order of a hash of their content ids, cut at two places.

A cluster's number is a hash of its smallest content id and the seed. Within a stratum the clusters lie in the order of
these numbers, each at the share of the stratum's examples that come before it, moved by a part of itself that differs
from stratum to stratum; all strata together are put in order by that, and cut once (systematic sampling with a random
start in each stratum: Cochran, Sampling Techniques, chapter 8). So every stratum is divided in the ratios of the
whole, up to a cluster, and the whole is divided exactly, up to half a cluster. When m examples join n others, a cut
moves by the square root of m rather than by m: what lies before it grows as fast as what it has to hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.order import LEVELS
from gate.checks.duplicates.tokens import mix
from gate.data.frame import SPLITS, Split
from gate.policy.snapshot_rules import SplitRules

Numbers = NDArray[np.int64]

CODES: Mapping[Split, int] = {split: LEVELS[split] for split in SPLITS}
"""Splits as numbers, in the order in which they are drawn: test, validation, train."""
DRAWN: tuple[Split, ...] = tuple(sorted(SPLITS, key=CODES.__getitem__))
HELD: tuple[Split, ...] = DRAWN[:2]
"""Those that are not trained on."""
NO_SPLIT = -1

REASONS = ("given", "drawn", "joined", "too_large")
"""Why an example is where it is: the data said so; by its hash; because one of its cluster has a split already; because
its cluster is larger than what another split may hold, and is trained on."""
_GIVEN, _BY_HASH, _JOINED, _TOO_LARGE = range(len(REASONS))


class TooFew(Exception):
    """There are fewer examples, or fewer clusters, than the minimums of the splits demand."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What is known of the examples to be divided, one number each."""

    rows: pl.DataFrame
    """Columns `key` (u64, the first 64 bits of the content id) and `id`."""
    given: Numbers
    """The split that an example brings, as in `CODES`; `NO_SPLIT` where it brings none."""
    stratum: Numbers
    """Which of `strata` it belongs to."""
    strata: Sequence[str | None]
    """Their values, in order; a single None where splits are not stratified."""

    @property
    def size(self) -> int:
        return int(self.given.size)

    @property
    def all_given(self) -> bool:
        """Whether nothing is to be drawn."""
        return not (self.given == NO_SPLIT).any()

    @property
    def none_given(self) -> bool:
        """Whether the data brings no split at all."""
        return not (self.given != NO_SPLIT).any()


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where each example goes."""

    code: Numbers
    """As in `CODES`."""
    reason: Numbers
    """Position in `REASONS`."""
    too_large: Numbers
    """The sizes of the clusters that are too large for any split but train."""
    spanning: int
    """Clusters with examples of several strata."""
    apart: int
    """Clusters whose examples were given to several splits by the data."""


def draw(examples: Examples, cluster: Numbers, rules: SplitRules) -> Drawn:
    """Give every example the split of its cluster.

    Args:
        cluster: of each example, any number; the same for those that stay together.

    Raises:
        TooFew: no example brings a split, and the minimums cannot be met.
    """
    _, first, number, size = np.unique(cluster, return_index=True, return_inverse=True, return_counts=True)
    free = examples.given == NO_SPLIT
    code, reason = examples.given.copy(), np.zeros(examples.size, dtype=np.int64)

    lowest, highest = np.full(size.size, len(DRAWN)), np.full(size.size, NO_SPLIT)
    np.minimum.at(lowest, number[~free], examples.given[~free])
    np.maximum.at(highest, number[~free], examples.given[~free])
    takes = highest != NO_SPLIT
    joins = free & takes[number]
    code[joins], reason[joins] = lowest[number[joins]], _JOINED

    wanted = rules.wanted(examples.size)
    # Half up, as a person rounds: 2.5 of 10 examples are 3.
    target = {split: max(int(wanted[split] + 0.5), rules.minimum[split]) for split in HELD}
    most = min((count for count in target.values() if count), default=examples.size)
    oversize = ~takes & (size > most)
    reason[oversize[number]] = _TOO_LARGE
    code[oversize[number]] = CODES["train"]

    drawn = np.flatnonzero(~takes & ~oversize)
    have = np.bincount(code[code != NO_SPLIT], minlength=len(DRAWN))
    heads, spanning = _heads(examples, number, first)
    order = _in_order(examples, heads, size, drawn, rules.seed)
    where = np.full(size.size, NO_SPLIT)
    where[order] = _cut(size[order], target, have, rules.minimum, strict=examples.none_given)
    undecided = code == NO_SPLIT
    code[undecided], reason[undecided] = where[number[undecided]], _BY_HASH
    return Drawn(code, reason, np.sort(size[oversize])[::-1], spanning, int((takes & (lowest != highest)).sum()))


def _heads(examples: Examples, number: Numbers, first: Numbers) -> tuple[Numbers, int]:
    """The example of each cluster with the smallest content id, and how many clusters have several strata.

    Of one content id with several values of the column, the first value.
    """
    if first.size == examples.size:
        return first, 0
    key = examples.rows["key"].to_numpy()
    order = np.lexsort((examples.stratum, key, number))
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    own = examples.stratum[order]
    spanning = np.maximum.reduceat(own, starts) != np.minimum.reduceat(own, starts)
    return order[starts], int(spanning.sum())


def _in_order(examples: Examples, heads: Numbers, size: Numbers, drawn: Numbers, seed: int) -> Numbers:
    """The clusters to be drawn, in the order in which they are."""
    keys = examples.rows["key"].to_numpy()[heads[drawn]]
    hashed = mix(keys ^ np.uint64(_salt(f"gate split {seed}")))
    # The hash is a bijection: the same number is the same key, which two ids share by chance (2⁻⁶⁴) or on purpose.
    tie = _ties(examples, heads[drawn], keys)
    stratum = examples.stratum[heads[drawn]]
    order = np.lexsort((tie, hashed, stratum))
    own, starts = size[drawn][order], np.flatnonzero(np.diff(stratum[order], prepend=-1))
    if not starts.size:
        return drawn
    total = np.add.reduceat(own, starts)
    of = np.repeat(np.arange(starts.size), np.diff(np.append(starts, own.size)))
    before = np.cumsum(own) - own
    before -= before[starts][of]
    # A start for each stratum, so that of many strata of one cluster some are tested on. 53 bits make a fraction.
    values = [examples.strata[each] for each in stratum[order][starts].tolist()]
    start = np.array([_salt(f"gate stratum {seed} {value}") >> 11 for value in values]) / 2**53
    place = (before + start[of] * own) / total[of]
    ordered: Numbers = drawn[order][np.lexsort((tie[order], hashed[order], place))]
    return ordered


def _ties(examples: Examples, heads: Numbers, keys: NDArray[np.uint64]) -> Numbers:
    """Tells clusters of the same key apart, by their whole content ids."""
    tie = np.zeros(heads.size, dtype=np.int64)
    same = pl.Series(keys).is_duplicated().arg_true().to_numpy()
    if same.size:
        tie[same] = examples.rows["id"].gather(heads[same]).rank("dense").to_numpy()
    return tie


def _salt(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _cut(
    size: Numbers, target: Mapping[Split, int], have: Numbers, minimum: Mapping[Split, int], *, strict: bool
) -> Numbers:
    """The split of each cluster: the first ones are tested on, the next validate, the rest is trained on.

    Args:
        size: of the clusters, in order.
        target: how many examples test and validation are to have.
        have: examples of each split (as in `CODES`) that are decided.
        strict: whether minimums have to be met.

    Raises:
        TooFew: they cannot.
    """
    needs = np.array([max(0, target[split] - have[CODES[split]]) for split in HELD])
    floors = np.array([max(0, minimum[split] - have[CODES[split]]) for split in HELD])
    total = int(size.sum())
    room = max(0, total - max(0, minimum["train"] - have[CODES["train"]]))
    if needs.sum() > room:
        if strict and floors.sum() > room:
            raise TooFew
        spare, more = max(0, room - int(floors.sum())), needs - floors
        if spare:
            needs = floors + more * spare // max(1, int(more.sum()))
        else:
            floors = needs = floors * room // max(1, int(floors.sum()))
    ends = np.concatenate(([0], np.cumsum(size)))
    tested = _nearest(ends, int(needs[0]), int(floors[0]))
    validated = _nearest(ends, int(ends[tested] + needs[1]), int(ends[tested] + floors[1]))
    code = np.full(size.size, CODES["train"])
    code[:validated], code[:tested] = CODES["validation"], CODES["test"]
    counts = have + np.bincount(code, weights=size, minlength=len(DRAWN)).astype(np.int64)
    if strict and any(counts[CODES[split]] < minimum[split] for split in SPLITS):
        raise TooFew
    return code


def _nearest(ends: Numbers, wanted: int, least: int) -> int:
    """How many clusters come nearest to a number of examples, and to `least` or more where there are as many."""
    above = min(int(np.searchsorted(ends, wanted)), ends.size - 1)
    below = max(above - 1, 0)
    is_nearer = wanted - ends[below] <= ends[above] - wanted
    return below if is_nearer and ends[below] >= least else above
