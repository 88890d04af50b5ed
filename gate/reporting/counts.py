"""What was judged and found, in one sentence of figures; no text of the data."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from gate.admission.result import AdmissionResult, Comparison, RuleOutcome
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
    """How many findings there are; waived ones apart, and with a base new, unchanged and fixed ones."""
    states = result.findings["state"].cast(pl.String)
    waived, unchanged = int((states == "waived").sum()), int((states == "unchanged").sum())
    new = result.findings.filter(~states.is_in(["waived", "unchanged"]).fill_null(False))
    told = [found_in(new)] if result.comparison is None else [f"new: {found_in(new)}", f"unchanged: {unchanged:,}"]
    told += [f"waived: {waived:,}"] if waived else []
    return "; ".join(told if result.comparison is None else [*told, f"fixed: {result.comparison.fixed.height:,}"])


def flagged_told(outcomes: Sequence[RuleOutcome]) -> str:
    """`3 of 1,200 flagged, 0 tolerated, 2 waived` for all ends of one rule."""
    flagged, examined = sum(each.flagged for each in outcomes), sum(each.examined for each in outcomes)
    waived = sum(each.waived for each in outcomes)
    told = f"{flagged:,} of {examined:,} flagged, {sum(each.tolerated for each in outcomes):,} tolerated"
    return f"{told}, {waived:,} waived" if waived else told


def base_told(comparison: Comparison) -> str:
    """What the dataset was compared with, and which rows differ."""
    commit = f" ({comparison.revision[:10]})" if comparison.revision else ""
    return f"compared with {one_line(comparison.base, 120)}{commit}: {rows_told(comparison)}"


def rows_told(comparison: Comparison) -> str:
    """`5 new rows, 3 unchanged, 1 removed`."""
    new = f"{comparison.new:,} new {'row' if comparison.new == 1 else 'rows'}"
    return f"{new}, {comparison.unchanged:,} unchanged, {comparison.removed:,} removed"
