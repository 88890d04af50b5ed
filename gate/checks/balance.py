"""The `balance` check: whether labels, categories and sources are in proportions that a model can learn from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated

import polars as pl
from pydantic import Field

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.meta_columns import COLUMN, meta_value, shown
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.views import Frames

Column = Annotated[str, Field(pattern=f"^{COLUMN}$")]

_COUNTED = pl.Schema({"column": pl.String, "value": pl.UInt64, "rows": pl.UInt32, "shown": pl.String})
_LABEL = "label"


class BalanceParams(Params):
    """Which columns are looked at, and how unequal their values may be."""

    columns: tuple[Column, ...]
    """Columns that say which category an example is of, looked at where a dataset has them. The label of feedback
    always is."""
    sources: tuple[Column, ...]
    """Columns that say where an example is from. Where a dataset has none of them, its files are its sources."""
    required: tuple[Column, ...] = ()
    """Columns that have to be there."""
    max_share: float = Field(gt=0, le=1)
    """The greatest share of one category."""
    max_ratio: float = Field(ge=1)
    """The greatest ratio of the most to the least frequent category."""
    max_source_share: float = Field(gt=0, le=1)
    """The greatest share of one source, where there are several."""
    max_categories: int = Field(ge=2)
    """A column with more values than this is no category, and is not judged."""
    minimum_rows: int = Field(ge=1)
    """A column with a value in fewer rows than this is not judged."""


def _features(frames: Frames, params: BalanceParams, context: Context) -> pl.DataFrame:
    """How often each value of each column comes: a hash of it, and the value where it may be shown."""
    names = tuple(dict.fromkeys((*params.columns, *params.sources, *params.required)))
    to_train = frames.examples.filter(pl.col("split").is_null() | (pl.col("split") == "train"))
    labels = to_train.select(pl.col("label").cast(pl.String).alias(_LABEL))
    parts = [_counts(labels[_LABEL], "")]
    if to_train["meta"].null_count() < to_train.height:
        values = to_train.select(meta_value(name).alias(name) for name in names)
        parts += [_counts(values[name], name) for name in names]
    return pl.concat([pl.DataFrame(schema=_COUNTED), *parts])


def _counts(values: pl.Series, column: str) -> pl.DataFrame:
    counted = values.drop_nulls().alias("text").value_counts(name="rows")
    return counted.select(
        pl.lit(column).alias("column"),
        pl.col("text").hash(seed=0).alias("value"),
        pl.col("rows").cast(pl.UInt32),
        # One call per different value of a shard, and none for those that could not be a category's.
        pl.when(pl.col("text").str.len_chars() <= 24)
        .then(pl.col("text"))
        .map_elements(shown, return_dtype=pl.String)
        .alias("shown"),
    )


@check(
    "balance",
    params=BalanceParams,
    codes={
        "dominant": "One category, or one label, makes up more of the rows than is allowed.",
        "imbalance": "The most frequent category has too many times the rows of the least frequent one.",
        "dominant_source": "One source makes up more of the rows than is allowed.",
        "no_column": "A column that has to be there is in no row.",
        "not_a_category": "A column has more values than a category can have, and was not judged.",
    },
    fails=tuple(
        {"prompt": f"Is {n} odd?", "completion": "no" if n % 2 else "yes", "category": "even"} for n in range(30)
    ),
    passes=tuple(
        {"prompt": f"Is {n} even?", "completion": "no" if n % 2 else "yes", "category": "even" if n % 2 else "odd"}
        for n in range(30)
    ),
    features=_features,
)
def balance(corpus: Corpus, params: BalanceParams, context: Context) -> Measurement:
    """How the rows to train on are divided among labels, categories and sources.

    Score: how far a share lies above what is allowed; of a ratio, its decimal logarithm over that of the greatest
    allowed. Figures: the number of values of each column, and the share of the most frequent one.
    """
    counts = corpus.features.collect() if corpus.rows.height else pl.DataFrame(schema=_COUNTED)
    counts = counts.group_by("column", "value").agg(pl.col("rows").cast(pl.Int64).sum(), pl.col("shown").first())
    by_column = {column: counts.filter(pl.col("column") == column) for column in sorted(counts["column"].unique())}
    demands: list[Whole] = [
        Whole("no_column", f"No row has the column `{column}`.", 1.0, column)
        for column in params.required
        if column not in by_column
    ]
    figures: dict[str, float] = {}
    sources = {column: by_column[column] for column in params.sources if column in by_column}
    if not sources:
        files = _files(corpus)
        sources = {"file": files} if files.height > 1 else {}
    categories = {column or _LABEL: one for column, one in by_column.items() if column not in params.sources}
    for column, one in {**categories, **sources}.items():
        if int(one["rows"].sum()) < params.minimum_rows:
            continue
        figures[f"{column}: values"] = float(one.height)
        figures[f"{column}: greatest share"] = float(one.select(pl.col("rows").max() / pl.col("rows").sum()).item())
        demands += _of_source(column, one, params) if column in sources else _of_category(column, one, params)
    examined = corpus.rows.height
    if not figures and not demands:
        reason = "there is no label, category or second source in enough rows to compare"
        return Measurement(wholes(()), examined, skipped=reason)
    return Measurement(wholes(demands), examined, figures)


def _files(corpus: Corpus) -> pl.DataFrame:
    """The files that are trained on as sources: one value per folder and name."""
    to_train = corpus.rows.filter(pl.col("split").is_null() | (pl.col("split") == "train"))
    counted = to_train.group_by("file").agg(rows=pl.len().cast(pl.Int64))
    return counted.with_columns(
        shown=pl.col("file").cast(pl.String).map_elements(lambda path: f"`{PurePosixPath(path)}`", pl.String)
    )


def _of_category(column: str, one: pl.DataFrame, params: BalanceParams) -> Iterator[Whole]:
    if one.height > params.max_categories:
        message = f"`{column}` has {one.height:,} values, too many for a category; it was not judged."
        yield Whole("not_a_category", message, 0.0, column, severity="info")
        return
    ordered = one.sort("rows", descending=True)
    total, most, least = int(one["rows"].sum()), int(ordered["rows"][0]), int(ordered["rows"][-1])
    top = ordered["shown"][0] or "one value (not shown)"
    if most / total > params.max_share:
        message = (
            f"{top} of `{column}` is {most / total:.1%} of {total:,} rows; at most {params.max_share:.0%} is usual."
        )
        yield Whole("dominant", message, most / total - params.max_share, column)
    elif most / least > params.max_ratio:
        times = f"{most / least:,.0f} times the rows of the least frequent"
        message = f"The most frequent of {one.height} values of `{column}` has {times}."
        yield Whole("imbalance", message, most / least / params.max_ratio - 1, column)


def _of_source(column: str, one: pl.DataFrame, params: BalanceParams) -> Iterator[Whole]:
    total, most = int(one["rows"].sum()), int(one["rows"].max())  # type: ignore[arg-type]
    if one.height > 1 and most / total > params.max_source_share:
        top = one.sort("rows", descending=True)["shown"][0] or "one value (not shown)"
        message = f"{top} of `{column}` is {most / total:.1%} of the {total:,} rows to train on."
        yield Whole("dominant_source", message, most / total - params.max_source_share, column)
