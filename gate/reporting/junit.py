"""The result as JUnit XML, which every CI server shows: one test case per rule.

The form is the one that the Ant task wrote and that Jenkins, GitLab and Azure read: suites, cases, and in a case
`failure` (not met), `error` (could not be judged) or `skipped`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import polars as pl

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.reporting.counts import base_told, findings_told, flagged_told
from gate.reporting.inert import one_line
from gate.reporting.kinds import kinds_of
from gate.reporting.levels import in_order, level_of
from gate.reporting.located import located, named
from gate.reporting.waivers import waivers_used
from gate.reporting.worst import worst_first

LISTED = 20
"""Findings in the text of one test case."""

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def to_junit(result: AdmissionResult) -> bytes:
    """The document in UTF-8."""
    findings = worst_first(named(result).filter(pl.col("state") == "new"))
    cases = [_case(outcome, result, findings) for outcome in in_order(result.outcomes)]
    if result.verdict != "pass" and not any(case.find("failure") is not None or _error(case) for case in cases):
        # Nothing may look as if it had passed because no rule was there to fail.
        case = ElementTree.Element("testcase", classname="gate", name="verdict", time="0")
        ElementTree.SubElement(case, "error", type=result.verdict, message=_plain(result.reason))
        cases.insert(0, case)
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(_error(case) for case in cases)),
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": f"{result.seconds:.3f}",
    }
    root = ElementTree.Element("testsuites", {"name": "gate", **totals})
    about = {"name": _plain(f"gate check {result.dataset.root}"), "timestamp": result.started}
    suite = ElementTree.SubElement(root, "testsuite", about | totals)
    suite.extend(cases)
    told = [findings_told(result)] + ([base_told(result.comparison)] if result.comparison else [])
    ElementTree.SubElement(suite, "system-out").text = _plain("; ".join(told))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(outcome: RuleOutcome, result: AdmissionResult, findings: pl.DataFrame) -> ElementTree.Element:
    rule = outcome.rule
    name = f"{rule.id} ({kinds_of(outcome, result)})"
    case = ElementTree.Element(
        "testcase", classname=_plain(f"gate.{rule.check}"), name=_plain(name), time=f"{outcome.seconds:.3f}"
    )
    counts = flagged_told([outcome])
    if outcome.status == "errored":
        ElementTree.SubElement(
            case, "error", type="errored", message=_plain(outcome.reason or "it could not be judged")
        )
    elif outcome.status == "skipped":
        ElementTree.SubElement(case, "skipped", message=_plain(outcome.reason or "it was skipped"))
    elif level_of(outcome, result) == "error":
        failure = ElementTree.SubElement(case, "failure", type=rule.severity, message=counts)
        failure.text = _listed(outcome, result, findings)
    elif outcome.flagged or outcome.waived:
        ElementTree.SubElement(case, "system-out").text = f"{counts}\n{_listed(outcome, result, findings)}"
    return case


def _listed(outcome: RuleOutcome, result: AdmissionResult, findings: pl.DataFrame) -> str:
    own = findings.filter(pl.col("rule") == outcome.rule.id, pl.col("severity") == outcome.rule.severity)
    lines = [f"{each.place}: {each.sentence}" for each in located(result, own.head(LISTED))]
    if own.height > LISTED:
        lines.append(f"and {own.height - LISTED:,} more")
    lines += [one.sentence for one in waivers_used(result) if one.rule == outcome.rule.id]
    return legal("\n".join([*lines, f"gate rules explain {one_line(outcome.rule.id)}"]))


def _error(case: ElementTree.Element) -> bool:
    return case.find("error") is not None


def _plain(text: str) -> str:
    return legal(one_line(text, 600))


def legal(text: str) -> str:
    """Without what no XML document may hold, not even as a reference."""
    return _ILLEGAL.sub("\ufffd", text)
