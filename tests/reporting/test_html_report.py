"""The HTML report as a document: what it says, how one gets through it without a mouse or without sight, its size."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.data.frame import SkippedFile
from gate.errors import GateError
from gate.folders import Folders
from gate.reporting.html import LARGEST, to_html
from gate.reporting.outputs import parse_output, write

CSS = Path(__file__).parents[2] / "reports" / "styles" / "report.css"


def text_of(page: str) -> str:
    return " ".join(lxml_html.fromstring(page).text_content().split())


def test_a_small_report_is_what_it_was(small: AdmissionResult, golden: Any) -> None:
    page = to_html(small)
    # The drawing, the style and the script have tests of their own; what they look like is no matter of this page.
    page = re.sub(r"<svg.*?</svg>", "<svg/>", page, flags=re.DOTALL)
    page = re.sub(r"<style>.*?</style>", "<style/>", page, flags=re.DOTALL)
    page = re.sub(r"<script>.*</script>", "<script/>", page, flags=re.DOTALL)
    golden("small.html", re.sub(r"sha256-[\w+/=]+", "sha256-…", page))


def test_with_a_base_the_report_says_what_is_new_fixed_and_unchanged(compared: AdmissionResult, golden: Any) -> None:
    page = to_html(compared)
    tree = lxml_html.fromstring(page)
    figures = {div.findtext("dt"): div.findtext("dd") for div in tree.xpath("//dl[@class='figures']/div")}
    assert {name: figures[name] for name in ("new findings", "unchanged", "fixed")} == {
        "new findings": "5", "unchanged": "2", "fixed": "1",
    }  # fmt: skip
    risks = [row.get("class") for row in tree.xpath("//table[@class='changes']/tbody/tr")]
    assert risks[0] == "risk-high"
    assert risks == sorted(risks, key=["risk-high", "risk-medium", "risk-low"].index)
    (fixed,) = tree.xpath("//section[@id='changes']//table[@class='findings']/tbody/tr")
    assert "old.jsonl:9" in fixed.text_content()
    unchanged = [row.xpath(".//*[@class='place']/text()") for row in tree.xpath("//tr[contains(@class, ' unchanged')]")]
    assert unchanged == [["train.jsonl:2"], ["train.jsonl:3"]]
    section = re.search(r'<section id="changes".*?</section>', page, re.DOTALL)
    assert section is not None
    golden("changes.html", section.group())


def test_without_a_base_nothing_is_said_of_one(small: AdmissionResult) -> None:
    page = re.sub(r"<style>.*?</style>", "", to_html(small), flags=re.DOTALL)
    assert "unchanged" not in page
    assert 'id="changes"' not in page


def test_the_rules_table_has_one_line_per_rule_what_blocks_first(small: AdmissionResult) -> None:
    tree = lxml_html.fromstring(to_html(small))
    lines = tree.xpath("//table[@class='rules']/tbody/tr")
    assert [line.get("class") for line in lines] == [
        "is-errored", "is-failed", "is-failed", "is-warned", "is-passed", "is-skipped",
    ]  # fmt: skip
    cells = [" ".join(cell.text_content().split()) for cell in lines[1]]
    assert cells[0] == "failed"
    assert cells[1] == "near_duplicates chat"
    assert cells[3] == "flagged 2 / 7 29 %"


def test_an_errored_or_skipped_rule_says_why(small: AdmissionResult) -> None:
    text = text_of(to_html(small))
    assert "ValueError at pii.py:12: [red]no model[/red]" in text
    assert "there was nothing to look at" in text


def test_near_duplicates_stand_side_by_side_with_their_differences_marked(small: AdmissionResult) -> None:
    tree = lxml_html.fromstring(to_html(small))
    pairs = tree.xpath("//div[@class='pair']")
    assert [[place.text for place in pair.xpath(".//p[@class='place']")] for pair in pairs] == [
        ["train.jsonl:1", "train.jsonl:3"],
        ["train.jsonl:1", "train.jsonl:2"],
    ]
    marks = [mark.text.strip() for mark in pairs[1].iter("mark")]
    assert marks == ["Reply to", "now", "Answer"]
    assert "similarity 0.93" in pairs[1].text_content()


def test_exact_duplicates_show_their_text_once_and_count_the_row_that_stays(make: Any) -> None:
    rows = [make.chat(number, "a prompt", "an answer") for number in (1, 2, 3)]
    found = [make.finding("exact", row, group="g", partner=row["id"], score=1.0, remedy="drop") for row in rows[1:]]
    tree = lxml_html.fromstring(to_html(make.build(rows, found, [])))
    cluster = tree.xpath("//details[@class='cluster']")[0]
    assert " ".join(cluster.find("summary").text_content().split()) == "3 rows train.jsonl:1"
    places = cluster.xpath(".//p[@class='place']/text()")
    assert places == ["train.jsonl:1 = train.jsonl:2", "train.jsonl:1 = train.jsonl:3"]


def test_a_finding_deep_in_a_long_text_shows_the_words_around_it_and_hides_its_own(make: Any) -> None:
    text = "filler word " * 4_000 + "the landlord is Aurelia Quill of the old mill " + "more of it " * 4_000
    start = text.index("Aurelia")
    row = make.chat(1, "Who?", text)
    span = {"field": "messages[1].content", "start": start, "end": start + len("Aurelia Quill")}
    shown = text_of(to_html(make.build([row], [make.finding("names", row, **span)], [])))
    assert "word the landlord is ******* ***** of the old mill more of" in shown
    assert len(shown) < 20_000


def test_a_long_list_is_sampled_and_says_so(make: Any) -> None:
    rows = [make.chat(number, f"prompt {number}", f"answer {number}") for number in range(1, 301)]
    found = [make.finding("r", row, message=f"finding {row['row']}") for row in rows]
    page = to_html(make.build(rows, found, [RuleOutcome(make.rule("r"), ("chat",), "failed", 300, 300, 0)]))
    assert "200 of 300 shown" in text_of(page)
    assert page.count("finding 1<") == 1
    assert "finding 201<" not in page


def test_50000_examples_with_many_findings_stay_below_2_mb(make: Any) -> None:
    words = "wörter <b>&amp;</b> 'quoted' \"twice\" 文字 " * 12
    rows = [make.chat(number, f"{number} {words}", f"{words} {number % 97}") for number in range(1, 50_001)]
    kept = rows[0]["id"]
    found = [
        make.finding(f"rule_{row['row'] % 12}", row, message=words[:200], evidence=words[:200],
                     group=f"g{row['row'] % 900}", partner=kept, score=0.9)
        for row in rows[1:30_000]
    ]  # fmt: skip
    outcomes = [RuleOutcome(make.rule(f"rule_{n}"), ("chat",), "failed", 50_000, 2_500, 0) for n in range(12)]
    page = to_html(make.build(rows, found, outcomes))
    assert len(page.encode()) <= LARGEST
    shown = [int(count) for count in re.findall(r"(\d+) of 2,[45]\d\d shown", text_of(page))]
    assert len(shown) == 12
    assert min(shown) >= 40


def test_a_page_that_would_be_too_large_takes_a_smaller_sample(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [make.chat(number, f"prompt {number}", "answer " * 60) for number in range(1, 301)]
    found = [make.finding("r", row) for row in rows]
    result = make.build(rows, found, [RuleOutcome(make.rule("r"), ("chat",), "failed", 300, 300, 0)])
    monkeypatch.setattr("gate.reporting.html.LARGEST", 80_000)
    page = to_html(result)
    assert len(page.encode()) <= 80_000
    shown = re.search(r"(\d+) of 300 shown", text_of(page))
    assert shown is not None
    assert 20 < int(shown[1]) < 200


def test_long_lists_of_files_are_bounded(make: Any) -> None:
    rows = [make.chat(1, "a", "b", file=f"part-{number:04}.jsonl") for number in range(400)]
    result = make.build(rows, [], [], skipped=[SkippedFile(f"notes-{n}.md", "not data") for n in range(300)])
    text = text_of(to_html(result))
    assert "200 of 400 shown" in text
    assert "100 of 300 shown" in text
    assert "385 more" in text  # the chart shows the largest, and the rest as one bar


def test_an_empty_dataset_has_a_report(make: Any) -> None:
    text = text_of(to_html(make.build([], [], [], verdict="inconclusive", reason="no rule had anything to judge")))
    assert "Inconclusive" in text
    assert "no rule had anything to judge" in text
    assert "Nothing was found." in text


def test_a_broken_template_or_chart_of_the_user_is_named(small: AdmissionResult, tmp_path: Path) -> None:
    chart = tmp_path / "reports" / "charts" / "shapes.json"
    chart.parent.mkdir(parents=True)
    chart.write_text('{"mark": "nothing known"}')
    with pytest.raises(GateError, match=r"reports/charts/shapes.json"):
        to_html(small, Folders(tmp_path))
    chart.unlink()
    template = tmp_path / "reports" / "templates" / "admission.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text("{{ nonsense }}")
    with pytest.raises(GateError, match="nonsense"):
        to_html(small, Folders(tmp_path))


def test_a_users_own_template_is_used(small: AdmissionResult, tmp_path: Path) -> None:
    template = tmp_path / "reports" / "templates" / "admission" / "profile.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text("<p>our own profile of {{ page.rows }} rows</p>")
    assert "our own profile of 8 rows" in to_html(small, Folders(tmp_path))
    write(small, parse_output(str(tmp_path / "r.html")), Folders(tmp_path))
    assert "our own profile of 8 rows" in (tmp_path / "r.html").read_text()


class TestAccessibility:
    @pytest.fixture
    def tree(self, small: AdmissionResult) -> Any:
        return lxml_html.document_fromstring(to_html(small))

    def test_language_and_title(self, tree: Any) -> None:
        assert tree.get("lang") == "en"
        assert tree.findtext(".//title") == "Fail: data – gate"

    def test_headings_go_down_one_step_at_a_time(self, tree: Any) -> None:
        levels = [int(element.tag[1]) for element in tree.iter("h1", "h2", "h3", "h4", "h5", "h6")]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def test_every_table_has_column_and_row_headers(self, tree: Any) -> None:
        for table in tree.iter("table"):
            assert table.xpath("./thead/tr/th[@scope='col']")
            assert all(row.xpath("./th[@scope='row']") for row in table.xpath("./tbody/tr"))

    def test_every_input_has_a_label(self, tree: Any) -> None:
        fields = [*tree.iter("input", "select")]
        assert fields
        assert all(field.getparent().tag == "label" and field.getparent().text.strip() for field in fields)

    def test_every_chart_has_a_name_and_its_figures_in_words(self, tree: Any) -> None:
        drawings = tree.xpath("//figure/*[local-name()='svg']")
        assert len(drawings) == 6
        for svg in drawings:
            assert svg.get("role") == "img"
            assert svg.get("aria-label")
            assert svg.getparent().xpath(".//table/tbody/tr")

    def test_ids_are_unique_and_every_link_has_a_target(self, tree: Any) -> None:
        ids = tree.xpath("//@id")
        assert len(ids) == len(set(ids))
        assert {href[1:] for href in tree.xpath("//a/@href")} <= set(ids)

    def test_text_stands_out_from_its_ground(self) -> None:
        """WCAG 2.2, 1.4.3: a contrast of at least 4.5 to 1, light and dark and printed."""
        light, dark, printed = re.findall(r":root \{([^}]*)\}", CSS.read_text())
        for block in (light, dark, printed):
            colour = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})", block))
            for ink in ("ink", "dim", "link", "failed", "errored", "warned", "passed", "skipped"):
                for ground in ("page", "card"):
                    assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground, block)
            assert contrast(colour["ink"], colour["changed"]) >= 4.5
            assert contrast(colour["mark"], colour["card"]) >= 3  # 1.4.11: graphics


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2's definition of relative luminance."""

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_verdict_colours_the_banner(small: AdmissionResult) -> None:
    for verdict in ("pass", "fail", "inconclusive", "error"):
        tree = lxml_html.fromstring(to_html(replace(small, verdict=verdict)))  # type: ignore[arg-type]
        assert tree.find(".//header").get("class") == f"verdict is-{verdict}"
