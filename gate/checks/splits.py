"""The `splits` check: whether there is something to validate and test a model on, and how the rows are divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl
from pydantic import Field, field_validator

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.frame import SPLITS, Split
from gate.data.views import Frames


class Shares(Params):
    """Between which shares of the rows each split lies, in datasets of some size."""

    below: int | None = Field(None, ge=1)
    """For datasets of fewer rows (with a split) than this; None: of any number."""
    train: tuple[float, float]
    """The least and the greatest share."""
    validation: tuple[float, float]
    """The same."""
    test: tuple[float, float]
    """The same."""

    @field_validator("train", "validation", "test")
    @classmethod
    def _ordered(cls, share: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= share[0] <= share[1] <= 1:
            raise ValueError("expected two shares between 0 and 1, the lesser first")
        return share

    def of(self, split: Split) -> tuple[float, float]:
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


class SplitsParams(Params):
    """Which splits there have to be, and how large."""

    minimum: dict[Split, int]
    """The splits that have to be there, with the fewest examples in each."""
    shares: tuple[Shares, ...] = Field(min_length=1)
    """How rows are divided; the first whose `below` is above the number of rows holds."""


def _features(frames: Frames, params: SplitsParams, context: Context) -> pl.DataFrame:
    """Nothing: splits are known of every row."""
    return pl.DataFrame({"rows": [frames.examples.height]})


@check(
    "splits",
    params=SplitsParams,
    codes={
        "no_train": "There are other splits, but no train split.",
        "no_validation": "There is no validation split; as information where the dataset has no splits at all.",
        "no_test": "There is no test split; as information where the dataset has no splits at all.",
        "empty_split": "Files say that they are of a split, and hold no example of it.",
        "too_few": "A split has too few examples for a score on it to mean much.",
        "unusual_share": "A split is a larger or smaller share of the dataset than is usual.",
        "unassigned": "Some rows have a split and others have none.",
    },
    fails=(
        {"prompt": "Name a prime above 10.", "completion": "11", "split": "train"},
        {"prompt": "Name a prime above 20.", "completion": "23", "split": "test"},
    ),
    passes=tuple(
        {"prompt": f"What is {n} + 1?", "completion": str(n + 1), "split": split}
        for split, rows in (("train", range(800)), ("validation", range(800, 900)), ("test", range(900, 1000)))
        for n in rows
    ),
    features=_features,
)
def splits(corpus: Corpus, params: SplitsParams, context: Context) -> Measurement:
    """Which splits a dataset has, how many examples each holds, and how its rows are divided among them.

    Where no row has a split, missing ones are information only: a snapshot makes them. Score: the share of the
    demanded number that is missing, or how far a share lies outside of its bounds. Figures: rows by split.
    """
    counts = {split: int(corpus.rows.select((pl.col("split") == split).sum()).item()) for split in SPLITS}
    unassigned = int(corpus.rows["split"].null_count())
    # A split whose files hold nothing is one that somebody meant to be there.
    named = {file.split for file in corpus.files if file.split is not None}
    demands = [*_missing(counts, named, params), *_sizes(counts, params), *_divided(counts, params)]
    if unassigned and (named or any(counts.values())):
        share = unassigned / corpus.rows.height
        message = f"{unassigned:,} rows have no split, though others do."
        demands.append(Whole("unassigned", message, share, severity="info"))
    figures: dict[str, float] = {"no split": float(unassigned)}
    figures |= {str(split): float(count) for split, count in counts.items()}
    return Measurement(wholes(demands), corpus.rows.height + corpus.malformed.height, figures)


def _missing(counts: Mapping[Split, int], named: set[Split], params: SplitsParams) -> Iterator[Whole]:
    none_at_all = not named and not any(counts.values())
    for split in SPLITS:
        if counts[split]:
            continue
        if split in named:
            yield Whole("empty_split", f"The {split} split has no example.", 1.0, split)
        elif split in params.minimum and not (none_at_all and split == "train"):
            hint = "; a snapshot can make one" if none_at_all else ""
            message = f"There is no {split} split{hint}."
            yield Whole(f"no_{split}", message, 1.0, split, severity="info" if none_at_all else None)


def _sizes(counts: Mapping[Split, int], params: SplitsParams) -> Iterator[Whole]:
    for split, minimum in params.minimum.items():
        if 0 < counts[split] < minimum:
            message = f"The {split} split has {counts[split]:,} examples; at least {minimum:,} are needed."
            yield Whole("too_few", message, 1 - counts[split] / minimum, split)


def _divided(counts: Mapping[Split, int], params: SplitsParams) -> Iterator[Whole]:
    total = sum(counts.values())
    usual = next((each for each in params.shares if each.below is None or total < each.below), None)
    # One split alone is not divided, and one that is missing has a finding of its own.
    present = [split for split in SPLITS if counts[split]]
    if usual is None or len(present) < 2:
        return
    for split in present:
        share = counts[split] / total
        low, high = usual.of(split)
        if not low <= share <= high:
            message = f"The {split} split is {share:.1%} of {total:,} rows; usual are {low:.0%} to {high:.0%}."
            yield Whole("unusual_share", message, max(low - share, share - high), split)
