"""How a rule ended: from what its check saw to passed, failed, warned, errored or skipped.

With a base only what is new counts: findings that involve a new row are flagged, and a share is one of the new rows.
What a waiver covers does not count either.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from gate.admission.bind import BoundRule
from gate.admission.result import FINDINGS, RuleOutcome, Status
from gate.admission.shards import Crash
from gate.checks.base import SEVERITIES, Measurement
from gate.data.frame import Kind

NO_NEW_ROWS = "no new rows"


@dataclass(frozen=True, slots=True)
class Against:
    """What a rule's outcome has to know of the comparison with a base."""

    rows: int
    """Examples of the kinds that the rule looks at, in the head."""
    new_rows: int
    """Those that the base does not have."""
    malformed: int
    """Malformed rows of these kinds."""
    new_malformed: int
    before: Measurement | Crash | None = None
    """What the check saw in the base; None where it had no file to look at there."""
    fixed: int = 0
    """Findings of the base that are gone."""

    @classmethod
    def of(
        cls,
        rows: pl.DataFrame,
        malformed: pl.DataFrame,
        old_malformed: pl.Series,
        kinds: Collection[Kind | None],
        before: Measurement | Crash | None = None,
        fixed: int = 0,
    ) -> Against:
        """Count the rows of some kinds.

        Args:
            rows: columns `kind` and `old` (gate.data.corpus.ROWS).
            malformed: column `kind`; old_malformed: whether the base has each of them too.
        """
        known = [kind for kind in kinds if kind is not None]
        own = rows.filter(pl.col("kind").is_in(known))
        unknown = pl.col("kind").is_null() if None in kinds else pl.lit(False)
        bad = malformed.select("kind", old=old_malformed).filter(pl.col("kind").is_in(known).fill_null(False) | unknown)
        return cls(
            own.height,
            own.height - int(own["old"].sum()),
            bad.height,
            bad.height - int(bad["old"].sum()),
            before,
            fixed,
        )

    def examined(self, examined: int) -> int:
        """How many new rows a check looked at that looked at so many in all.

        A check that looks at some of the rows only (those with a label, say) is taken to have looked at as large a
        part of the new ones.
        """
        if examined >= self.rows + self.malformed:
            return self.new_rows + self.new_malformed
        if examined >= self.rows:
            return self.new_rows
        return max(1, examined * self.new_rows // self.rows) if self.new_rows else 0


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


def outcome_of(
    bound: BoundRule,
    seen: Measurement | Crash,
    findings: pl.DataFrame,
    seconds: float,
    against: Against | None = None,
) -> RuleOutcome:
    """How a rule ended.

    Args:
        seen: what its check saw.
        findings: of this rule, as `finding_rows` gives them, or with states that a comparison with a base gave them.
        against: the comparison with a base; None: everything is new, and judged.
    """
    rule = bound.rule
    base = RuleOutcome(rule, bound.kinds, "errored", seconds=seconds)
    if isinstance(seen, Crash):
        return replace(base, reason=seen.reason, trace=seen.trace)
    if against is not None and isinstance(against.before, Crash):
        return replace(base, reason=f"in the base: {against.before.reason}", trace=against.before.trace)
    fixed = 0 if against is None else against.fixed
    if seen.skipped is not None:
        return replace(base, status="skipped", reason=seen.skipped, fixed=fixed)
    if seen.examined == 0:
        return replace(base, status="skipped", reason="there was nothing to look at", fixed=fixed)

    own = findings.filter(pl.col("severity") == rule.severity)
    # What has no state could not be compared, and counts.
    state = pl.col("state").cast(pl.String)
    unwaived = own.filter(state.ne_missing("waived"))
    flagged, whole = _flagged(unwaived.filter(state.ne_missing("unchanged")))
    examined = seen.examined if against is None else against.examined(seen.examined)
    tolerated = rule.allowance(examined)
    status: Status = "passed"
    reason: str | None = None
    if flagged > tolerated or whole > 0:
        if rule.severity != SEVERITIES[2]:
            status = "failed" if rule.severity == "error" else "warned"
        # With no new row at all nothing is tolerated; with a few, a share of them would be chance.
        if against is not None and whole == 0 and 0 < examined < _least(bound):
            status = "skipped"
            reason = f"{examined} new rows are too few to judge a share of (min_examples: {_least(bound)})"
    elif examined == 0:
        reason = NO_NEW_ROWS
    return replace(
        base,
        status=status,
        reason=reason,
        examined=examined,
        flagged=flagged + whole,
        unchanged=sum(_flagged(unwaived)) - flagged - whole,
        waived=sum(_flagged(own)) - sum(_flagged(unwaived)),
        fixed=fixed,
        tolerated=tolerated,
        figures=dict(seen.figures),
    )


def _least(bound: BoundRule) -> int:
    """How many new rows it takes to judge the rule; a count is judged on any."""
    return bound.rule.min_examples or 0 if bound.rule.on_share else 0


def _flagged(findings: pl.DataFrame) -> tuple[int, int]:
    """Distinct examples; and findings about a file or the dataset as a whole, which no tolerance covers."""
    rows = findings.filter(pl.col("row").is_not_null()).select("file", "row").n_unique()
    return rows, findings.filter(pl.col("row").is_null()).height
