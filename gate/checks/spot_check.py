"""The `spot_check` check: what people said who looked at a sample of the examples.

`gate review` draws the sample and keeps what was said as signed statements; who is trusted to say it is settled before
the verdicts are handed over (`Context.reviews`). This module asks whether enough of the rows at hand were looked at,
and how sure that makes it that the rest is good.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from gate.checks.base import REVIEWS, Context, Measurement, Params, check, found
from gate.checks.whole import Whole, wholes
from gate.checks.wilson import wilson
from gate.data.corpus import Corpus
from gate.data.masking import mask_text
from gate.data.views import Frames

_SHOWN = 200
"""Characters of a reason that are shown."""


class SpotCheckParams(Params):
    """How many examples somebody has to have looked at, and how good they have to be."""

    sample: int = Field(ge=0)
    """How many examples have to be judged good or bad, or all of them where there are fewer; 0: no review is
    demanded."""
    good: float = Field(ge=0, lt=1)
    """What the lower Wilson bound of the share of good ones has to reach."""
    level: float = Field(gt=0, lt=1)
    """The confidence of that bound, two-sided."""


def settled(reviews: pl.DataFrame) -> pl.DataFrame:
    """One verdict for each example: the last word of each person counts, a skipped example is not judged, and where
    people disagree, it is bad.

    Args:
        reviews: schema `REVIEWS`.

    Returns:
        columns `id`, `verdict` (`good` or `bad`) and `reason` (of the last who called it bad), ordered by id.
    """
    last = reviews.sort("at", maintain_order=True).group_by("id", "reviewer", maintain_order=True).last()
    judged = last.filter(pl.col("verdict") != "skip").sort("at", maintain_order=True)
    bad = pl.col("verdict") == "bad"
    return (
        judged.group_by("id")
        .agg(
            pl.when(bad.any()).then(pl.lit("bad")).otherwise(pl.lit("good")).cast(REVIEWS["verdict"]).alias("verdict"),
            pl.col("reason").filter(bad).drop_nulls().last().alias("reason"),
        )
        .sort("id")
    )


def _features(frames: Frames, params: SpotCheckParams, context: Context) -> pl.DataFrame:
    """Nothing: the ids are known of every row."""
    return pl.DataFrame({"rows": [frames.examples.height]})


@check(
    "spot_check",
    params=SpotCheckParams,
    codes={
        "bad_example": "Somebody looked at the example and called it bad.",
        "too_few_reviewed": "Fewer examples than are demanded were looked at by somebody.",
        "too_few_good": "Too few of those that were looked at are good to be sure of the rest.",
    },
    fails=(),
    passes=(),
    features=_features,
    reads_reviews=True,
)
def spot_check(corpus: Corpus, params: SpotCheckParams, context: Context) -> Measurement:
    """What people said of a random sample of the examples (`gate review`): how many were looked at, and the lower
    Wilson bound of the share of good ones.

    The last word of each person counts; where two disagree, the example is bad. Verdicts on examples that are not
    in the dataset (any more) say nothing of it. Score: the share of the demanded number that is missing, or how far
    the bound is from what is demanded. Figures: `reviewed`, `good`, `bad`, `good at least` (the bound), and `bad ones
    gone` (called bad, and not in the dataset any more).
    """
    if params.sample == 0 and context.reviews.is_empty():
        return Measurement(wholes([]), 0, skipped="no review is demanded")
    said = settled(context.reviews)
    there = corpus.rows.select("id").with_row_index("position").join(said, on="id", how="inner")
    judged = there.unique("id")
    reviewed, bad = judged.height, int((judged["verdict"] == "bad").sum())
    low, _ = wilson(reviewed - bad, reviewed, params.level)
    gone = said.filter(pl.col("verdict") == "bad").join(judged, on="id", how="anti").height
    figures = {"reviewed": reviewed, "good": reviewed - bad, "bad": bad, "good at least": low, "bad ones gone": gone}
    # Who has looked at all there are can do no more; of no example nobody can have looked at one.
    demanded = min(params.sample, corpus.rows["id"].n_unique()) or params.sample
    findings = pl.concat([_bad(corpus, there), wholes(_demands(reviewed, bad, low, demanded, params))])
    # Rows that could not be read are examined too: a dataset of nothing else is not left alone.
    examined = corpus.rows.height + corpus.malformed.height
    return Measurement(findings, examined, {name: float(value) for name, value in figures.items()})


def _bad(corpus: Corpus, there: pl.DataFrame) -> pl.DataFrame:
    """A finding for every row whose content was called bad."""
    bad = there.filter(pl.col("verdict") == "bad").sort("position")
    # A Python loop over what people called bad, some dozens: masking is regular expressions.
    evidence = [None if reason is None else mask_text(reason)[:_SHOWN] for reason in bad["reason"]]
    return found(
        corpus.locate(bad["position"]).with_columns(
            pl.lit("bad_example").alias("code"),
            pl.lit("Somebody looked at this example and called it bad.").alias("message"),
            pl.Series("evidence", evidence, dtype=pl.String),
            pl.lit("drop").alias("remedy"),
        )
    )


def _demands(reviewed: int, bad: int, low: float, demanded: int, params: SpotCheckParams) -> Iterator[Whole]:
    if reviewed < demanded:
        missing = demanded - reviewed
        message = (
            f"{reviewed:,} examples were looked at, and {demanded:,} are demanded: {missing:,} more (gate review)."
        )
        yield Whole("too_few_reviewed", message, missing / demanded)
    # Of nothing that was looked at nothing is known, and the finding above says so.
    if demanded and reviewed and low < params.good:
        message = (
            f"{reviewed - bad:,} of {reviewed:,} examples that were looked at are good, so that {low:.1%} of all are "
            f"at the least (Wilson, {params.level:.0%}); {params.good:.1%} are demanded."
        )
        yield Whole("too_few_good", message, params.good - low)
