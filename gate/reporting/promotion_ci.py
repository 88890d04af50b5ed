"""A promotion for CI: JUnit XML with a case for each demand, and workflow commands for a job on GitHub."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

from gate.promotion.decided import Decided
from gate.reporting.github import SHOWN, SUMMARY_BYTES, Annotation
from gate.reporting.inert import one_line
from gate.reporting.junit import legal
from gate.reporting.promotion_lines import Line, lines
from gate.reporting.promotion_markdown import promotion_summary
from gate.reporting.promotion_told import Told

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


def promotion_junit(decided: Decided, told: Told | None = None) -> bytes:
    """The document in UTF-8: what is not met is a failure, what cannot be told an error, what decides nothing
    skipped."""
    cases = [_case(line) for line in lines(decided.outcomes, decided.alpha)]
    if decided.verdict != "pass" and not any(
        each.find("failure") is not None or each.find("error") is not None for each in cases
    ):
        # Nothing may look as if it had passed because no demand was there to fail.
        case = ElementTree.Element("testcase", classname="gate", name="verdict", time="0")
        ElementTree.SubElement(case, "error", type=decided.verdict, message=_plain("; ".join(decided.reasons)))
        cases.insert(0, case)
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(each.find("failure") is not None for each in cases)),
        "errors": str(sum(each.find("error") is not None for each in cases)),
        "skipped": str(sum(each.find("skipped") is not None for each in cases)),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", {"name": "gate", **totals})
    about = {"name": _plain(f"gate promote {decided.candidate.name}"), "timestamp": decided.made}
    suite = ElementTree.SubElement(root, "testsuite", about | totals)
    suite.extend(cases)
    ElementTree.SubElement(suite, "system-out").text = _plain("; ".join(decided.reasons))
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _case(line: Line) -> ElementTree.Element:
    one = line.outcome
    case = ElementTree.Element(
        "testcase", classname=f"gate.{one.suite}", name=_plain(f"{line.name}: {line.demand}"), time="0"
    )
    if line.edge == "skipped":
        ElementTree.SubElement(case, "skipped", message=_plain(f"{line.ended}: {one.why}"))
    elif one.verdict == "fail":
        ElementTree.SubElement(case, "failure", type="fail", message=_plain(one.why)).text = _plain(one.settles or "")
    elif one.verdict == "inconclusive":
        ElementTree.SubElement(case, "error", type="inconclusive", message=_plain(one.why)).text = _plain(
            one.settles or ""
        )
    else:
        ElementTree.SubElement(case, "system-out").text = _plain(one.why)
    return case


def promotion_github(decided: Decided, told: Told | None = None) -> str:
    """The workflow commands, one a line; the last one tells the verdict."""
    found = [line for line in lines(decided.outcomes, decided.alpha) if line.edge in ("fail", "inconclusive")]
    annotations = []
    for level, edge in (("error", "fail"), ("warning", "inconclusive")):
        of_level = [line for line in found if line.edge == edge][: SHOWN - 1]
        annotations += [
            Annotation(level, f"gate: {one_line(line.name, 80)} {line.ended}", one_line(line.outcome.why, 600))
            for line in of_level
        ]
    annotations += [Annotation("warning", "gate: mind", one_line(each, 600)) for each in decided.warnings[:SHOWN]]
    last = "notice" if decided.verdict == "pass" else "error"
    said = "; ".join(one_line(each, 600) for each in decided.reasons)
    annotations.append(Annotation(last, f"gate promote: {decided.verdict}", said))
    return "".join(f"{each}\n" for each in annotations)


def publish_promotion(decided: Decided, told: Told | None = None) -> None:
    """Append the summary and the outputs of the step to the files that GitHub's runner names, where it does.

    Raises:
        OSError: such a file cannot be written to.
    """
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        file = Path(path)
        taken = file.stat().st_size if file.exists() else 0
        _append(file, promotion_summary(decided, told, SUMMARY_BYTES - taken - 2))
    if path := os.environ.get("GITHUB_OUTPUT"):
        # Words and digests of gate's own only: a line feed in a value would set an output of somebody's choosing.
        code = EXIT_CODES[decided.verdict]
        _append(Path(path), f"verdict={decided.verdict}\nexit-code={code}\nmodel={decided.candidate.model}\n")


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text)


def _plain(text: str) -> str:
    return legal(one_line(text, 600))
