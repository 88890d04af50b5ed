"""The report that is sealed with a snapshot: what was decided and is needed, what stays out, how the rest is split."""

from __future__ import annotations

import html
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gate.admission.result import AdmissionResult
from gate.provenance.trust import Demand
from gate.reporting.html import to_html
from gate.reporting.sealing import PLACES, Sealing, needed, sealing_page
from gate.snapshots.exclusions import blocked
from gate.snapshots.layout import EXCLUDED

AT = "2026-11-21T16:28:11.000000Z"
SNAPSHOT, KEY = "5" * 64, "2" * 64
REVIEWER = Demand(1, ("reviewer",), by_author=False)


def sealing(result: AdmissionResult, **values: Any) -> Sealing:
    """What `gate admit` would hand on for a result."""
    examples = result.dataset.examples
    out = blocked(result.findings)
    gone = examples.select("id", "record_id", "file", "row").join(out, on=["file", "row"]).select(list(EXCLUDED))
    kept = examples.join(out, on=["file", "row"], how="anti")
    settings: dict[str, Any] = {
        "name": "support-desk",
        "snapshot": SNAPSHOT,
        "by": "Ana Ruiz",
        "keyid": KEY,
        "at": AT,
        "demand": REVIEWER,
        "excluded": gone,
        "kinds": kept.select("kind", pl.col("split").fill_null("train")),
    }
    return Sealing(**(settings | values))


def plain(page: str) -> str:
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script).*?</\1>", "", page))).split())


@pytest.fixture
def passed(small: AdmissionResult) -> AdmissionResult:
    return replace(small, verdict="pass", reason="nothing blocks")


def test_it_says_who_admitted_what_and_what_is_still_needed(passed: AdmissionResult) -> None:
    text = plain(to_html(passed, sealing=sealing(passed)))
    assert "Admitted as support-desk by Ana Ruiz on 2026-11-21 16:28 UTC." in text
    assert "Still needed: 1 approval by a reviewer, other than Ana Ruiz." in text
    assert f"snapshot {SNAPSHOT}" in text
    assert f"signed with key {KEY}" in text
    assert f"gate report {SNAPSHOT[:12]} --status" in text


def test_counts_close_on_the_page(passed: AdmissionResult) -> None:
    text = plain(to_html(passed, sealing=sealing(passed)))
    assert "8 = 7 examples + 1 malformed" in text
    assert "7 = 3 admitted + 4 excluded" in text


def test_exclusions_are_counted_by_rule_with_codes_and_places(passed: AdmissionResult) -> None:
    rules = sealing_page(sealing(passed), passed.findings).by_rule
    assert [(each.rule, each.rows) for each in rules] == [("near_duplicates", 2), ("pii", 2)]
    assert rules[1].codes == (("EMAIL_ADDRESS", 1), ("SECRET", 1))
    assert rules[1].places == ("train.jsonl:4", "train.jsonl:5")


def test_a_row_that_two_rules_exclude_counts_for_both_and_once_in_all(make: Any) -> None:
    row = make.chat(1, "a", "b")
    found = [make.finding("one", row, code="x"), make.finding("two", row, code="y"), make.finding("two", row, code="z")]
    found.append(make.finding("one", row, code="never", severity="warning"))
    found.append(make.finding("one", row, code="never", remedy="review"))
    result = make.build([row, make.chat(2, "c", "d")], found, [])
    page = sealing_page(sealing(result), result.findings)
    assert (page.admitted, page.excluded) == (1, 1)
    assert [(each.rule, each.rows, each.codes) for each in page.by_rule] == [
        ("one", 1, (("x", 1),)),
        ("two", 1, (("y", 1), ("z", 1))),
    ]


def test_what_a_waiver_covers_is_not_excluded(passed: AdmissionResult) -> None:
    state = pl.when(pl.col("rule") == "pii").then(pl.lit("waived")).otherwise("state")
    waived = replace(passed, findings=passed.findings.with_columns(state=state.cast(passed.findings.schema["state"])))
    page = sealing_page(sealing(waived), waived.findings)
    assert [each.rule for each in page.by_rule] == ["near_duplicates"]
    assert page.admitted == 5


def test_many_excluded_rows_are_named_by_their_first_places_and_counted(make: Any) -> None:
    rows = [make.chat(number, f"p{number}", "a") for number in range(1, 301)]
    found = [make.finding("r", row) for row in rows[:250]]
    result = make.build(rows, found, [])
    (only,) = sealing_page(sealing(result), result.findings).by_rule
    assert (only.rows, len(only.places), only.places[0]) == (250, PLACES, "train.jsonl:1")
    assert f"and {250 - PLACES} more" in plain(to_html(result, sealing=sealing(result)))


def test_splits_are_told_by_kind_and_by_stratum(passed: AdmissionResult) -> None:
    kinds = pl.DataFrame({"kind": ["chat"] * 3 + ["text"], "split": ["train", "train", "test", "train"]})
    strata = pl.DataFrame(
        {"stratum": ["billing", "billing", None], "split": ["train", "test", "train"], "examples": [2, 1, 1]}
    )
    page = sealing_page(sealing(passed, kinds=kinds, strata=strata, notes=("too few",)), passed.findings)
    assert page.splits == ("train", "test")
    assert [(line.name, line.counts, line.total) for line in page.kinds] == [("chat", (2, 1), 3), ("text", (1, 0), 1)]
    assert [(line.name, line.counts) for line in page.strata] == [("billing", (2, 1)), ("all", (1, 0))]
    text = plain(to_html(passed, sealing=sealing(passed, kinds=kinds, strata=strata, notes=("too few",))))
    assert "chat 2 67 % 1 33 % 3" in text
    assert "all 3 75 % 1 25 % 4" in text
    assert "too few" in text
    assert "Drawn from the content of the examples" in text
    assert "The data brought its splits." in plain(to_html(passed, sealing=sealing(passed, given=True)))


@pytest.mark.parametrize(
    ("demand", "told"),
    [
        (Demand(0, ("reviewer",), by_author=False), "No approval is needed."),
        (Demand(1, ("reviewer", "owner"), by_author=True), "1 approval by a reviewer or an owner. Until"),
        (REVIEWER, "1 approval by a reviewer, other than Ana. Until"),
        (Demand(2, ("reviewer",), by_author=False), "2 approvals by different people, each a reviewer, not Ana. Until"),
    ],
)
def test_what_is_needed_is_a_sentence(demand: Demand, told: str) -> None:
    assert needed(demand, "Ana").startswith(told)


def test_a_check_says_nothing_of_it(small: AdmissionResult) -> None:
    page = to_html(small)
    assert 'id="decision"' not in page
    assert 'id="exclusions"' not in page


def test_hostile_names_do_nothing(passed: AdmissionResult, make: Any, chromium: str, tmp_path: Path) -> None:
    hostile = make.hostile + "\u202e" + "x" * 2_000
    page = to_html(passed, sealing=sealing(passed, by=hostile, name=hostile, notes=(hostile,)))
    assert "\u202e" not in page
    assert "<script>document" not in page
    file = tmp_path / "page.html"
    file.write_text(page, "utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "<title>PWNED" not in done.stdout


def test_no_raw_value_is_on_it(passed: AdmissionResult, make: Any) -> None:
    page = to_html(passed, sealing=sealing(passed))
    assert not [raw for raw in make.raw if raw in page]


def test_nothing_is_loaded_from_anywhere(passed: AdmissionResult) -> None:
    page = to_html(passed, sealing=sealing(passed))
    assert "default-src 'none'" in html.unescape(page)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"", page)
