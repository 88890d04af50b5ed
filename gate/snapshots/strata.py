"""The strata of a dataset: rows with the same value of a column, which are divided among the splits alike."""

from __future__ import annotations

import polars as pl

from gate.checks.meta_columns import meta_value, shown
from gate.data.corpus import Corpus
from gate.errors import PolicyError
from gate.policy.snapshot_rules import SplitRules

LABEL = "label"

STRATA = pl.Categorical()
"""A text that many rows share is held once."""


def strata_of(corpus: Corpus, rules: SplitRules) -> pl.Series | None:
    """The value of the column that splits are stratified by, for each row of the corpus (Categorical, null where a row
    has none); None where the rules name no column. Shards are read one by one, and of each its `meta` alone.

    `label` is the label of feedback (`true`, `false`), and for other rows their own column of that name.

    Raises:
        PolicyError: no row has the column.
    """
    column = rules.stratify
    if column is None:
        return None
    values = pl.concat(
        [
            pl.Series("stratum", [], STRATA),
            *(shard.load(["meta"]).select(meta_value(column).cast(STRATA).alias("stratum"))["stratum"]
              for shard in corpus.shards),
        ]
    )  # fmt: skip
    if column == LABEL:
        labels = corpus.rows["label"].cast(pl.String).cast(STRATA)
        values = pl.select(pl.coalesce(labels, values).alias("stratum"))["stratum"]
    if values.null_count() == values.len():
        raise PolicyError(
            f"no row has the column {column!r}, by which the splits are to be stratified",
            where=rules.place("split.stratify"),
            remedy="name a column of the data, or take `stratify:` away",
        )
    return values


def named(value: str | None) -> str:
    """A stratum as a report may name it: a value that may be a person's is not shown."""
    return "none" if value is None else shown(value)
