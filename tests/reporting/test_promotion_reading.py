"""The outputs that a person reads: drawn alike for everybody, marked and signed with `gate review --outputs`, and shown
with what was said in the next report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from gate.errors import UsageError
from gate.promotion.decided import Decided
from gate.provenance.statements import Review
from gate.reporting.promotion_changed import Limits, changed, counted, shown
from gate.reporting.promotion_items import output_id, outputs, side_by_side
from gate.reporting.promotion_page import to_promotion_html
from gate.reporting.promotion_reading import drawn, reading
from gate.reporting.promotion_told import Mark
from gate.verbs.promotion_told import told_of
from gate.verbs.review import sign
from gate.verbs.review_outputs import sample_outputs
from tests.reporting import promotion_made as promotions
from tests.reporting.promotion_made import Made


def test_drawn_of_every_task_of_what_changed_and_what_did_not(passed: Decided) -> None:
    own, base, model = passed.candidate.evaluations, passed.base.evaluations, passed.candidate.model
    chosen = drawn(own, base, model)
    assert chosen.height == 40
    assert set(chosen["task"]) == {"support_replies", "arithmetic", "capitals", "refusals"}
    assert set(chosen["changed"]) == {"changed", "unchanged"}
    assert drawn(own, base, model).equals(chosen)
    assert not drawn(own, base, model, seed=1)["id"].equals(chosen["id"])


def test_a_large_task_does_not_crowd_out_a_small_change(passed: Decided) -> None:
    chosen = drawn(passed.candidate.evaluations, passed.base.evaluations, passed.candidate.model)
    counts = dict(chosen["task"].value_counts().iter_rows())
    assert min(counts.values()) >= 5
    changed_ones = (chosen["changed"] == "changed").sum()
    assert changed_ones >= 10


def test_a_model_that_repeats_itself_is_seen_to() -> None:
    said = shown("0" * 60, 100)
    assert (said.text, said.masked) == ("0" * 60, False)
    hidden = shown("call +49 171 5550 8812 now", 100)
    assert hidden.masked
    assert "8812" not in hidden.text


def test_an_output_is_called_the_same_in_any_report(passed: Decided, failed: Decided) -> None:
    one = output_id("a" * 64, "b" * 64, "c" * 64)
    assert one == output_id("a" * 64, "b" * 64, "c" * 64)
    assert len({one, output_id("d" * 64, "b" * 64, "c" * 64), output_id("a" * 64, "d" * 64, "c" * 64)}) == 3
    ids = [outputs(each.candidate.evaluations, each.base.evaluations, "a" * 64)["id"] for each in (passed, failed)]
    assert ids[0].equals(ids[1])
    assert ids[0].n_unique() == len(ids[0]) == 3 * 300 + 200


def test_items_are_paired_by_their_hash_and_not_by_their_place(passed: Decided) -> None:
    task = passed.candidate.evaluations["forgetting"].tasks["arithmetic"]
    base = passed.base.evaluations["forgetting"].tasks["arithmetic"]
    turned = type(base)(base.document, base.items.reverse(), base.scores)
    plain, other = (side_by_side(task, {"base": each}, "exact_match") for each in (base, turned))
    assert plain.equals(other)
    assert plain["base_output"].null_count() == 0


def test_an_item_that_others_do_not_have_did_not_change(passed: Decided) -> None:
    base = passed.base.evaluations["forgetting"].tasks["arithmetic"]
    fewer = type(base)(base.document, base.items.head(100), base.scores)
    found = side_by_side(passed.candidate.evaluations["forgetting"].tasks["arithmetic"], {"base": fewer}, "exact_match")
    assert found["base_value"].null_count() == 200


def test_changes_are_counted_as_the_comparison_counts_them(failed: Decided) -> None:
    assert failed.champion is not None
    found = changed(
        failed.candidate.evaluations, failed.base.evaluations, failed.champion.evaluations, Limits(items=10)
    )
    for one in failed.outcomes:
        if one.against == "base" and one.comparison is not None and one.comparison.lost is not None:
            assert found.counts.get((one.task.task, "lost"), 0) == one.comparison.lost
            assert found.counts.get((one.task.task, "gained"), 0) == one.comparison.gained
    assert 1 <= len(found.items) < found.total == sum(counted(found).values())
    assert found.unread == ("general_text",)


def test_a_long_prompt_keeps_its_end_and_an_answer_its_beginning() -> None:
    text = "beginning " + "x " * 5_000 + "end"
    assert shown(text, 100, end=True).text.endswith("end")
    assert shown(text, 100).text.startswith("beginning")
    assert shown(text, 100).left_out == len(text) - 100


def test_a_secret_at_a_cut_leaves_no_half_behind() -> None:
    secret = "AKIA4XQ7ZP2LM9TR6WBD"
    for limit in range(90, 125):
        text = shown("word " * 20 + secret + " more" * 200, limit).text
        assert not any(secret[:size] in text for size in range(6, 21))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Made, Decided]:
    """A store to say something in, and answers that are kept there."""
    monkeypatch.setenv("GATE_STATE", str(tmp_path / "state"))
    place = promotions.made(tmp_path)
    return place, promotions.decided(place)


def test_what_people_said_stands_in_the_next_report(own: tuple[Made, Decided]) -> None:
    place, decided = own
    sample = sample_outputs("support-lora-1", store=place.store.root, trust=place.people.trust_file)
    page = reading(decided, (), Limits())
    assert sample.ids == [each.id for each in page.items]
    texts = sample.examples["messages"].list.last().struct.field("content")
    assert texts.to_list() == [each.output.text for each in page.items]
    answers = sample.answers()
    answers.take([(sample.ids[0], "good", None), (sample.ids[1], "bad", "<b>rude</b>"), (sample.ids[2], "skip", None)])
    statement = sign(sample, answers.pending(), place.people.ben, store=place.store.root, trust=place.people.trust)
    assert isinstance(statement.about, Review)
    assert (statement.about.good, statement.about.bad, statement.about.sampled) == (1, 1, 40)
    told = told_of(decided, place.ledger, place.people.trust)
    assert told.reviews == (statement.digest,)
    tree: Any = html.fromstring(to_promotion_html(decided, told))
    (section,) = tree.xpath("//section[@id='reading']")
    said = " ".join(section.text_content().split())
    assert "Marked so far: 1 good, 1 bad, by ben; 2 of those below" in said
    assert "bad by ben: <b>rude</b>" in said
    assert not section.xpath(".//b[text()='rude']")


def test_whoever_is_not_trusted_does_not_count(own: tuple[Made, Decided]) -> None:
    place, decided = own
    sample = sample_outputs("support-lora-1", store=place.store.root, trust=place.people.trust_file)
    answers = sample.answers()
    answers.take([(sample.ids[0], "good", None)])
    sign(sample, answers.pending(), place.people.eve, store=place.store.root)
    told = told_of(decided, place.ledger, place.people.trust)
    assert told.marks == ()
    assert told.reviews == ()


def test_marked_outputs_are_shown_though_another_seed_drew_them(passed: Decided) -> None:
    own, base, model = passed.candidate.evaluations, passed.base.evaluations, passed.candidate.model
    first = set(drawn(own, base, model)["id"])
    other = next(each for each in outputs(own, base, model)["id"] if each not in first)
    found = reading(passed, (Mark(other, "bad", None, "ben"),), Limits())
    assert len(found.items) == 41
    assert found.items[-1].id == other
    assert (found.marked, found.bad) == (1, 1)


def test_in_a_spreadsheet(own: tuple[Made, Decided], gate: Any, tmp_path: Path) -> None:
    place, _ = own
    options = ("--outputs", "support-lora-1", "--store", place.store.root, "--trust", place.people.trust_file)
    sheet = tmp_path / "sheet.csv"
    done = gate("review", *options, "--sample", "8", "--export", sheet)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(sheet.read_text("utf-8-sig").splitlines()))
    assert len(rows) == 8
    assert {"id", "prompt", "answer", "verdict", "reason"} <= set(rows[0])


@pytest.mark.parametrize("more", [["--suggest"], ["--stratify", "x"], ["b"]])
def test_wrong_ways_to_ask(gate: Any, more: list[str]) -> None:
    done = gate("review", "--outputs", "a", "--export", "x.csv", *more)
    assert done.returncode == 2
    assert "gate review --outputs CANDIDATE" in done.stderr or "one thing each" in done.stderr


def test_a_candidate_that_nobody_knows(place: Made) -> None:
    with pytest.raises(UsageError, match=r"nothing is called|there is no"):
        sample_outputs("nobody", store=place.store.root, trust=place.people.trust_file)


def test_memorization_is_never_read(passed: Decided) -> None:
    own = dict(passed.candidate.evaluations)
    own["memorization"] = own.pop("safety")
    ids = outputs(own, passed.base.evaluations, "a" * 64)
    assert "refusals" not in set(ids["task"])
    assert "refusals" in changed(own, passed.base.evaluations, None, Limits()).unread
