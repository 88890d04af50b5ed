"""Findings as a Code Quality report for GitLab, which shows them beside the lines of a merge request.

The format is a list of issues (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format). GitLab
compares the reports of two branches by fingerprint, so all findings are in it, unchanged ones as well.
"""

from __future__ import annotations

import orjson

from gate.admission.result import AdmissionResult
from gate.reporting.inert import one_line
from gate.reporting.levels import in_order
from gate.reporting.located import located, named, repository_paths
from gate.reporting.worst import worst_first

MOST = 5_000
"""Issues in one report, the worst first; one of the rest says how many were left out."""

_SEVERITIES = {"error": "critical", "warning": "minor", "info": "info"}


def to_gitlab(result: AdmissionResult) -> bytes:
    """The report, as JSON."""
    findings = worst_first(named(result))
    somewhere = _somewhere(result)
    issues = [
        _issue(
            each.sentence if each.waived is None else f"{each.sentence} ({each.waived})",
            each.rule,
            each.fingerprint,
            _SEVERITIES["info" if each.state == "waived" else each.severity],
            each.path or somewhere,
            each.line,
        )
        for each in located(result, findings.head(MOST))
    ]
    stopped = [outcome for outcome in in_order(result.outcomes) if outcome.status == "errored"]
    for number, outcome in enumerate(stopped):
        text = f"the rule could not be judged: {_plain(outcome.reason or '')}"
        name = _plain(outcome.rule.id)
        issues.insert(number, _issue(text, name, f"errored-{number}-{name}", "blocker", somewhere, None))
    if findings.height > MOST:
        text = f"{findings.height - MOST:,} more findings were left out; the JSON report has all of them"
        issues.append(_issue(text, "gate", "left-out", "info", somewhere, None))
    if result.verdict in ("error", "inconclusive") and not stopped:
        issues.insert(0, _issue(_plain(result.reason), "gate", "verdict", "blocker", somewhere, None))
    return orjson.dumps(issues, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _issue(
    description: str, rule: str, fingerprint: str, severity: str, path: str, line: int | None
) -> dict[str, object]:
    return {
        "description": description,
        "check_name": rule,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line or 1}},
    }


def _somewhere(result: AdmissionResult) -> str:
    """A path for what is about no file: GitLab shows nothing without one."""
    files = result.dataset.files
    return repository_paths(result)[files[0].path] if files else _plain(result.dataset.root)


def _plain(text: str) -> str:
    return one_line(text, 400)
