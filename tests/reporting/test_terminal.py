"""What a person at a terminal sees: the whole answer at 80 columns, and nothing that acts on the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.reporting.terminal import Progress, render


def printed(result: AdmissionResult, width: int = 80, **options: Any) -> str:
    stream = io.StringIO()
    render(result, Console(file=stream, width=width, **options))
    return stream.getvalue()


def test_a_small_result_looks_as_it_did(small: AdmissionResult, golden: Any) -> None:
    golden("small.txt", printed(small))


def test_verdict_and_reason_come_first(small: AdmissionResult) -> None:
    assert printed(small).strip().splitlines()[0] == "FAIL  pii and near_duplicates failed"


def test_the_counts_close(small: AdmissionResult) -> None:
    assert "8 rows read = 7 examples + 1 malformed, from 2 files (1 other file skipped)" in printed(small)


def test_every_line_of_the_table_fits_80_columns(small: AdmissionResult) -> None:
    long = replace(small.outcomes[0].rule, id="a_rule_with_a_name_that_is_far_too_long_for_its_column")
    outcome = RuleOutcome(long, ("chat", "preference", "feedback", "text", None), "failed", 10**9, 10**8, 10**7)
    lines = printed(replace(small, outcomes=(outcome,))).split("Findings")[0].splitlines()
    assert max(map(len, lines)) <= 80
    assert "100,000,000" in " ".join(lines)


def test_verdicts_and_names_are_whole_at_80_columns(small: AdmissionResult) -> None:
    long = replace(small.outcomes[0].rule, id="conflicting_answers")
    text = printed(replace(small, outcomes=(*small.outcomes, replace(small.outcomes[0], rule=long))))
    assert "conflicting_answers" in text
    for status in ("errored", "failed", "warned", "passed", "skipped"):
        assert re.search(rf" {status} *$", text, re.MULTILINE)


def test_a_place_stays_in_one_piece_however_narrow_it_is(make: Any) -> None:
    file = "a/very/long/path/" + "deep/" * 20 + "train.jsonl"
    row = make.chat(12, "a", "b", file=file)
    assert f"{file}:12" in printed(make.build([row], [make.finding("r", row)], []), width=40)


def test_no_colour_where_there_is_no_terminal(small: AdmissionResult) -> None:
    assert "\x1b" not in printed(small)


def test_colour_on_a_terminal(small: AdmissionResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31mFAIL" in printed(small, force_terminal=True, color_system="standard")


def test_hostile_text_is_printed_and_does_nothing(small: AdmissionResult, make: Any) -> None:
    text = printed(small, width=200)
    assert "[red]no model[/red]" in text
    assert "[red]markup[/red]" in text
    assert "<U+001B>" in text
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_only_escapes_of_our_own_on_a_terminal(small: AdmissionResult) -> None:
    text = printed(small, force_terminal=True, color_system="standard")
    assert set(re.findall(r"\x1b(\[[\d;]*[A-Za-z]|.)", text)) <= {"[0m", "[1m", "[2m", "[31m", "[32m", "[33m",
                                                                 "[1;31m", "[1;35m"}  # fmt: skip


def test_the_worst_ten_come_from_every_rule_and_blocking_ones_first(make: Any) -> None:
    rows = [make.chat(number, f"p{number}", "a") for number in range(1, 41)]
    found = [make.finding("many", row) for row in rows[:30]]
    found += [make.finding("few", row, severity="error") for row in rows[30:32]]
    found += [make.finding("mild", row, severity="warning") for row in rows[32:]]
    text = printed(make.build(rows, found, []))
    listed = re.findall(r"^(error|warning) +train\.jsonl:\d+ +(\w+)$", text, re.MULTILINE)
    assert "The worst 10 of 40 findings" in text
    assert len(listed) == 10
    assert {severity for severity, _ in listed} == {"error"}
    assert [rule for _, rule in listed].count("few") == 2


def test_what_blocks_is_explained_by_a_command(small: AdmissionResult) -> None:
    commands = re.findall(r"gate rules explain (\w+)", printed(small))
    assert commands == ["names", "near_duplicates", "pii"]


def test_no_findings_says_so(make: Any) -> None:
    text = printed(make.build([make.chat(1, "a", "b")], [], [], verdict="pass", reason="every rule passed"))
    assert text.strip().startswith("PASS")
    assert "no findings" in text


def test_progress_is_silent_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream)) as progress:
        progress.update("reading data.jsonl", 1, 2)
    assert stream.getvalue() == ""


def test_progress_shows_stages_and_makes_file_names_inert() -> None:
    stream = io.StringIO()
    with Progress(Console(file=stream, force_terminal=True, width=100)) as progress:
        progress.update("reading [red]\x1b]0;x\x07.jsonl", 0, 10)
        progress.update("reading [red]\x1b]0;x\x07.jsonl", 10, 10)
        progress.update("pii", 1, 5)
    text = stream.getvalue()
    assert "reading [red]<U+001B>" in text
    assert "judged pii" in text
    assert "\x1b]0;x" not in text


def test_with_a_base_new_fixed_and_unchanged_stand_apart(compared: AdmissionResult, golden: Any) -> None:
    text = printed(compared)
    golden("compared.txt", text)
    assert max(map(len, text.split("New findings")[0].splitlines())) <= 80
    assert "compared with main (0123456789): 5 new rows, 3 unchanged, 1 removed" in text
    assert "new: 2 errors, 3 warnings; unchanged: 2; fixed: 1" in text
    assert "train.jsonl:2 " not in text.split("New findings")[1]


def test_no_text_of_the_data_is_a_command_to_a_runner_that_reads_the_log(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make.chat(1, "a", "b", file="::set-output name=x::y.jsonl")
    result = make.build([row], [make.finding("r", row, message="::error::x ##[error]x", evidence="::x")], [])
    assert "::error::x" in printed(result)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for width in (40, 80, 200):
        text = printed(result, width=width)
        assert "##[" not in text
        assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
