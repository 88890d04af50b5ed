"""The comment: found by its marker, bounded, silent where there is nothing to say, and nobody's text acts in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.errors import GateError
from gate.folders import Folders
from gate.reporting.changes import changes, stability
from gate.reporting.markdown import LIMIT, cell, code, marker, summary, to_markdown

HOSTILE = [
    "@octocat see #1 and owner/repo#2 and 0123456789abcdef0123456789abcdef01234567",
    "[click](http://evil.example) ![x](http://evil.example/x.png) <http://evil.example> http://evil.example",
    "`` ` ``` </details></summary><script>alert(1)</script> --> <!-- gate:data -->",
    "| a | b |\n| - | - |\n\n# heading\n\n- [ ] task\n> quote\n***bold*** __x__ ~~y~~ &lt;b&gt; \\",
    "```\nfenced\n```\n::error::x",
    "`",
    "\\`\\| $x^2$ :tada: [^1] [[wiki]]",
]
OURS = re.compile(r"</?(details|summary|b|code)( open)?>|<!-- gate:[\w.-]+ -->")


def tokens(text: str) -> list[Token]:
    """Every token, those inside of paragraphs and cells as well."""
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [each for block in parsed for each in (block, *(block.children or ()))]


def acting(text: str) -> list[str]:
    """What of a text would link, load, mention or mark up anything, and is none of gate's own."""
    found = []
    for token in tokens(text):
        if token.type in ("link_open", "image", "em_open", "strong_open", "s_open", "blockquote_open", "fence"):
            if token.type != "strong_open":
                found.append(token.type)
        elif token.type in ("html_inline", "html_block"):
            found += re.findall(r"<[^>]*>", OURS.sub("", token.content))
            shown = re.sub(r"<code>.*?</code>", "", token.content)
            found += re.findall(r"@\w+|https?://", shown)
        elif token.type == "text":
            found += re.findall(r"@\w+|#\d+|https?://|:\w+:|[0-9a-f]{40}", token.content)
    return found


@pytest.fixture
def hostile(make: Any) -> AdmissionResult:
    rows, found, outcomes = [], [], []
    for number, text in enumerate(HOSTILE):
        row = make.chat(1, "a", f"b{number}", file=f"{text}.jsonl")
        rule = f"r{number}{text}"
        rows.append(row)
        found.append(make.finding(rule, row, message=text, evidence=text, code=text))
        outcomes.append(RuleOutcome(make.rule(rule, why=text), ("chat",), "failed", 1, 1, 0))
        outcomes.append(RuleOutcome(make.rule(rule), ("chat",), "errored", reason=text))
    return make.build(rows, found, outcomes, reason=" ".join(HOSTILE))  # type: ignore[no-any-return]


def test_a_result_with_a_base_is_what_it_was(compared: AdmissionResult, golden: Any) -> None:
    golden("compared.md", to_markdown(compared))


def test_the_test_would_see_what_acts() -> None:
    assert {"link_open", "image"} <= set(acting(HOSTILE[1]))
    assert "@octocat" in acting(HOSTILE[0])
    assert "<script>" in acting(HOSTILE[2])


def test_nothing_of_the_data_acts(hostile: AdmissionResult) -> None:
    comment = to_markdown(hostile)
    assert acting(comment) == []
    assert comment.count("octocat") > 5
    assert len(re.findall(r"^<!-- gate:data -->$", comment, re.MULTILINE)) == 1


def test_nor_in_what_is_told_of_a_base(hostile: AdmissionResult, compared: AdmissionResult) -> None:
    assert compared.comparison is not None
    for text in HOSTILE:
        profile = compared.comparison.profile | {"splits": {text: 3}, "languages": {text: 2}}
        comparison = replace(compared.comparison, base=text, profile=profile)
        now = compared.profile | {"languages": {text + "2": 4}}
        dataset = replace(compared.dataset, root=text)  # type: ignore[type-var]
        comment = to_markdown(replace(compared, comparison=comparison, profile=now, dataset=dataset))
        assert acting(comment) == []
        assert re.fullmatch(r"<!-- gate:[\w.-]+ -->", comment.splitlines()[0])


def test_every_table_keeps_its_columns(hostile: AdmissionResult) -> None:
    rows = [line for line in to_markdown(hostile).splitlines() if re.match(r"\| (`|---|rule)", line)]
    assert len(rows) == 2 + 2 * len(HOSTILE)
    assert {line.count("|") for line in rows} == {6}


@pytest.mark.parametrize("text", [*HOSTILE, "", " ", "a", "``", "a``b`c", " `a` "])
def test_a_code_span_is_one_and_holds_all_of_the_text(text: str) -> None:
    for shown in (code(text), cell(text)):
        (inline,) = (token for token in tokens(f"x {shown} y") if token.type == "inline")
        assert inline.children is not None
        assert [child.type for child in inline.children] == ["text", "code_inline", "text"]
    assert "|" not in cell(text)


class TestSilence:
    @pytest.fixture
    def clean(self, make: Any) -> AdmissionResult:
        outcome = RuleOutcome(make.rule("r"), ("chat",), "passed", 1, 0, 0)
        return make.build([make.chat(1, "a", "b")], [], [outcome], verdict="pass", reason="every rule passed")  # type: ignore[no-any-return]

    def test_clean_and_unchanged_says_nothing(self, clean: AdmissionResult, compared: AdmissionResult) -> None:
        assert to_markdown(clean) == ""
        assert compared.comparison is not None
        same = replace(compared.comparison, new=0, removed=0, fixed=compared.comparison.fixed.clear())
        assert to_markdown(replace(clean, comparison=same)) == ""

    @pytest.mark.parametrize("change", [{"new": 1}, {"removed": 1}])
    def test_a_clean_change_tells_what_it_changes(
        self, clean: AdmissionResult, compared: AdmissionResult, change: dict[str, int]
    ) -> None:
        assert compared.comparison is not None
        none = {"new": 0, "removed": 0, "fixed": compared.comparison.fixed.clear()}
        comparison = replace(compared.comparison, **(none | change))
        assert "What changed" in to_markdown(replace(clean, comparison=comparison))

    @pytest.mark.parametrize("verdict", ["fail", "inconclusive", "error"])
    def test_no_verdict_but_a_pass_is_silent(self, clean: AdmissionResult, verdict: Any) -> None:
        assert f"gate: {verdict}" in to_markdown(replace(clean, verdict=verdict))

    def test_a_warning_is_told(self, clean: AdmissionResult) -> None:
        (outcome,) = clean.outcomes
        assert "Warnings" in to_markdown(replace(clean, outcomes=(replace(outcome, status="warned"),)))

    def test_the_summary_of_a_step_is_never_empty(self, clean: AdmissionResult) -> None:
        assert summary(clean, 10_000).startswith("### gate: pass")


class TestSize:
    @pytest.mark.parametrize("text", ["m" * 400, "文" * 400, "`|" * 200])
    def test_it_is_bounded_whatever_there_is_to_say(self, make: Any, text: str) -> None:
        rows = [make.chat(number, f"p{number}", "a", file=f"{text[:150]}.jsonl") for number in range(1, 31)]
        rules = [f"{number} {text[:100]}" for number in range(300)]
        found = [make.finding(rule, row, message=text, evidence=text) for rule in rules for row in rows]
        outcomes = [RuleOutcome(make.rule(rule, why=text), ("chat",), "failed", 30, 30, 0) for rule in rules]
        comment = to_markdown(make.build(rows, found, outcomes))
        assert LIMIT - 5_000 < len(comment.encode()) <= LIMIT
        assert comment.endswith("There is more: the JSON and HTML reports have all of it.\n")
        assert comment.count("<details") == comment.count("</details>")

    @pytest.mark.parametrize("limit", [0, 10, 100, 300, 1_000, 3_000, -5])
    def test_a_summary_keeps_to_any_limit(self, compared: AdmissionResult, limit: int) -> None:
        assert len(summary(compared, limit).encode()) <= max(limit, 0)

    def test_what_was_opened_is_closed_wherever_it_is_cut(self, compared: AdmissionResult) -> None:
        for limit in range(400, 3_400, 17):
            text = summary(compared, limit)
            assert text.count("<details") == text.count("</details>"), limit


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("data", "<!-- gate:data -->"),
        ("sets/chat v2", "<!-- gate:sets-chat-v2 -->"),
        ("--> <b>", "<!-- gate:b -->"),
        ("文", "<!-- gate:dataset -->"),
        ("", "<!-- gate:dataset -->"),
    ],
)
def test_the_marker_is_a_comment_of_html_for_any_root(root: str, expected: str) -> None:
    assert marker(root) == expected
    assert len(marker("x" * 1000)) < 100


class TestChanges:
    def test_what_vanished_is_of_high_risk_and_comes_first(self, compared: AdmissionResult) -> None:
        assert compared.comparison is not None
        profile = compared.comparison.profile | {"splits": {"train": 3_000, "test": 2}}
        found = changes(replace(compared, comparison=replace(compared.comparison, profile=profile)))
        (test,) = (change for change in found if change.of == "test")
        assert (test.risk, test.before, test.now) == ("high", 2, 0)
        order = [("high", "medium", "low").index(change.risk) for change in found]
        assert order == sorted(order)

    def test_nothing_changed_where_the_profile_is_the_same(self, compared: AdmissionResult) -> None:
        assert compared.comparison is not None
        same = replace(compared.comparison, profile=compared.profile)
        assert changes(replace(compared, comparison=same)) == ()
        assert changes(replace(compared, comparison=None)) == ()

    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        # By hand: the shares with half a count added to each, then the sum of (q - p) ln(q / p).
        [
            ([10, 10], [10, 10], 0.0),
            ([99.5, 99.5], [49.5, 149.5], 0.25 * 0.6931 + 0.25 * 0.4055),
            ([5, 0], [0, 5], 3.996),
        ],
    )
    def test_the_stability_index(self, before: list[float], now: list[float], expected: float) -> None:
        assert stability(before, now) == pytest.approx(expected, abs=1e-3)

    def test_a_team_may_put_its_own_thresholds(self, compared: AdmissionResult, tmp_path: Path) -> None:
        shipped = Path(__file__).parents[2] / "reports" / "changes.yaml"
        own = tmp_path / "reports" / "changes.yaml"
        own.parent.mkdir()
        own.write_text(shipped.read_text().replace("appeared: medium", "appeared: high"))
        (new,) = (change for change in changes(compared, Folders(tmp_path)) if change.before == 0 and change.of)
        assert new.risk == "high"
        own.write_text("share: 3\n")
        with pytest.raises(GateError, match="thresholds"):
            changes(compared, Folders(tmp_path))
