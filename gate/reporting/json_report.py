"""The result as one JSON document, `gate.result/1`, for machines; `gate.reporting.schema` says what its keys mean."""

from __future__ import annotations

import re
from typing import cast

import orjson
import polars as pl

from gate.admission.finding_ids import finding_ids
from gate.admission.result import AdmissionResult, Comparison, RuleOutcome
from gate.data.frame import SourceFile
from gate.policy.model import Policy
from gate.reporting.findings import masked_findings, masked_malformed
from gate.reporting.schema import (
    SCHEMA,
    ComparisonEntry,
    FileEntry,
    FindingEntry,
    MalformedEntry,
    PolicyEntry,
    Profile,
    ResultDocument,
    RuleEntry,
    SkippedEntry,
    WaiverEntry,
    result_schema,
)
from gate.reporting.waivers import UsedWaiver, waivers_used

__all__ = ["document", "figures_of", "profile_of", "result_schema", "to_json"]

# Valid in JSON as they are, but able to rearrange or hide what a terminal shows: DEL, C1, bidirectional, invisible.
_UNSEEN = re.compile("[\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def to_json(result: AdmissionResult) -> bytes:
    """The document in UTF-8, indented, with a final line feed; NaN and infinities become null."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    text = orjson.dumps(document(result), option=options, default=str).decode()
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()


def document(result: AdmissionResult) -> ResultDocument:
    """The document before it is written out."""
    return ResultDocument(
        schema=SCHEMA,
        version=result.version,
        verdict=result.verdict,
        reason=_valid(result.reason),
        exit_code=result.exit_code,  # type: ignore[typeddict-item]  # an int of EXIT_CODES
        fail_on=result.fail_on,
        started=result.started,
        seconds=round(result.seconds, 3),
        root=_valid(result.dataset.root),
        rules=[_rule(outcome) for outcome in result.outcomes],
        findings=_findings(result.findings, finding_ids(result.findings)),
        files=[_file(file) for file in result.dataset.files],
        skipped=[SkippedEntry(path=_valid(each.path), reason=_valid(each.reason)) for each in result.dataset.skipped],
        malformed=cast(list[MalformedEntry], masked_malformed(result.dataset.malformed).to_dicts()),
        policies={kind: _policy(policy) for kind, policy in result.policies.items()},
        profile=profile_of(result),
        comparison=None if result.comparison is None else _comparison(result.comparison),
        waivers=[_waiver(each) for each in waivers_used(result)],
    )


def profile_of(result: AdmissionResult) -> Profile:
    """The profile, with paths that are not Unicode made so."""
    return figures_of(result.profile)


def figures_of(figures: dict[str, object]) -> Profile:
    """Figures of a dataset, with paths that are not Unicode made so."""
    profile = cast(Profile, dict(figures))
    if "files" in profile:
        profile["files"] = [{**file, "path": _valid(file["path"])} for file in profile["files"]]
    return profile


def _rule(outcome: RuleOutcome) -> RuleEntry:
    rule = outcome.rule
    return RuleEntry(
        id=rule.id,
        check=rule.check,
        kinds=list(outcome.kinds),
        status=outcome.status,
        severity=rule.severity,
        remedy=rule.remedy,
        why=rule.why,
        tolerate=rule.tolerate,
        examined=outcome.examined,
        flagged=outcome.flagged,
        unchanged=outcome.unchanged,
        waived=outcome.waived,
        fixed=outcome.fixed,
        tolerated=outcome.tolerated,
        reason=None if outcome.reason is None else _valid(outcome.reason),
        trace=None if outcome.trace is None else _valid(outcome.trace),
        parameters=dict(rule.params),
        figures=dict(outcome.figures),
        seconds=round(outcome.seconds, 3),
    )


def _comparison(comparison: Comparison) -> ComparisonEntry:
    return ComparisonEntry(
        base=_valid(comparison.base),
        revision=comparison.revision,
        rows=comparison.rows,
        new=comparison.new,
        unchanged=comparison.unchanged,
        removed=comparison.removed,
        fixed=_findings(comparison.fixed, pl.lit(None).alias("finding")),
        profile=figures_of(comparison.profile),
    )


def _findings(findings: pl.DataFrame, ids: pl.Series | pl.Expr) -> list[FindingEntry]:
    return cast(list[FindingEntry], masked_findings(findings).select(ids, pl.all()).to_dicts())


def _waiver(used: UsedWaiver) -> WaiverEntry:
    return WaiverEntry(
        statement=used.statement, rule=used.rule, by=used.by, made=used.made, until=used.until, why=used.why
    )


def _file(file: SourceFile) -> FileEntry:
    return FileEntry(
        path=_valid(file.path),
        bytes=file.bytes,
        sha256=file.sha256,
        format=file.format,
        shape=file.shape,
        split=file.split,
        rows=file.rows,
        examples=file.examples,
        malformed=file.malformed,
    )


def _policy(policy: Policy) -> PolicyEntry:
    return PolicyEntry(name=policy.name, digest=policy.digest, files=list(policy.files))


def _valid(text: str) -> str:
    """Lone surrogates (file names that are not UTF-8) spelled out: JSON cannot carry them."""
    return text.encode("utf-8", "backslashreplace").decode()
