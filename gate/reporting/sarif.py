"""Findings as SARIF 2.1.0, which code scanning services and editors read.

Section numbers are those of the OASIS standard. Services cap what they take (GitHub shows 5,000 results of a run), so
the worst are in it and a notification says how many are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import orjson
import polars as pl

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.checks import load
from gate.reporting.inert import one_line
from gate.reporting.levels import in_order
from gate.reporting.located import Located, located, named, repository_paths
from gate.reporting.worst import worst_first

MOST = 5_000
"""Results in one run."""

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_FINGERPRINT = "gateFinding/v1"
_ROOT = "%SRCROOT%"  # 3.14.14: by convention the root of the repository

Json = dict[str, object]


def to_sarif(result: AdmissionResult) -> bytes:
    """The log in UTF-8, with one run."""
    findings = worst_first(named(result))
    rules = _rules(result.outcomes, findings)
    index = {str(rule["id"]): number for number, rule in enumerate(rules)}
    somewhere = _somewhere(result)
    log: Json = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "gate", "semanticVersion": result.version, "rules": rules}},
                "automationDetails": {"id": f"gate/{one_line(result.dataset.root, 200)}/"},  # 3.17.3
                "invocations": [_invocation(result, findings.height)],
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(
                        each,
                        index,
                        somewhere,
                        compared=result.comparison is not None,
                        suppressing=bool(result.waivers),
                    )
                    for each in located(result, findings.head(MOST))
                ],
            }
        ],
    }
    return orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _result(finding: Located, index: dict[str, int], somewhere: str, *, compared: bool, suppressing: bool) -> Json:
    place: Json = {"artifactLocation": {"uri": quote(finding.path or somewhere), "uriBaseId": _ROOT}}
    if finding.path is not None and finding.line is not None:
        place["region"] = {"startLine": finding.line}
    about = {"code": finding.code, "row": finding.row, "field": finding.field, "remedy": finding.remedy}
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": _unlinked(finding.sentence if finding.path else f"The dataset: {finding.sentence}")},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {_FINGERPRINT: finding.fingerprint},
        "properties": {name: value for name, value in about.items() if value is not None},
    }
    if finding.state == "waived":
        justification = _unlinked(finding.waived or "waived")
        # 3.35: accepted by somebody outside of the code. Whether the base has it too, nobody looked.
        return result | {"suppressions": [{"kind": "external", "status": "accepted", "justification": justification}]}
    # 3.27.23: where one result has suppressions, every other one says that it has none.
    result |= {"suppressions": []} if suppressing else {}
    return result | ({"baselineState": finding.state} if compared else {})  # 3.27.24


def _unlinked(text: str) -> str:
    """Text in which no part is an embedded link (3.11.6), which viewers make clickable."""
    return text.replace("](", "] (")


def _rules(outcomes: Sequence[RuleOutcome], findings: pl.DataFrame) -> list[Json]:
    """A descriptor (3.49) of each rule that was judged or has findings."""
    rules: dict[str, Json] = {}
    found = dict(findings.group_by("rule", maintain_order=True).agg(pl.col("code").unique()).iter_rows())
    for outcome in in_order(outcomes):
        rule = outcome.rule
        name = one_line(rule.id, 120)
        rules.setdefault(
            name,
            {
                "id": name,
                "name": name,
                "shortDescription": {"text": name},
                "fullDescription": {"text": one_line(rule.why, 1_000) or name},
                "help": {"text": _help(rule.check, rule.id, rule.why, found.get(rule.id, []))},
                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
                "properties": {"check": one_line(rule.check, 120), "remedy": rule.remedy, "tags": ["dataset"]},
            },
        )
    for each in found:
        name = one_line(each, 120)
        rules.setdefault(name, {"id": name, "shortDescription": {"text": name}})
    return list(rules.values())


def _help(check: str, rule: str, why: str, found: Sequence[str | None]) -> str:
    """Why the rule is there, and what each code that it found means."""
    lines = [one_line(why, 1_000), "", f"gate rules explain {one_line(rule, 120)}"]
    try:
        codes = load(check).codes
    except KeyError:  # a rule of somebody's own check, whose codes are not known here
        return "\n".join(lines)
    told = [f"{one_line(code)}: {one_line(meaning)}" for code, meaning in codes.items() if code in found]
    return "\n".join([*lines, "", *told] if told else lines)


def _invocation(result: AdmissionResult, findings: int) -> Json:
    notes: list[Json] = [
        {
            "level": "error",
            "message": {
                "text": f"{one_line(outcome.rule.id)} could not be judged: {one_line(outcome.reason or '', 600)}"
            },
        }
        for outcome in result.outcomes
        if outcome.status == "errored"
    ]
    if findings > MOST:
        text = f"{findings - MOST:,} of {findings:,} findings were left out, the least severe; the JSON report has all"
        notes.append({"level": "warning", "message": {"text": text}})
    return {
        "executionSuccessful": result.verdict in ("pass", "fail"),  # 3.20.14: what was found is no matter of it
        "exitCode": result.exit_code,
        "exitCodeDescription": one_line(f"{result.verdict}: {result.reason}", 600),
        "toolExecutionNotifications": notes,
    }


def _somewhere(result: AdmissionResult) -> str:
    """A path for what is about the dataset as a whole: services show nothing without one."""
    files = result.dataset.files
    return repository_paths(result)[files[0].path] if files else one_line(result.dataset.root, 200)
