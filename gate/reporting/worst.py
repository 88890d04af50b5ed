"""Which findings a person should see first, when there are too many to show them all."""

from __future__ import annotations

import polars as pl

_ORDER = (
    pl.col("state").to_physical().fill_null(0),  # new, unchanged, waived
    pl.col("severity").to_physical(),  # error, warning, info
    pl.col("remedy").to_physical(),  # drop, redact, fix, review
    -pl.col("score").fill_nan(None).fill_null(-1.0),
    pl.col("file").fill_null(""),
    pl.col("row").fill_null(0),
)


def worst_first(findings: pl.DataFrame) -> pl.DataFrame:
    """The findings, new ones first and waived ones last, then by severity, the remedy that costs most, the score, the
    file and the row."""
    return findings.sort(_ORDER, maintain_order=True)


def worst_of_each(findings: pl.DataFrame, count: int) -> pl.DataFrame:
    """The worst findings with every rule having its say, within each severity: the worst of each rule, then the second
    worst, and so on; a second finding of a rule in the same row waits until every row has had one."""
    again = pl.int_range(pl.len()).over("rule", "severity", "file", "row").alias("again")
    turn = pl.int_range(pl.len()).over("rule", "severity").alias("turn")
    severity = pl.col("severity").to_physical()
    state = pl.col("state").to_physical().fill_null(0)
    ranked = worst_first(findings).with_columns(again).sort("again", maintain_order=True).with_columns(turn)
    return ranked.sort([state, severity, "again", "turn"], maintain_order=True).head(count).drop("again", "turn")
