"""What is kept of each item that a model was scored on: one row, the same columns for every task."""

from __future__ import annotations

import polars as pl

SCORES = pl.List(pl.Struct({"metric": pl.String(), "value": pl.Float64()}))

ITEMS = pl.Schema(
    {
        "index": pl.UInt32(),  # place in the task's data, from 0 on
        "doc_hash": pl.String(),  # SHA-256 (hex) of the item, as lm-eval has it: what two models' results are paired by
        "prompt_hash": pl.String(),  # of the prompt as the model got it, template, system prompt and shots included
        "target_hash": pl.String(),  # of the answer key
        "example": pl.String(),  # content id of the snapshot's example that the item was made of, or null
        "cluster": pl.String(),  # items of one cluster are not independent (one document, one template), or null
        "slice": pl.String(),  # what reports group by, or null
        "prompt": pl.String(),  # as the model got it
        "target": pl.String(),  # the right answer as text; of choices the right one; empty where there is none
        "output": pl.String(),  # what it generated; of choices the one it chose; empty for bare likelihoods
        "scores": SCORES,  # every metric of the task, finite numbers
    }
)
"""The schema of an object with the items of one task for one model, sorted by `index`."""


def values(items: pl.DataFrame, metric: str) -> pl.Series:
    """A metric of each item, in the order of the frame; null where an item has none.

    Args:
        items: schema ITEMS.
    """
    found = pl.col("scores").list.eval(
        pl.element().struct.field("value").filter(pl.element().struct.field("metric") == metric)
    )
    return items.select(found.list.first().alias(metric))[metric]
