"""The reviewer's report: everything that somebody who signs asks for stands on it, in the order of reading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import html

from gate.promotion.decided import Decided, Outcome
from gate.provenance.statements import Statement, Waiver
from gate.reporting.promotion_page import LARGEST, to_promotion_html
from gate.reporting.promotion_told import Told

_PAGES: dict[tuple[int, int], tuple[object, object, html.HtmlElement]] = {}


def page(decided: Decided, told: Told | None = None) -> html.HtmlElement:
    """Rendered once: a page takes a second."""
    key = id(decided), id(told)
    if key not in _PAGES:
        _PAGES[key] = decided, told, html.fromstring(to_promotion_html(decided, told))
    return _PAGES[key][2]


def words(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def section(tree: html.HtmlElement, name: str) -> str:
    (found,) = tree.xpath(f"//section[@id='{name}']")
    return words(found)


def test_in_the_order_of_reading(passed: Decided, told: Told) -> None:
    ids = page(passed, told).xpath("//section/@id")
    assert ids == [
        "identity", "forest", "tasks", "forgetting", "safety", "changed", "reading", "data", "curves", "champion",
        "waivers", "limits", "sign",
    ]  # fmt: skip


def test_every_section_is_linked_to(passed: Decided, told: Told) -> None:
    tree = page(passed, told)
    assert tree.xpath("//nav/a/@href") == [f"#{name}" for name in tree.xpath("//section/@id")]


@pytest.mark.parametrize(
    ("which", "word", "edge"),
    [
        ("passed", "Promote", "is-pass"),
        ("failed", "Do not promote", "is-fail"),
        ("unclear", "Not enough evidence", "is-inconclusive"),
    ],
)
def test_the_verdict_in_words(which: str, word: str, edge: str, request: pytest.FixtureRequest) -> None:
    tree = page(request.getfixturevalue(which))
    assert words(tree.xpath("//h1/span[@class='word']")[0]) == word
    assert edge in tree.xpath("//header/@class")[0]


def test_reasons_and_what_would_change_them(failed: Decided) -> None:
    tree = page(failed)
    reasons = tree.xpath("//ol[@class='because-list']/li")
    assert 1 <= len(reasons) <= 3
    for reason, said, change in zip(reasons, failed.reasons, failed.would_change, strict=True):
        assert said in words(reason)
        assert f"What would change it: {change}" in words(reason)


def test_identity_and_digests(failed: Decided) -> None:
    said = section(page(failed), "identity")
    assert failed.champion is not None
    for digest in (
        failed.candidate.model, failed.base.model, failed.champion.model, failed.training.digest, failed.policy_digest,
        failed.trained.snapshots[0].snapshot,
        *(each.statement.digest for each in failed.candidate.evaluations.values()),
    ):  # fmt: skip
        assert digest in said
    assert "demands.forgetting.no_worse.margin" in said
    assert "declared 0.02" in said


def test_criteria_that_nobody_declared_are_said_to_be(passed: Decided) -> None:
    assert "unchanged" in section(page(passed), "identity")
    assert "chosen afterwards" in section(page(replace(passed, criteria_declared=False)), "identity")


def test_a_line_for_each_comparison_with_its_figures(failed: Decided) -> None:
    rows = page(failed).xpath("//section[@id='tasks']//tr[starts-with(@class, 'is-')]")
    assert [words(row.xpath("./th")[0]).split()[0] for row in rows] == [
        "arithmetic", "capitals", "general_text", "support_replies", "refusals"
    ]  # fmt: skip
    found = words(rows[0])
    for text in (
        "worse", "at most 3.0 points worse than the base", "93.7 % → 73.7 %", "−20.0 points", "60 lost", "0 gained",
        "items 300", "loss it would see", "changed at all? yes",
    ):  # fmt: skip
        assert text in found


def test_less_is_better_is_said_and_turned(failed: Decided) -> None:
    (row,) = [each for each in page(failed).xpath("//section[@id='tasks']//tr") if "general_text" in words(each)[:20]]
    assert "less is better" in words(row)
    assert "1.25 → 1.45" in words(row)
    assert "−0.2" in words(row)


def test_unclear_tasks_say_how_many_items_would_settle_it(unclear: Decided) -> None:
    (needed,) = {
        one.comparison.required_n for one in unclear.outcomes if one.task.task == "capitals" and one.comparison
    }
    assert needed is not None
    assert f"items needed {needed:,}" in section(page(unclear), "tasks")


def test_the_forest_is_drawn_wide_and_narrow_with_a_legend(failed: Decided) -> None:
    tree = page(failed)
    figures = tree.xpath("//section[@id='forest']/figure")
    titles = [words(each.xpath("./figcaption")[0]) for each in figures]
    assert titles == [
        "What may not be worse than the base: difference in points",
        "What may not be worse than the base: difference in bits_per_byte, right is better",
        "What has to be better than the base: difference in points",
        "What may not be worse than the champion: difference in points",
        "What may not be worse than the champion: difference in bits_per_byte, right is better",
    ]
    for figure in figures:
        wide, narrow = (float(each.get("width")) for each in figure.xpath(".//*[local-name()='svg']"))
        assert narrow <= 376 < wide
    assert "How to read it" in section(tree, "forest")


def test_forgetting_adds_up(failed: Decided) -> None:
    by_task = {one.task.task: one.comparison for one in failed.outcomes if one.against == "base"}
    one, other = by_task["arithmetic"], by_task["capitals"]
    assert one is not None
    assert other is not None
    known, lost = round(300 * one.before) + round(300 * other.before), (one.lost or 0) + (other.lost or 0)
    said = section(page(failed), "forgetting")
    assert f"Of {known} that the base got right the candidate gets {known - lost} right too" in said
    assert f"retained of what the base got right{100 * (1 - lost / known):.1f} %" in said
    assert "1.25 → 1.45" in said
    assert "support-full-1" in said


def test_kl_is_told_where_the_run_has_it(passed: Decided, told: Told) -> None:
    assert "KL to the base at step 40" in section(page(passed, told), "forgetting")
    assert "KL to the base" not in section(page(passed), "forgetting")
    assert "(KL) was not measured" in section(page(passed), "limits")


def test_what_was_lost_stands_before_what_was_gained(failed: Decided) -> None:
    kinds = page(failed).xpath("//section[@id='changed']/article/@data-change")
    assert kinds == sorted(kinds, key=["lost", "lost_champion", "gained"].index)
    assert {"lost", "gained"} <= set(kinds)


def test_an_item_side_by_side_with_its_differences(failed: Decided) -> None:
    first = page(failed).xpath("//section[@id='changed']/article")[0]
    roles = [words(each) for each in first.xpath(".//div[@class='side']/p")]
    assert [each.split(":")[0] for each in roles] == ["base", "champion", "candidate"]
    assert roles[0] == "base: right"
    assert roles[2] == "candidate: wrong"
    assert "What is 0 plus 7?" in words(first)
    assert [mark.text for mark in first.xpath(".//div[@class='side'][3]//mark")] == ["It is ", ", I think."]


def test_outputs_to_read(passed: Decided) -> None:
    tree = page(passed)
    items = tree.xpath("//section[@id='reading']/article")
    assert 20 <= len(items) <= 50
    assert {words(each.xpath(".//b")[0]) for each in items} == {
        "support_replies", "arithmetic", "capitals", "refusals",
    }  # fmt: skip
    assert "Nobody has marked any yet" in section(tree, "reading")
    assert "gate review --outputs support-lora-1" in section(tree, "reading")


def test_the_data_and_what_became_of_it(passed: Decided, told: Told) -> None:
    said = section(page(passed, told), "data")
    for text in ("rows read 166", "admitted 160", "excluded 6", "trained 114", "dropped 4", "unseen 2", "cut 3"):
        assert text in said
    assert "by rule: exact_duplicates 6" in said
    assert "longer than max_length 4" in said
    assert "loss_flat" in said


def test_the_champion_or_that_there_is_none(passed: Decided, failed: Decided) -> None:
    assert "this is the first promotion" in section(page(passed), "champion")
    assert "support-lora-0" in section(page(failed), "champion")
    assert len(page(failed).xpath("//section[@id='champion']//tr[starts-with(@class, 'is-')]")) == 5


def test_waivers_with_who_until_when_and_why(failed: Decided) -> None:
    waiver = Waiver(rule="promotion/forgetting", findings=["ab" * 32], until="2026-12-01T00:00:00.000000Z", why="Beta.")
    said = replace(failed.training, about=waiver, author="Ben Reyes")
    assert isinstance(said, Statement)
    covered = replace(failed.outcomes[0], verdict="fail", waiver=said.digest)
    tree = page(replace(failed, waivers=(said,), outcomes=(covered, *failed.outcomes[1:])))
    for text in ("promotion/forgetting", "by Ben Reyes", "until 2026-12-01", "Beta."):
        assert text in section(tree, "waivers")
    assert f"Waived by statement {said.digest[:12]}" in words(tree)
    assert "None: nothing here rests on an exception" in section(page(failed), "waivers")


def test_limits_are_said_in_words(passed: Decided) -> None:
    said = section(page(passed), "limits")
    for text in (
        "Not measured at all: memorization", "no champion to compare with", "with probability at most 5 %",
        "was used to judge 2 different candidates", "Nothing was scored twice", "fp32 on cpu",
        "No person has marked", "not scored under other prompts",
    ):  # fmt: skip
        assert text in said, text


def test_who_has_to_sign_and_what_to_type(passed: Decided, failed: Decided, told: Told) -> None:
    said = section(page(passed, told), "sign")
    assert "1 approval, by a reviewer, never by who asked for the promotion" in said
    assert "ben" in said
    assert "gate approve support-lora-1" in said
    assert "There is nothing to approve" in section(page(failed, told), "sign")


def test_limits_on_figures_are_lines_of_their_own(passed: Decided) -> None:
    task = passed.outcomes[0].task
    one = Outcome(
        demand="limit", suite="memorization", task=task, metric="exposure", against=None, comparison=None, value=12.5,
        limit=10, verdict="fail", why="exposure is 12.5", settles="lower by 2.5",
    )  # fmt: skip
    row = page(replace(passed, outcomes=(*passed.outcomes, one))).xpath("//section[@id='tasks']//tbody/tr")[0]
    cells = [words(each) for each in row.xpath("./td")]
    assert cells[:3] == ["beyond its limit", "exposure no further than 10", "before → after 12.5"]


def test_nothing_known_is_no_error(passed: Decided) -> None:
    bare = replace(
        passed, outcomes=(), others=(), warnings=(), split_uses={}, champion=None,
        candidate=replace(passed.candidate, evaluations={}), base=replace(passed.base, evaluations={}),
    )  # fmt: skip
    tree = page(bare)
    assert "Nothing was compared" in section(tree, "forest")
    assert "Nothing is known of what was forgotten" in section(tree, "forgetting")
    assert "Not measured at all: regression, forgetting, safety, memorization" in section(tree, "limits")


def test_it_is_not_large(failed: Decided) -> None:
    assert len(html.tostring(page(failed))) < LARGEST / 10
