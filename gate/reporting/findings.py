"""Findings and malformed rows as every report gets them: evidence masked once more, whatever a check made of it."""

from __future__ import annotations

import polars as pl

from gate.data.masking import mask_text

_LONGEST = 2_000  # characters of evidence; a check has no reason to give more
_MARGIN = 300  # characters behind the cut that are masked with it, so that no half of a secret stays


def masked_findings(findings: pl.DataFrame) -> pl.DataFrame:
    """The same findings (schema `FINDINGS`), their evidence through `mask_text`; NaN scores become null."""
    return _masked(findings, "evidence").with_columns(pl.col("score").fill_nan(None))


def masked_malformed(malformed: pl.DataFrame) -> pl.DataFrame:
    """The same rows (schema `MALFORMED`), their heads through `mask_text`."""
    return _masked(malformed, "head")


def _masked(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    values = frame[column].drop_nulls().unique()
    # A loop over distinct values, since masking is a Python function: some 10 µs each.
    changed = {
        value: masked for value in values if (masked := mask_text(value[: _LONGEST + _MARGIN])[:_LONGEST]) != value
    }
    if not changed:
        return frame
    return frame.with_columns(pl.col(column).replace(list(changed), list(changed.values())))
