"""Which examples stay out of a snapshot, and why.

An error that was found at an example excludes it where its remedy takes something away or changes something (drop,
redact, fix), even where the rule tolerates some; a waiver lets it in. What can only be reviewed stays in. Rows that
could not be read are no examples, and are never admitted.
"""

from __future__ import annotations

import polars as pl

from gate.snapshots.layout import EXCLUDED

_EXCLUDING = ("drop", "redact", "fix")
_KEYS = ("file", "row")


def blocked(findings: pl.DataFrame) -> pl.DataFrame:
    """The rows that findings exclude: columns `file`, `row`, `rules` and `codes` (sorted, each once), a row for each,
    in the order of file and row.

    Args:
        findings: schema gate.admission.result.FINDINGS.
    """
    excluding = (
        pl.col("row").is_not_null(),
        pl.col("severity").cast(pl.String) == "error",
        pl.col("remedy").cast(pl.String).is_in(_EXCLUDING),
        # A finding that has no state could not be compared, and counts.
        pl.col("state").cast(pl.String).ne_missing("waived"),
    )
    return (
        findings.filter(*excluding)
        .group_by(_KEYS)
        .agg(pl.col("rule").unique().sort().alias("rules"), pl.col("code").unique().sort().alias("codes"))
        .sort(_KEYS)
    )


def excluded(examples: pl.DataFrame, blocked: pl.DataFrame) -> pl.DataFrame:
    """Those of some examples that are excluded (schema `EXCLUDED`), in their order.

    Args:
        examples: with columns `id`, `record_id`, `file` and `row`.
        blocked: as `blocked` gives them.
    """
    found = examples.select("id", "record_id", "file", "row").join(blocked, on=_KEYS, maintain_order="left")
    return found.select(list(EXCLUDED)).cast(EXCLUDED)


def admits(rows: pl.DataFrame, blocked: pl.DataFrame) -> pl.Series:
    """Whether each row of a dataset is admitted.

    Args:
        rows: schema gate.data.corpus.ROWS.
        blocked: as `blocked` gives them.
    """
    marked = blocked.select(*_KEYS, blocked=pl.lit(True))
    keys = rows.select(pl.col("file").cast(pl.String), "row")
    found = keys.join(marked, on=_KEYS, how="left", maintain_order="left")
    return found["blocked"].is_null().alias("admitted")
