"""What the HTML report of a dataset shows, as plain values: the template only lays them out.

Everything here that came from the dataset is masked, cut and inert already; the template escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import polars as pl

from gate.admission.result import AdmissionResult, RuleOutcome, Status
from gate.data.frame import SkippedFile, SourceFile
from gate.folders import Folders
from gate.policy.model import Policy
from gate.reporting.changes import Change, changes
from gate.reporting.charts import Chart
from gate.reporting.clusters import Cluster, sample_clusters
from gate.reporting.excerpts import Excerpts, Piece, excerpts
from gate.reporting.findings import masked_findings, masked_malformed
from gate.reporting.inert import one_line
from gate.reporting.levels import STATUSES, in_order
from gate.reporting.waivers import UsedWaiver, waivers_used
from gate.reporting.worst import worst_first


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a long list one page holds."""

    findings: int = 1_200
    """In all; each rule gets an even part of it, and no more than `per_rule`."""
    per_rule: int = 200
    clusters: int = 8
    """Clusters of each rule."""
    pairs: int = 3
    """Pairs of each cluster."""
    text: int = 2_400
    """Characters of each text of a pair."""
    excerpt: int = 240
    """Characters of each text of a finding."""
    malformed: int = 100
    files: int = 200
    skipped: int = 100
    changes: int = 100
    fixed: int = 200

    def scaled(self, share: float) -> Limits:
        """A smaller page: every limit times a share below 1, but at least 1."""
        return Limits(*(max(1, int(getattr(self, each.name) * share)) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Row:
    """One finding."""

    severity: str
    state: str
    """`unchanged`: the base has it too; `waived`: a waiver covers it. Only `new` counts."""
    place: str
    field: str | None
    code: str
    message: str
    evidence: str | None
    score: float | None
    remedy: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one rule."""

    rule: str
    status: Status
    why: str
    total: int
    unchanged: int
    """How many of them the base has too."""
    waived: int
    """How many of them a waiver covers."""
    codes: tuple[tuple[str, int], ...]
    """How often each code was found, the most frequent first."""
    rows: tuple[Row, ...]
    clusters: tuple[Cluster, ...]
    clusters_total: int


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that could not be read."""

    place: str
    offset: int | None
    reason: str
    message: str
    head: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report."""

    result: AdmissionResult
    rows: int
    examples: int
    outcomes: tuple[RuleOutcome, ...]
    statuses: tuple[tuple[Status, int], ...]
    groups: tuple[Group, ...]
    charts: tuple[Chart, ...]
    malformed: tuple[MalformedRow, ...]
    malformed_total: int
    files: tuple[SourceFile, ...]
    files_total: int
    skipped: tuple[SkippedFile, ...]
    skipped_total: int
    policies: tuple[tuple[Policy, tuple[str, ...]], ...]
    """Each policy with the kinds it judged."""
    unchanged: int
    """Findings that the base has too."""
    waived: int
    """Findings that a waiver covers."""
    waivers: tuple[UsedWaiver, ...]
    changes: tuple[Change, ...]
    """Figures that differ from the base's, the riskiest first."""
    changes_total: int
    fixed: tuple[Row, ...]
    """Findings of the base that are gone."""
    fixed_total: int

    @property
    def anchors(self) -> dict[str, str]:
        """The id of each group's element, by rule: a number, since a rule's id is anybody's text."""
        return {group.rule: f"rule-{number}" for number, group in enumerate(self.groups, start=1)}


def page(result: AdmissionResult, drawn: Sequence[Chart], limits: Limits, folders: Folders | None = None) -> Page:
    """Choose what is shown of a result.

    Args:
        drawn: the charts, which do not depend on the limits.
        folders: where a team's own thresholds of changes may lie.
    """
    dataset = result.dataset
    outcomes = tuple(in_order(result.outcomes))
    changed = changes(result, folders)
    gone = None if result.comparison is None else result.comparison.fixed
    counted = {status: sum(outcome.status == status for outcome in outcomes) for status in STATUSES}
    malformed = masked_malformed(dataset.malformed.head(limits.malformed))
    return Page(
        result=result,
        rows=sum(file.rows for file in dataset.files),
        examples=sum(file.examples for file in dataset.files),
        outcomes=outcomes,
        statuses=tuple((status, count) for status, count in counted.items() if count),
        groups=_groups(result, outcomes, limits),
        charts=tuple(drawn),
        malformed=tuple(_malformed(row) for row in malformed.iter_rows(named=True)),
        malformed_total=dataset.malformed.height,
        files=dataset.files[: limits.files],
        files_total=len(dataset.files),
        skipped=dataset.skipped[: limits.skipped],
        skipped_total=len(dataset.skipped),
        policies=_policies(result.policies),
        unchanged=result.findings.filter(pl.col("state") == "unchanged").height,
        waived=result.findings.filter(pl.col("state") == "waived").height,
        waivers=tuple(waivers_used(result)),
        changes=changed[: limits.changes],
        changes_total=len(changed),
        fixed=() if gone is None else _fixed(gone.head(limits.fixed)),
        fixed_total=0 if gone is None else gone.height,
    )


def _fixed(findings: pl.DataFrame) -> tuple[Row, ...]:
    """Findings of the base: their rows are not here, so there is no text to show of them."""
    nothing = Excerpts({}, {}, {})
    return tuple(_row(row, nothing, Limits()) for row in masked_findings(findings).iter_rows(named=True))


def _groups(result: AdmissionResult, outcomes: Sequence[RuleOutcome], limits: Limits) -> tuple[Group, ...]:
    present = set(result.findings["rule"].unique())
    rules = list(dict.fromkeys(outcome.rule.id for outcome in outcomes if outcome.rule.id in present))
    rules += sorted(present - set(rules))
    if not rules:
        return ()
    each = max(1, min(limits.per_rule, limits.findings // len(rules)))
    ranked = worst_first(result.findings)
    samples = {rule: ranked.filter(pl.col("rule") == rule).head(each) for rule in rules}
    paired = {
        rule: sample_clusters(ranked.filter(pl.col("rule") == rule), limits.clusters, limits.pairs) for rule in rules
    }
    shown_rows = [*samples.values(), *(sample.findings for sample in paired.values())]
    texts = excerpts(result.dataset, pl.concat(shown_rows), result.findings)
    by_rule = {outcome.rule.id: outcome for outcome in reversed(outcomes)}  # the worst outcome of each rule
    groups = []
    for rule in rules:
        outcome = by_rule.get(rule)
        found = result.findings.filter(pl.col("rule") == rule)
        codes = found["code"].value_counts(sort=True).head(12)
        groups.append(
            Group(
                rule=rule,
                status=outcome.status if outcome else "failed",
                why=outcome.rule.why if outcome else "",
                total=found.height,
                unchanged=found.filter(pl.col("state") == "unchanged").height,
                waived=found.filter(pl.col("state") == "waived").height,
                codes=tuple((one_line(code or "–", 60), count) for code, count in codes.iter_rows()),
                rows=tuple(_row(row, texts, limits) for row in masked_findings(samples[rule]).iter_rows(named=True)),
                clusters=paired[rule].side_by_side(texts, limits.text),
                clusters_total=paired[rule].total,
            )
        )
    return tuple(groups)


def _row(finding: dict[str, object], texts: Excerpts, limits: Limits) -> Row:
    def text(name: str) -> str | None:
        value = finding[name]
        return None if value is None else str(value)

    evidence, score = text("evidence"), finding["score"]
    return Row(
        severity=str(finding["severity"]),
        state=str(finding["state"] or "new"),
        place=place_of(finding["file"], finding["row"]),
        field=None if finding["field"] is None else one_line(str(finding["field"]), 80),
        code=one_line(text("code") or "", 60),
        message=one_line(text("message") or "", 400),
        evidence=None if evidence is None else one_line(evidence, limits.excerpt),
        score=score if isinstance(score, float) else None,
        remedy=str(finding["remedy"]),
        pieces=tuple(_pieces(finding, texts, limits.excerpt)),
    )


def _pieces(finding: dict[str, object], texts: Excerpts, width: int) -> list[Piece]:
    """The words that a finding is about: around its span, else its field, else the example's first and last text."""
    file, row, name = finding["file"], finding["row"], finding["field"]
    start, end = finding["start"], finding["end"]
    if not isinstance(file, str) or not isinstance(row, int):
        return []
    place = (file, row)
    if isinstance(name, str) and isinstance(start, int) and isinstance(end, int):
        around = texts.around(place, name, start, min(end, start + width), width // 2)
        return [Piece("", around)] if around is not None else []
    if isinstance(name, str) and (opening := texts.field_opening(place, name, width)):
        return opening
    return texts.opening(place, 2, width)


def place_of(file: object, row: object) -> str:
    """`file:row`, the file alone, or the dataset."""
    if file is None:
        return "the dataset"
    return one_line(str(file), 200) + ("" if row is None else f":{row}")


def _malformed(row: dict[str, object]) -> MalformedRow:
    offset = row["offset"]
    return MalformedRow(
        place=place_of(row["file"], row["row"]),
        offset=offset if isinstance(offset, int) else None,
        reason=one_line(str(row["reason"] or ""), 60),
        message=one_line(str(row["message"] or ""), 300),
        head=one_line(str(row["head"] or ""), 200),
    )


def _policies(policies: dict[str, Policy]) -> tuple[tuple[Policy, tuple[str, ...]], ...]:
    """Policies with the same demands are one line."""
    by_digest: dict[tuple[str, str], tuple[Policy, list[str]]] = {}
    for kind, policy in policies.items():
        by_digest.setdefault((policy.name, policy.digest), (policy, []))[1].append(kind)
    return tuple((policy, tuple(kinds)) for policy, kinds in by_digest.values())
