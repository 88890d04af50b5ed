"""The waivers that a verdict rests on, as every report tells them: who, which rule, until when and why."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.admission.result import AdmissionResult
from gate.provenance.moments import minute_of
from gate.reporting.inert import one_line

_WHY = 300
"""Characters of a reason where there is little room; pages show it whole."""


@dataclass(frozen=True, slots=True)
class UsedWaiver:
    """A waiver that covers a finding."""

    statement: str
    """The digest of the signed statement."""
    rule: str
    by: str
    """The name of a key that somebody trusts; text, none the less."""
    made: str
    until: str
    """Both as statements write time."""
    why: str
    findings: frozenset[str]
    """The ids that it names, found or not."""

    @property
    def sentence(self) -> str:
        """On one line, inert."""
        by, why = one_line(self.by, 80), one_line(self.why, _WHY)
        return f"{one_line(self.rule, 120)}: waived by {by} until {minute_of(self.until)}: {why}"


def waivers_used(result: AdmissionResult) -> list[UsedWaiver]:
    """The waivers that cover a finding of the result, the oldest first."""
    if not result.waivers:
        return []
    from gate.provenance.statements import Waiver

    return [
        UsedWaiver(
            one.digest,
            one.about.rule,
            one.author,
            one.made,
            one.about.until,
            one.about.why,
            frozenset(one.about.findings),
        )
        for one in result.waivers
        if isinstance(one.about, Waiver)
    ]


def with_ids(result: AdmissionResult) -> pl.DataFrame:
    """All findings with the column `finding`: their ids where a waiver is used, else null, since nobody asks."""
    if result.waivers:
        return result.findings.with_columns(finding_ids(result.findings))
    return result.findings.with_columns(pl.lit(None, dtype=pl.String).alias("finding"))


def sentences_of(result: AdmissionResult, findings: pl.DataFrame) -> list[str | None]:
    """What waives each finding; None where nothing does.

    Args:
        findings: a part of the result's, in any order, with the columns that `with_ids` adds.
    """
    used = waivers_used(result)
    if not used:
        return [None] * findings.height
    # A loop over as many findings as a report shows, and the few waivers.
    return [
        next((one.sentence for one in used if one.rule == rule and finding in one.findings), None)
        if state == "waived"
        else None
        for rule, finding, state in findings.select("rule", "finding", "state").iter_rows()
    ]
