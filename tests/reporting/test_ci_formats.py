"""What every output for CI has in common: masked, inert, at a path and a line, with a name that stays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.reporting import github, gitlab, sarif
from gate.reporting.github import publish, to_github
from gate.reporting.gitlab import to_gitlab
from gate.reporting.junit import to_junit
from gate.reporting.located import located, named
from gate.reporting.sarif import to_sarif

SARIF = json.loads((Path(__file__).parent / "sarif_parts.json").read_text())


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def fingerprints(result: AdmissionResult) -> dict[tuple[str, str], list[str]]:
    """By rule and content, in the order of rows and places in them."""
    rows = named(result).sort("file", "row", "start")
    ids = rows["id"].to_list()
    found: dict[tuple[str, str], list[str]] = {}
    for each, content in zip(located(result, rows), ids, strict=True):
        found.setdefault((each.rule, content or ""), []).append(each.fingerprint)
    return found


class TestFingerprints:
    def test_they_are_unique(self, make: Any) -> None:
        row = make.chat(1, "a", "b")
        twins = [row, make.chat(2, "a", "b"), make.chat(1, "a", "b", file="other.jsonl")]
        found = [make.finding("r", each) for each in twins] + [
            make.finding("r", row),
            make.finding("r", row, field="x"),
        ]
        given = [one for each in fingerprints(make.build(twins, found, [])).values() for one in each]
        assert len(set(given)) == len(given) == 5

    def test_they_stay_when_rows_move(self, make: Any) -> None:
        def built(shift: int) -> AdmissionResult:
            rows = [make.chat(number + shift, f"p{number}", "a") for number in range(1, 6)]
            rows.append(make.chat(20 + shift, "p1", "a"))
            found = [make.finding("r", row, message=f"row {row['row']}", start=1, end=2) for row in rows]
            found.append(make.finding("r", rows[0], message="again", start=4, end=5))
            # Whatever order they come in, as that of the most severe first does change.
            return make.build(rows, found[::-1] if shift else found, [])  # type: ignore[no-any-return]

        assert fingerprints(built(0)) == fingerprints(built(100))

    def test_a_row_that_cannot_be_read_is_known_by_its_bytes(self, make: Any) -> None:
        def built(row: int, digest: str) -> list[str]:
            bad = {"file": "a.jsonl", "row": row, "line": row, "offset": 1, "digest": digest, "kind": None,
                   "reason": "invalid_json", "message": "m", "head": "h"}  # fmt: skip
            found = make.finding("structure", None, file="a.jsonl", row=row)
            (given,) = fingerprints(make.build([], [found], [], malformed=[bad])).values()
            return given

        assert built(1, "d1") == built(5, "d1")
        assert built(1, "d1") != built(1, "d2")


class TestPlaces:
    def place(self, result: AdmissionResult) -> str:
        return located(result, named(result))[0].place

    @pytest.fixture
    def result(self, make: Any) -> AdmissionResult:
        row = make.chat(3, "a", "b", line=7)
        return make.build([row], [make.finding("r", row)], [])  # type: ignore[no-any-return]

    def test_a_line_is_the_files_and_not_the_rows_number(self, result: AdmissionResult) -> None:
        assert self.place(result) == "data/train.jsonl:7"

    def test_a_format_without_lines_names_the_row(self, make: Any) -> None:
        row = make.chat(3, "a", "b", line=None, file="t.parquet")
        assert self.place(make.build([row], [make.finding("r", row)], [])) == "data/t.parquet row 3"

    def test_the_current_folder_is_named_by_its_name(
        self, result: AdmissionResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`gate check .` in a folder `data`: its root reads `data`, and so does that of a folder of this name in it."""
        here = tmp_path / "data"
        here.mkdir()
        (here / "train.jsonl").touch()
        monkeypatch.chdir(here)
        assert self.place(result) == "train.jsonl:7"
        (here / "data").mkdir()
        (here / "train.jsonl").rename(here / "data" / "train.jsonl")
        assert self.place(result) == "data/train.jsonl:7"

    def test_a_job_in_a_folder_of_the_repository_names_the_repositorys_paths(
        self, result: AdmissionResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
        assert self.place(result) == "sub/data/train.jsonl:7"

    def test_what_lies_elsewhere_says_nothing_of_where(self, result: AdmissionResult, tmp_path: Path) -> None:
        away = replace(result.dataset, root=str(tmp_path / "elsewhere"))  # type: ignore[type-var]
        assert self.place(replace(result, dataset=away)) == "train.jsonl:7"


class TestGithub:
    def lines(self, result: AdmissionResult) -> list[str]:
        return to_github(result).splitlines()

    def test_one_for_each_rule_first_what_blocks_before_what_warns(self, small: AdmissionResult) -> None:
        titles = [re.findall(r"::(\w+) .*?title=([^:]+)::", line)[0] for line in self.lines(small)]
        assert titles[:3] == [
            ("error", "gate%3A names could not be judged"),
            ("error", "gate%3A near_duplicates"),
            ("error", "gate%3A pii"),
        ]
        assert [level for level, _ in titles] == sorted(
            (level for level, _ in titles), key=["error", "warning", "notice"].index
        )

    def test_an_unchanged_finding_of_a_rule_that_fails_is_not_annotated(self, make: Any) -> None:
        rows = [make.chat(number, f"p{number}", "a") for number in (1, 2)]
        found = [make.finding("r", rows[0], state="unchanged", score=1.0), make.finding("r", rows[1])]
        lines = self.lines(make.build(rows, found, [RuleOutcome(make.rule("r"), ("chat",), "failed", 2, 1, 0)]))
        assert [re.findall(r"line=(\d+)", line) for line in lines] == [["2"], []]

    def test_only_what_is_new_is_annotated(self, compared: AdmissionResult) -> None:
        assert not [line for line in self.lines(compared) if "near_duplicates" in line]
        assert "new: 2 errors, 3 warnings; unchanged: 2; fixed: 1" in self.lines(compared)[-1]

    @pytest.mark.parametrize("rules", [9, 10, 11, 40])
    def test_ten_of_a_level_at_most_and_no_rule_is_passed_over(self, make: Any, rules: int) -> None:
        rows = [make.chat(number, f"p{number}", "a") for number in range(1, 31)]
        found = [make.finding(f"rule_{n:02}", row) for n in range(rules) for row in rows]
        outcomes = [RuleOutcome(make.rule(f"rule_{n:02}"), ("chat",), "failed", 30, 30, 0) for n in range(rules)]
        lines = self.lines(make.build(rows, found, outcomes))
        errors = [line for line in lines if line.startswith("::error")]
        assert len(errors) == github.SHOWN
        assert all(f"rule_{n:02}" in "\n".join(errors) for n in range(rules))

    def test_escaping(self, make: Any) -> None:
        row = make.chat(1, "a", "b", file="a,b:c%0A::d\n.jsonl")
        found = make.finding("r", row, message="50 % of\nit :: , done")
        (line, *_) = self.lines(make.build([row], [found], [RuleOutcome(make.rule("r"), ("chat",), "failed", 1, 1, 0)]))
        assert line.startswith(
            "::error file=data/a%2Cb%3Ac%250A%3A%3Ad .jsonl,line=1,title=gate%3A r::50 %25 of it :: , done%0A"
        )

    def test_a_verdict_that_no_rule_explains_is_an_error_too(self, make: Any) -> None:
        lines = self.lines(make.build([], [], [], verdict="inconclusive", reason="nothing was judged"))
        assert lines == ["::error title=gate%3A inconclusive::nothing was judged; no findings"]

    def test_warnings_that_fail_are_errors(self, small: AdmissionResult) -> None:
        assert "::error" in next(line for line in self.lines(replace(small, fail_on="warning")) if "structure" in line)

    def test_summary_and_outputs_are_appended_and_bounded(
        self, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [make.chat(number, f"p{number}", "a") for number in range(1, 31)]
        found = [make.finding(f"r{n}", row, message="m" * 400) for n in range(400) for row in rows]
        outcomes = [RuleOutcome(make.rule(f"r{n}"), ("chat",), "failed", 30, 30, 0) for n in range(400)]
        result = make.build(rows, found, outcomes)
        summary, outputs = tmp_path / "summary", tmp_path / "outputs"
        summary.write_text("x" * 1000)
        outputs.write_text("other=1\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
        publish(result)
        assert 900_000 < summary.stat().st_size <= github.SUMMARY_BYTES
        assert summary.read_text().startswith("x" * 1000 + "### gate: fail")
        assert "There is more" in summary.read_text()
        assert outputs.read_text().splitlines() == [
            "other=1", "verdict=fail", "exit-code=1", "new=12000", "unchanged=0", "fixed=0", "waived=0",
        ]  # fmt: skip


class TestSarif:
    def test_it_is_valid(self, small: AdmissionResult, compared: AdmissionResult, make: Any) -> None:
        jsonschema.Draft202012Validator.check_schema(SARIF)
        for result in (small, compared, make.build([], [], [])):
            jsonschema.validate(json.loads(to_sarif(result)), SARIF)

    def test_the_schema_would_refuse_what_is_none(self, small: AdmissionResult) -> None:
        log = json.loads(to_sarif(small))
        log["runs"][0]["results"][0]["levle"] = "error"
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(log, SARIF)

    def test_rules_say_why_and_what_their_codes_mean(self, small: AdmissionResult) -> None:
        run = json.loads(to_sarif(small))["runs"][0]
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        helps = {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]}
        assert "A reason for pii" in helps["pii"]
        assert "EMAIL_ADDRESS: An e-mail address" in helps["pii"]

    def test_the_base_is_told_only_where_there_is_one(self, small: AdmissionResult, compared: AdmissionResult) -> None:
        states = [result.get("baselineState") for result in json.loads(to_sarif(compared))["runs"][0]["results"]]
        assert sorted(states) == ["new"] * 5 + ["unchanged"] * 2
        assert not [r for r in json.loads(to_sarif(small))["runs"][0]["results"] if "baselineState" in r]

    def test_the_most_severe_are_kept_and_the_cut_is_told(self, make: Any) -> None:
        rows = [make.chat(number, f"p{number}", "a") for number in range(1, 5_101)]
        found = [make.finding("mild", row, severity="info") for row in rows[:200]]
        found += [make.finding("grave", row) for row in rows[:4_990]]
        log = json.loads(to_sarif(make.build(rows, found, [])))
        jsonschema.validate(log, SARIF)
        (run,) = log["runs"]
        assert len(run["results"]) == sarif.MOST
        assert sum(result["level"] == "error" for result in run["results"]) == 4_990
        (note,) = run["invocations"][0]["toolExecutionNotifications"]
        assert note["message"]["text"].startswith("190 of 5,190 findings were left out")

    def test_a_rule_that_could_not_be_judged_is_a_notification(self, small: AdmissionResult) -> None:
        (invocation,) = json.loads(to_sarif(replace(small, verdict="error")))["runs"][0]["invocations"]
        assert invocation["executionSuccessful"] is False
        assert "names could not be judged" in invocation["toolExecutionNotifications"][0]["message"]["text"]

    def test_no_text_becomes_a_link(self, make: Any) -> None:
        row = make.chat(1, "a", "b")
        text = to_sarif(make.build([row], [make.finding("r", row, message="[x](http://evil.example)")], [])).decode()
        assert "](" not in text


class TestJunit:
    def test_one_case_a_rule_each_with_its_end(self, small: AdmissionResult) -> None:
        root = ElementTree.fromstring(to_junit(small))
        ends = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
        assert ends == {
            "names (chat)": ["error"],
            "near_duplicates (chat)": ["failure"],
            "pii (chat)": ["failure"],
            "structure (chat)": ["system-out"],
            "exact_duplicates (chat)": [],
            "expectations (chat, unreadable)": ["skipped"],
        }
        assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "2", "1", "1"]

    def test_warnings_that_fail_are_failures(self, small: AdmissionResult) -> None:
        root = ElementTree.fromstring(to_junit(replace(small, fail_on="warning")))
        assert root.get("failures") == "3"

    @pytest.mark.parametrize("verdict", ["inconclusive", "error", "fail"])
    def test_nothing_looks_passed_because_no_rule_failed(self, make: Any, verdict: Any) -> None:
        root = ElementTree.fromstring(to_junit(make.build([], [], [], verdict=verdict, reason="nothing was judged")))
        assert (root.get("tests"), root.get("errors")) == ("1", "1")

    def test_illegal_characters_leave_it_well_formed(self, make: Any) -> None:
        row = make.chat(1, "a", "b", file="\x00\x1b\ufffe]]>.jsonl")
        message = "".join(map(chr, range(32))) + "\x7f\ufffe\uffff ]]> <!-- &"
        outcome = RuleOutcome(make.rule("r"), ("chat",), "failed", 1, 1, 0)
        worse = replace(outcome, status="errored", reason=message + "\udce9")
        result = make.build([row], [make.finding("r", row, message=message, evidence=message)], [outcome, worse])
        assert ElementTree.fromstring(to_junit(result)).get("tests") == "2"


class TestGitlab:
    def test_every_issue_has_what_gitlab_needs(self, small: AdmissionResult) -> None:
        issues = json.loads(to_gitlab(small))
        for issue in issues:
            assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
            assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
            assert issue["location"]["lines"]["begin"] >= 1
            assert not issue["location"]["path"].startswith(("/", "./"))
        names = [issue["fingerprint"] for issue in issues]
        assert len(set(names)) == len(names) == small.findings.height + 1

    def test_severity(self, small: AdmissionResult) -> None:
        pairs = {(issue["check_name"], issue["severity"]) for issue in json.loads(to_gitlab(small))}
        assert {("names", "blocker"), ("pii", "critical"), ("structure", "minor")} <= pairs

    def test_it_is_cut_and_says_so(self, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gitlab, "MOST", 3)
        rows = [make.chat(number, f"p{number}", "a") for number in range(1, 11)]
        issues = json.loads(to_gitlab(make.build(rows, [make.finding("r", row) for row in rows], [])))
        assert len(issues) == 4
        assert issues[-1]["description"].startswith("7 more findings were left out")


RENDERERS: dict[str, Callable[[AdmissionResult], str | bytes]] = {
    "github": to_github, "sarif": to_sarif, "junit": to_junit, "gitlab": to_gitlab,
}  # fmt: skip


@pytest.mark.parametrize("name", RENDERERS)
def test_a_result_with_a_base_is_what_it_was(
    name: str, compared: AdmissionResult, golden: Callable[[str, str], None]
) -> None:
    rendered = RENDERERS[name](compared)
    golden(f"compared.{name}", rendered if isinstance(rendered, str) else rendered.decode())


@pytest.mark.parametrize("name", RENDERERS)
def test_nothing_invisible_or_controlling_is_left(name: str, small: AdmissionResult) -> None:
    rendered = RENDERERS[name](small)
    text = rendered if isinstance(rendered, str) else rendered.decode()
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
