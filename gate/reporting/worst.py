"""Which findings a person should see first, when there are too many to show them all."""

from __future__ import annotations

import polars as pl

_ORDER = (
    pl.col("severity").to_physical(),  # error, warning, info
    pl.col("remedy").to_physical(),  # drop, redact, fix, review
    -pl.col("score").fill_nan(None).fill_null(-1.0),
    pl.col("file").fill_null(""),
    pl.col("row").fill_null(0),
)


def worst_first(findings: pl.DataFrame) -> pl.DataFrame:
    """The findings by severity, then the remedy that costs most, the score, the file and the row."""
    return findings.sort(_ORDER, maintain_order=True)


def worst_of_each(findings: pl.DataFrame, count: int) -> pl.DataFrame:
    """The worst findings with every rule having its say: the worst of each rule, then the second worst, and so on,
    within each severity."""
    turn = pl.int_range(pl.len()).over("rule", "severity").alias("turn")
    ranked = worst_first(findings).with_columns(turn)
    return ranked.sort([pl.col("severity").to_physical(), "turn"], maintain_order=True).head(count).drop("turn")
