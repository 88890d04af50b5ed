"""Draws the examples that a person is to look at: at random, stratified, and the same ones again for the same seed.

What is drawn follows from content ids, the seed and what the rows are told apart by, never from the order of files or
rows: every id has a place in an order that the seed shuffles, and each stratum gives the first of its own. So a row
more or less changes at most a few of the others that are drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.errors import UsageError

STRATA = ("split", "kind", "file")
"""What rows are told apart by where nobody says otherwise, the finest last."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample."""

    seed: int
    by: tuple[str, ...]
    """What rows were told apart by: fewer columns than were asked for, where there are more strata than examples to
    draw."""
    examples: pl.DataFrame
    """Column `id` and those of `by`, in the order in which they are to be looked at, which is random too: who stops
    half way has a sample of half the size."""
    strata: pl.DataFrame
    """The columns of `by`, `examples` (different ones, u32) and `drawn` (u32); one row for each stratum."""
    population: int
    """Different examples (by content id) that there are."""


def draw(rows: pl.DataFrame, count: int, *, seed: int, by: Sequence[str] = STRATA, coarser: bool = True) -> Drawn:
    """A stratified random sample without replacement: of each stratum in proportion to its size, at least one, the
    rest by largest remainder.

    Args:
        rows: column `id` (content ids) and those of `by`, of which any may be null. An id that comes more than once
            is one example, of the first of its strata in the order of their names.
        count: how many to draw; all there are where there are fewer.
        coarser: where there are more strata than examples to draw, leave the last columns of `by` out.

    Raises:
        UsageError: nothing to draw from, less than one to draw, or too many strata.
    """
    if count < 1:
        raise UsageError(f"a sample of {count} examples is none", remedy="write --sample 100, or any number from 1 on")
    if rows.is_empty():
        raise UsageError("there is no example to look at", remedy="`gate check` says why rows cannot be read")
    every = _distinct(rows.select("id", *(pl.col(name).cast(pl.String) for name in by)), by)
    count = min(count, every.height)
    kept = list(by)
    while every.select(kept).n_unique() > count if kept else False:
        if not coarser or not kept:
            raise UsageError(
                f"what the sample is stratified by has {every.select(kept).n_unique():,} different values, and only "
                f"{count:,} examples are to be drawn",
                remedy="draw more with --sample, or stratify by a column with fewer values",
            )
        kept.pop()
    ranked = every.with_columns(pl.Series("rank", _ranks(every["id"], seed))).sort("rank", "id")
    if not kept:
        ranked, kept = ranked.drop(by).with_columns(all=pl.lit("all")), ["all"]
    strata = ranked.group_by(kept, maintain_order=True).agg(pl.len().alias("examples"))  # the luckiest first
    strata = strata.with_columns(pl.Series("drawn", _shares(strata["examples"].to_numpy(), count), dtype=pl.UInt32))
    place = pl.int_range(pl.len()).over(kept)
    taken = ranked.with_columns(place=place).join(
        strata.select(*kept, "drawn"), on=kept, nulls_equal=True, maintain_order="left"
    )
    drawn = taken.filter(pl.col("place") < pl.col("drawn")).select("id", *kept)
    names = tuple(name for name in kept if name in by)
    return Drawn(seed, names, drawn.select("id", *names), strata.sort(kept), every.height)


def _distinct(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """One row for each id."""
    twice = rows["id"].is_duplicated()
    if not twice.any():
        return rows
    return pl.concat([rows.filter(~twice), rows.filter(twice).sort("id", *by).unique("id", keep="first")])


def _ranks(ids: pl.Series, seed: int) -> NDArray[np.uint64]:
    """A number for each id that looks random and follows from it and the seed: the finaliser of SplitMix64 (Steele,
    Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators", with Stafford's mix 13) of the first 64 bits
    of the id, twice, with the seed's own digest in between. A million take 0.2 s.
    """
    start = np.uint64(int.from_bytes(hashlib.sha256(f"gate sample 1 seed {seed}".encode()).digest()[:8], "big"))
    first = ids.str.head(16).str.to_integer(base=16, dtype=pl.UInt64).to_numpy()
    return _mixed(_mixed(first) ^ start)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _shares(sizes: NDArray[np.uint32], count: int) -> list[int]:
    """How many of each stratum: at least one, and as near to its share as whole numbers can be. Of equal remainders
    the earlier stratum's counts more.

    Args:
        sizes: of each stratum, at least one; there are no more of them than `count`.
    """
    total = int(sizes.sum())
    # Whole numbers throughout: `owed` is what is missing to the exact share, in parts of `total`.
    wanted = [count * int(size) for size in sizes]
    given = [max(1, want // total) for want in wanted]
    while (left := count - sum(given)) != 0:  # as often as there are strata, at most
        step = 1 if left > 0 else -1
        owed = [
            (step * (want - has * total), -at)
            for at, (want, has, size) in enumerate(zip(wanted, given, sizes, strict=True))
            if (has < size if step > 0 else has > 1)
        ]
        given[-max(owed)[1]] += step
    return given
