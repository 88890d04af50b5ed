"""What was judged and found, in one sentence of figures; no text of the data."""

from __future__ import annotations

import polars as pl

from gate.admission.result import AdmissionResult, Comparison
from gate.checks.base import SEVERITIES
from gate.reporting.inert import one_line

_PLURAL = {"error": "errors", "warning": "warnings", "info": "info"}


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def found_in(findings: pl.DataFrame) -> str:
    """`3 errors, 1 warning`, or `no findings`."""
    by_severity = dict(findings.group_by("severity").len().iter_rows())
    parts = [
        f"{by_severity[name]:,} {_PLURAL[name] if by_severity[name] != 1 else name}"
        for name in SEVERITIES
        if name in by_severity
    ]
    return ", ".join(parts) or "no findings"


def findings_told(result: AdmissionResult) -> str:
    """How many findings there are; with a base, new, unchanged and fixed ones apart."""
    if result.comparison is None:
        return found_in(result.findings)
    new = result.findings.filter(pl.col("state") == "new")
    unchanged, fixed = result.findings.height - new.height, result.comparison.fixed.height
    return f"new: {found_in(new)}; unchanged: {unchanged:,}; fixed: {fixed:,}"


def base_told(comparison: Comparison) -> str:
    """What the dataset was compared with, and which rows differ."""
    commit = f" ({comparison.revision[:10]})" if comparison.revision else ""
    return f"compared with {one_line(comparison.base, 120)}{commit}: {rows_told(comparison)}"


def rows_told(comparison: Comparison) -> str:
    """`5 new rows, 3 unchanged, 1 removed`."""
    new = f"{comparison.new:,} new {'row' if comparison.new == 1 else 'rows'}"
    return f"{new}, {comparison.unchanged:,} unchanged, {comparison.removed:,} removed"
