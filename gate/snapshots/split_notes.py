"""What is told of how examples were divided: a table by stratum, and what their owner should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.data.frame import SPLITS, Split
from gate.policy.snapshot_rules import SplitRules
from gate.snapshots.draw import DRAWN, NO_SPLIT, Drawn, Examples, Numbers
from gate.snapshots.strata import named

TABLE = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "stratum": pl.String,  # as it may be shown; null where splits are not stratified
        "split": pl.Enum(SPLITS),
        "examples": pl.UInt32,
        "clusters": pl.UInt32,
        "share": pl.Float64,  # of the stratum's examples
    }
)


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the division that its owner should know; no text of the data is in it."""

    code: str
    """`no_split`, `too_few`, `mixed`, `given_apart`, `too_large`, `split_strata`, `small_strata`."""
    message: str


def notes_of_given(counts: Mapping[Split, int], rules: SplitRules) -> list[Note]:
    """What is short where the data brings splits, which gate then neither refuses nor mends.

    Args:
        counts: admitted examples of each split.
    """
    notes = []
    for split in SPLITS:
        count = counts[split]
        if count < rules.minimum[split]:
            what = f"has {of(count, 'example')}" if count else "has no example"
            message = (
                f"The {split} split {what}; at least {rules.minimum[split]:,} are needed for a score to mean much."
            )
            notes.append(Note("too_few" if count else "no_split", message))
    return notes


def notes_of_drawn(examples: Examples, drawn: Drawn, counts: Mapping[Split, int], rules: SplitRules) -> list[Note]:
    """What could not be divided as one would expect."""
    notes = []
    if not examples.none_given:
        brought = int((examples.given != NO_SPLIT).sum())
        message = f"{brought:,} of {of(examples.size, 'example')} bring their split; the others fill up what is short."
        notes.append(Note("mixed", message))
    if drawn.apart:
        message = (
            f"{of(drawn.apart, 'cluster')} in several splits, as the data gives them: leaks, if no rule minds them."
        )
        notes.append(Note("given_apart", message))
    if drawn.too_large.size:
        number, sizes = drawn.too_large.size, drawn.too_large
        which = (
            f"of {of(int(sizes[0]), 'example')} is" if number == 1 else f"of {sizes[-1]:,} to {sizes[0]:,} examples are"
        )
        message = f"{of(number, 'cluster')} {which} larger than a split that is held out, and trained on."
        notes.append(Note("too_large", message))
    if drawn.spanning:
        message = f"{of(drawn.spanning, 'cluster')} with several values of `{rules.stratify}`: the first one counts."
        notes.append(Note("split_strata", message))
    small = small_strata(examples, counts)
    if small.any():
        which = f"{int(small.sum()):,} of {of(small.size, 'value')} of `{rules.stratify}`"
        notes.append(Note("small_strata", f"{which} have too few examples to be in every split."))
    return notes


def small_strata(examples: Examples, counts: Mapping[Split, int]) -> NDArray[np.bool_]:
    """Which strata are too small for each split to have one of their examples, at the shares that the whole has."""
    sizes = np.bincount(examples.stratum, minlength=len(examples.strata))
    least = min((count for count in counts.values() if count), default=examples.size)
    small: NDArray[np.bool_] = (sizes * least < examples.size) & (len(examples.strata) > 1)
    return small


def table_of(examples: Examples, code: Numbers, cluster: Numbers, small: NDArray[np.bool_]) -> pl.DataFrame:
    """How each stratum is divided (schema `TABLE`), from train to test. Small strata are one line together: a column
    may have as many values as there are examples.

    Args:
        code: the split of each example, as in `gate.snapshots.draw.CODES`.
        cluster: the number of its cluster.
    """
    large = np.flatnonzero(~small).tolist()
    if len(examples.strata) == 1 and examples.strata[0] is None:
        names: dict[int | None, str | None] = {0: None}
    else:
        names = {each: named(examples.strata[each]) for each in large}
        names[None] = f"{int(small.sum()):,} small ones"
    counted = (
        pl.DataFrame({"stratum": examples.stratum, "code": code, "cluster": cluster})
        .with_columns(pl.when(pl.col("stratum").is_in(large)).then("stratum"))
        .group_by("stratum", "code")
        .agg(examples=pl.len(), clusters=pl.col("cluster").n_unique())
        .with_columns(share=pl.col("examples") / pl.col("examples").sum().over("stratum"))
        .sort("stratum", "code", descending=[False, True], nulls_last=True)
    )
    return counted.select(
        pl.Series("stratum", [names[number] for number in counted["stratum"]], pl.String),
        pl.col("code").replace_strict(dict(enumerate(DRAWN)), return_dtype=TABLE["split"]).alias("split"),
        pl.col("examples").cast(pl.UInt32),
        pl.col("clusters").cast(pl.UInt32),
        "share",
    )


def of(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
