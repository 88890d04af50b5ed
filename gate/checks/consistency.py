"""The `consistency` check: rows that do not go with the rest of their dataset, each fine by itself.

What is compared of a row is in `consistency_features`, variants of system messages are found in
`consistency_systems`. Answers that are broken by themselves are for the `answer_format` check.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from pydantic import Field

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.checks.consistency_features import features
from gate.checks.consistency_systems import variants
from gate.data.corpus import Corpus
from gate.data.views import Frames

CODES = {
    "mixed_answer_form": "Nearly all answers under the same instruction have one form (a JSON object, say); this one "
    "has another.",
    "mixed_system_messages": "Nearly all conversations have a system message, or have none, and a few are otherwise.",
    "near_system_message": "A few rows have a system message that is almost the one of many others.",
    "mixed_shapes": "The files of one split have different shapes.",
}
_CAPITALS = {
    "Austria": "Vienna", "Belgium": "Brussels", "Denmark": "Copenhagen", "Finland": "Helsinki", "France": "Paris",
    "Greece": "Athens", "Ireland": "Dublin", "Italy": "Rome", "Norway": "Oslo", "Portugal": "Lisbon",
}  # fmt: skip


class ConsistencyParams(Params):
    """From when on a few rows are taken for a slip, and not for a mixture that was planned."""

    group: int = Field(ge=2)
    """Rows with the same instruction from which the forms of their answers are compared."""
    majority: float = Field(gt=0.5, lt=1)
    """The share of one form among them from which the others are flagged."""
    few: float = Field(gt=0, lt=0.5)
    """The share of conversations with (or without) a system message up to which they are a slip."""
    variant: float = Field(gt=0, lt=1)
    """How many rows a variant of a system message has at most, for each row of the message it is almost equal to."""
    variant_words: int = Field(ge=2)
    """Words from which system messages that differ in one word are variants; shorter ones are roles."""
    variant_messages: int = Field(ge=1, le=5000)
    """Distinct system messages up to which they are compared word by word; more are made to differ."""


def _features(frames: Frames, params: ConsistencyParams, context: Context) -> pl.DataFrame:
    return features(frames)


@check(
    "consistency",
    params=ConsistencyParams,
    codes=CODES,
    fails=(
        *(
            {"system": "Answer with the capital.", "instruction": country, "output": capital}
            for country, capital in _CAPITALS.items()
        ),
        {"system": "answer with the capital", "instruction": "Iceland", "output": "Reykjavík"},
    ),
    passes=(
        {"system": "Answer with the capital.", "instruction": "Norway", "output": "Oslo"},
        {"system": "Answer with the capital.", "instruction": "Iceland", "output": "Reykjavík"},
    ),
    features=_features,
    libraries=("polars",),
)
def consistency(corpus: Corpus, params: ConsistencyParams, context: Context) -> Measurement:
    """Rows that do not go with the rest: another form of answer under the same instruction, a system message that is
    missing or almost that of others, and files of several shapes.

    Figures: instructions with answers enough to compare, distinct system messages, rows with one.
    """
    if not corpus.rows.height:
        return Measurement(NOTHING_FOUND, 0, skipped="there is no example to look at")
    rows = (
        pl.concat([corpus.rows.select("kind", "split", "old"), corpus.features.collect()], how="horizontal")
        .with_row_index("position")
        .with_columns(pl.col("position").cast(pl.Int64))
    )
    groups = _groups(rows, params)
    parts = [
        _mixed_forms(corpus, rows, groups, params),
        *_mixed_systems(rows, params),
        _near_systems(corpus, rows, params),
        *_mixed_shapes(rows),
    ]
    figures = {
        "instructions": float(groups.height),
        "system_messages": float(rows["system"].drop_nulls().n_unique()),
        "with_system_message": float(rows["system"].count()),
    }
    return Measurement(pl.concat([NOTHING_FOUND, *parts]), corpus.rows.height, figures)


def _groups(rows: pl.DataFrame, params: ConsistencyParams) -> pl.DataFrame:
    """Instructions with answers enough: kind, instruction, most common form, its share, answers."""
    return (
        rows.lazy()
        .filter(pl.col("instruction").is_not_null(), pl.col("form").is_not_null())
        .group_by("kind", "instruction", "form")
        .agg(pl.len())
        .sort("len", "form", descending=[True, False])
        .group_by("kind", "instruction")
        .agg(common=pl.col("form").first(), share=pl.col("len").first() / pl.col("len").sum(), answers=pl.sum("len"))
        .filter(pl.col("answers") >= params.group)
        .collect()
    )


def _mixed_forms(corpus: Corpus, rows: pl.DataFrame, groups: pl.DataFrame, params: ConsistencyParams) -> pl.DataFrame:
    wanted = groups.filter(pl.col("share") >= params.majority)
    odd = (
        rows.join(wanted, on=["kind", "instruction"])
        .filter(pl.col("form").is_not_null(), pl.col("form") != pl.col("common"))
        .sort("position")
    )
    form, common = (pl.col(name).cast(pl.String) for name in ("form", "common"))
    placed = pl.concat([corpus.locate(odd["position"]), odd], how="horizontal")
    return found(
        placed.select(
            "id",
            "file",
            "row",
            code=pl.lit("mixed_answer_form"),
            message=pl.format(
                "{} % of the {} answers under the same instruction are of the form {}; this one is of the form {}.",
                (pl.col("share") * 100).round(1), "answers", common, form,
            ),
            field=pl.when(pl.col("kind") == "preference").then(pl.lit("chosen")).otherwise(pl.lit("messages")),
            group=pl.format("instruction {}", "instruction"),
            score="share",
        )
    )  # fmt: skip


def _mixed_systems(rows: pl.DataFrame, params: ConsistencyParams) -> Iterator[pl.DataFrame]:
    """About the dataset as a whole; its score is the share of conversations that are otherwise."""
    talks = rows.filter(pl.col("kind") != "text")
    led = talks["system"].count()
    few, many = sorted((led, talks.height - led))
    if 0 < few <= params.few * talks.height:
        without = led == many
        message = f"{few} of {talks.height} conversations have {'no' if without else 'a'} system message."
        yield found(
            pl.DataFrame(
                {"code": ["mixed_system_messages"], "message": [message], "score": [few / talks.height]}
            )
        )  # fmt: skip


def _near_systems(corpus: Corpus, rows: pl.DataFrame, params: ConsistencyParams) -> pl.DataFrame:
    seen = list(
        variants(
            corpus, rows, share=params.variant, shortest=params.variant_words, most=params.variant_messages
        )
    )  # fmt: skip
    if not seen:
        return NOTHING_FOUND
    how = ("only in case, white space or signs", "in one word")
    return found(
        corpus.locate([each.position for each in seen]).with_columns(
            code=pl.lit("near_system_message"),
            field=pl.lit("messages[0].content"),
            message=pl.Series(
                [
                    f"The system message of {_rows(each.rows)} differs {how[each.words]} from that of "
                    f"{_rows(each.model_rows)}; this is one of the former."
                    for each in seen
                ]
            ),
            partner=corpus.locate([each.model for each in seen])["id"],
            score=pl.Series([each.rows / each.model_rows for each in seen]),
        )
    )


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"


def _mixed_shapes(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Counts only, since gate reads all shapes alike; whoever reads the files without it may not. Per split, about
    the dataset as a whole; its score is the share of rows in other shapes than the most common one."""
    shapes = (
        rows.group_by("split", "shape").agg(pl.len()).sort("split", "len", "shape", descending=[False, True, False])
    )
    for (split,), part in shapes.group_by("split", maintain_order=True):
        if part.height > 1:
            named = ", ".join(f"{shape} ({count})" for _, shape, count in part.iter_rows())
            where = f"The {split} split" if split else "What belongs to no split"
            yield found(
                pl.DataFrame(
                    {
                        "code": ["mixed_shapes"], "severity": ["info"], "group": [split],
                        "message": [f"{where} has rows of several shapes: {named}."],
                        "score": [1 - int(part["len"][0]) / int(part["len"].sum())],
                    },
                    schema_overrides={"group": pl.String},
                )
            )  # fmt: skip
