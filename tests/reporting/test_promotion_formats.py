"""A promotion for programs: JSON by its schema with the page's content, Markdown, JUnit, GitHub; each written whole."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from gate.errors import UsageError
from gate.promotion.decided import Decided
from gate.reporting.promotion_ci import EXIT_CODES, promotion_github, promotion_junit, publish_promotion
from gate.reporting.promotion_json import promotion_bytes, to_promotion_json
from gate.reporting.promotion_markdown import promotion_summary, to_promotion_markdown
from gate.reporting.promotion_outputs import FORMATS, promotion_output, write_output
from gate.reporting.promotion_page import promotion_page
from gate.reporting.promotion_schema import promotion_schema
from gate.reporting.promotion_terminal import write_promotion
from gate.reporting.promotion_told import Told

WHICH = ("passed", "failed", "unclear")


@pytest.fixture(params=WHICH)
def decided(request: pytest.FixtureRequest) -> Decided:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Decided)
    return found


def test_json_is_what_its_schema_says(decided: Decided, told: Told) -> None:
    schema = promotion_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(promotion_bytes(decided, told)))


def test_every_key_is_explained_or_speaks_for_itself() -> None:
    schema: Any = promotion_schema()
    assert set(schema["required"]) == set(schema["properties"])
    assert schema["properties"]["policy"]["type"] == "object"


def test_no_number_is_infinite_or_none_at_all(decided: Decided, told: Told) -> None:
    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [each for one in value.values() for each in numbers(one)]
        if isinstance(value, list | tuple):
            return [each for one in value for each in numbers(one)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(each) for each in numbers(to_promotion_json(decided, told)))


def test_the_twin_holds_what_the_page_shows(failed: Decided, told: Told) -> None:
    said, page = to_promotion_json(failed, told), promotion_page(failed, told)
    assert said["verdict"] == "fail"
    assert [each["said"] for each in said["reasons"]] == [each.said for each in page.reasons]
    assert len(said["outcomes"]) == len(failed.outcomes)
    assert [each["task"] for each in said["changed"]] == [each.task for each in page.changed.items]
    assert [each["id"] for each in said["outputs"]] == [each.id for each in page.reading.items]
    assert said["limitations"] == list(page.limitations)
    assert said["changed_counts"]["arithmetic"]["lost"] == 60
    assert {each["role"] for each in said["models"]} == {"candidate", "base", "champion"}
    assert said["curves"]["loss"][0] == [1, 2.95]
    assert said["data"][0]["excluded_by"] == {"exact_duplicates": 6}
    assert said["criteria_changes"] == [
        {"key": "demands.forgetting.no_worse.margin", "declared": "0.02", "applied": "0.03"}
    ]


def test_what_later_reports_plot_is_in_it(failed: Decided, passed: Decided) -> None:
    forgot, kept = to_promotion_json(failed), to_promotion_json(passed)
    assert forgot["learned"] == pytest.approx(0.5)
    assert forgot["forgotten"] is not None
    assert kept["forgotten"] is not None
    assert forgot["forgotten"] > 0.1 > kept["forgotten"]


def test_markdown_tells_verdict_reasons_and_every_task(decided: Decided) -> None:
    text = to_promotion_markdown(decided)
    assert text.startswith("<!-- gate:promotion:support-lora-1 -->\n### gate: ")
    for reason in decided.reasons:
        assert f"`{reason}`" in text
    for one in decided.outcomes:
        assert f"| `{one.task.task}` |" in text
    assert ("gate approve support-lora-1" in text) == (decided.verdict == "pass")


def test_markdown_is_bounded(failed: Decided) -> None:
    text = promotion_summary(failed, None, 2_000)
    assert len(text.encode()) <= 2_000
    assert "There is more" in text


def test_junit_has_a_case_for_each_demand(failed: Decided, unclear: Decided) -> None:
    root = ElementTree.fromstring(promotion_junit(failed))
    assert root.get("tests") == str(len(failed.outcomes))
    assert root.get("failures") == str(sum(one.verdict == "fail" for one in failed.outcomes))
    assert ElementTree.fromstring(promotion_junit(unclear)).get("errors") == "2"


def test_junit_never_looks_as_if_nothing_had_happened(unclear: Decided) -> None:
    from dataclasses import replace

    root = ElementTree.fromstring(promotion_junit(replace(unclear, outcomes=())))
    assert root.get("errors") == "1"


def test_github_says_what_failed_and_the_verdict_last(
    failed: Decided, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = promotion_github(failed).splitlines()
    assert lines[0].startswith("::error title=gate%3A arithmetic worse::")
    assert lines[-1].startswith("::error title=gate promote%3A fail::")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    publish_promotion(failed)
    assert (tmp_path / "output").read_text() == f"verdict=fail\nexit-code=1\nmodel={failed.candidate.model}\n"
    assert "Do not promote" in (tmp_path / "summary.md").read_text()
    assert EXIT_CODES == {"pass": 0, "fail": 1, "inconclusive": 3}


def test_a_terminal_of_80_columns(decided: Decided, told: Told) -> None:
    stream = io.StringIO()
    write_promotion(Console(file=stream, width=80), decided, told)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    for one in decided.outcomes:
        assert one.task.task in text


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_outputs_are_written_whole(name: str, failed: Decided, told: Told, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"report.{name}"
    assert write_output(failed, told, promotion_output(f"{name}={path}")) == path
    assert path.stat().st_size > 100
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_ending_names_the_format_and_nonsense_is_refused() -> None:
    assert promotion_output("a/b.html").format == "html"
    assert promotion_output("json").path is None
    with pytest.raises(UsageError, match="names no output format"):
        promotion_output("sarif")
