"""How a rule ended: from what its check saw to passed, failed, warned, errored or skipped."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from gate.admission.bind import BoundRule
from gate.admission.result import FINDINGS, RuleOutcome, Status
from gate.admission.shards import Crash
from gate.checks.base import SEVERITIES, Measurement


def finding_rows(bound: BoundRule, seen: Measurement) -> pl.DataFrame:
    """What a check saw as findings of a rule (schema `FINDINGS`), all of them new."""
    rule = bound.rule
    return seen.findings.select(
        pl.lit(rule.id).alias("rule"),
        pl.all().exclude("severity", "remedy"),
        pl.col("severity").fill_null(pl.lit(rule.severity, dtype=FINDINGS["severity"])),
        pl.col("remedy").fill_null(pl.lit(rule.remedy, dtype=FINDINGS["remedy"])),
        pl.lit("new", dtype=FINDINGS["state"]).alias("state"),
    ).select(list(FINDINGS))


def outcome_of(bound: BoundRule, seen: Measurement | Crash, findings: pl.DataFrame, seconds: float) -> RuleOutcome:
    """How a rule ended.

    Args:
        seen: what its check saw.
        findings: of this rule, as `finding_rows` gives them, or with states that a comparison with a base gave them.
    """
    rule = bound.rule
    base = RuleOutcome(rule, bound.kinds, "errored", seconds=seconds)
    if isinstance(seen, Crash):
        return replace(base, reason=seen.reason, trace=seen.trace)
    if seen.skipped is not None:
        return replace(base, status="skipped", reason=seen.skipped)
    if seen.examined == 0:
        return replace(base, status="skipped", reason="there was nothing to look at")
    counted = findings.filter(pl.col("severity") == rule.severity)
    # A finding about a file or the dataset as a whole is no example, so no tolerance covers it.
    whole = counted.filter(pl.col("row").is_null()).height
    flagged = counted.filter(pl.col("row").is_not_null()).select("file", "row").n_unique()
    tolerated = rule.allowance(seen.examined)
    exceeded = flagged > tolerated or whole > 0
    status: Status = "passed"
    if exceeded and rule.severity != SEVERITIES[2]:
        status = "failed" if rule.severity == "error" else "warned"
    return replace(
        base,
        status=status,
        examined=seen.examined,
        flagged=flagged + whole,
        tolerated=tolerated,
        figures=dict(seen.figures),
    )
