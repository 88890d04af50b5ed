"""What a waiver covers is told wherever outcomes are shown: who, until when and why, and never as what counts."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import polars as pl
import pytest
from rich.console import Console

from gate.admission.finding_ids import finding_ids
from gate.admission.result import FINDINGS, AdmissionResult
from gate.provenance.envelope import Envelope
from gate.provenance.statements import Statement, Waiver
from gate.reporting.github import publish, to_github
from gate.reporting.gitlab import to_gitlab
from gate.reporting.html import to_html
from gate.reporting.json_report import result_schema, to_json
from gate.reporting.junit import to_junit
from gate.reporting.markdown import to_markdown
from gate.reporting.sarif import to_sarif
from gate.reporting.terminal import render

SARIF = json.loads((Path(__file__).parent / "sarif_parts.json").read_text())
WHY = "checked by hand"
TOLD = f"waived by Ana Ruiz until 2026-12-01 00:00 UTC: {WHY}"


def waived_result(result: AdmissionResult, why: str = WHY, by: str = "Ana Ruiz") -> AdmissionResult:
    """The same, where a waiver covers both findings of pii."""
    ids = result.findings.with_columns(finding_ids(result.findings)).filter(pl.col("rule") == "pii")["finding"]
    about = Waiver(rule="pii", findings=ids.to_list(), until="2026-12-01T00:00:00.000000Z", why=why)
    nothing = Envelope("d" * 64, b"", {}, "k" * 64, b"")
    waiver = Statement("d" * 64, "2026-11-01T00:00:00.000000Z", by, "k" * 64, (), None, "0", about, nothing)
    state = pl.when(pl.col("rule") == "pii").then(pl.lit("waived")).otherwise("state").cast(FINDINGS["state"])
    changed = {"status": "passed", "flagged": 0, "waived": 2, "waivers": (waiver,)}
    outcomes = tuple(
        replace(each, **(changed if each.rule.id == "pii" else {}))  # type: ignore[arg-type]
        for each in result.outcomes
    )
    return replace(result, outcomes=outcomes, findings=result.findings.with_columns(state=state))


@pytest.fixture
def waived(small: AdmissionResult) -> AdmissionResult:
    return waived_result(small)


def shown(result: AdmissionResult) -> str:
    written = io.StringIO()
    render(result, Console(width=120, file=written))
    return " ".join(written.getvalue().split())


def test_a_result_names_the_statements_that_it_rests_on(waived: AdmissionResult, small: AdmissionResult) -> None:
    assert waived.waived == ("d" * 64,)
    assert small.waived == ()


def test_json(waived: AdmissionResult) -> None:
    document = json.loads(to_json(waived))
    jsonschema.validate(document, result_schema())
    (rule,) = [each for each in document["rules"] if each["id"] == "pii"]
    assert (rule["status"], rule["flagged"], rule["waived"]) == ("passed", 0, 2)
    assert [each["state"] for each in document["findings"] if each["rule"] == "pii"] == ["waived"] * 2
    (waiver,) = document["waivers"]
    assert waiver == {
        "statement": "d" * 64,
        "rule": "pii",
        "by": "Ana Ruiz",
        "made": "2026-11-01T00:00:00.000000Z",
        "until": "2026-12-01T00:00:00.000000Z",
        "why": WHY,
    }


def test_json_gives_each_finding_the_id_that_a_waiver_names(small: AdmissionResult) -> None:
    document = json.loads(to_json(small))
    assert [each["finding"] for each in document["findings"]] == finding_ids(small.findings).to_list()


def test_terminal(waived: AdmissionResult, small: AdmissionResult) -> None:
    text = shown(waived)
    assert f"pii: {TOLD}" in text
    assert "pii chat 0 2 7 0 passed" in text
    assert "; waived: 2" not in shown(small)
    assert "errors, 3 warnings; waived: 2" in text
    assert "an access key" not in text  # none of the worst findings


def test_terminal_with_a_base(compared: AdmissionResult) -> None:
    text = shown(waived_result(compared))
    assert "waived: 2; fixed: 1" in text
    assert f"pii: {TOLD}" in text


def test_junit(waived: AdmissionResult) -> None:
    root = ElementTree.fromstring(to_junit(waived))
    (case,) = [each for each in root.iter("testcase") if each.get("name") == "pii (chat)"]
    assert case.find("failure") is None
    assert "0 of 7 flagged, 0 tolerated, 2 waived" in (case.findtext("system-out") or "")
    assert TOLD in (case.findtext("system-out") or "")


def test_sarif(waived: AdmissionResult, compared: AdmissionResult) -> None:
    for result in (waived, waived_result(compared)):
        log = json.loads(to_sarif(result))
        jsonschema.validate(log, SARIF)
        results = log["runs"][0]["results"]
        pii = [each for each in results if each["ruleId"] == "pii"]
        assert len(pii) == 2
        for each in pii:
            (one,) = each["suppressions"]
            assert (one["kind"], one["status"]) == ("external", "accepted")
            assert TOLD in one["justification"]
            assert "baselineState" not in each
        assert all(each["suppressions"] == [] for each in results if each["ruleId"] != "pii")


def test_sarif_has_no_suppressions_where_nothing_is_waived(small: AdmissionResult) -> None:
    assert b"suppressions" not in to_sarif(small)


def test_markdown(waived: AdmissionResult) -> None:
    text = to_markdown(waived)
    assert f"#### Waivers\n\n- `pii: {TOLD}`" in text
    assert "| rule | flagged | waived | examined | tolerated | ended |" in text
    assert "| `pii` | 0 | 2 | 7 | 0 | passed |" in text


def test_markdown_tells_of_a_waiver_even_where_every_rule_passed(make: Any, waived: AdmissionResult) -> None:
    passed = tuple(replace(each, status="passed", flagged=0) for each in waived.outcomes)
    assert TOLD in to_markdown(replace(waived, outcomes=passed, verdict="pass"))


def test_github(waived: AdmissionResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = to_github(waived).splitlines()
    assert not any("gate%3A pii" in line for line in lines)
    assert TOLD in lines[-1]
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    publish(waived)
    assert {"new=5", "unchanged=0", "waived=2"} <= set((tmp_path / "outputs").read_text().splitlines())


def test_gitlab(waived: AdmissionResult) -> None:
    issues = [each for each in json.loads(to_gitlab(waived)) if each["check_name"] == "pii"]
    assert [each["severity"] for each in issues] == ["info", "info"]
    assert all(TOLD in each["description"] for each in issues)


def test_html(waived: AdmissionResult) -> None:
    page = to_html(waived)
    assert "2 waived" in page
    assert WHY in page
    assert "2026-12-01 00:00 UTC" in page


def test_a_hostile_reason_does_nothing(small: AdmissionResult, make: Any) -> None:
    result = waived_result(small, why=make.hostile + "\n::error::boo", by=make.hostile)
    for text in (shown(result), to_markdown(result), to_html(result), to_json(result).decode()):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script>document.title" not in to_html(result)
    assert not any(line.startswith("::error::boo") for line in to_github(result).splitlines())
    ElementTree.fromstring(to_junit(result))
