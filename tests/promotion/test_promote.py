"""`gate promote`: what is decided, what it waits for, when the name moves, and what blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError, UsageError
from gate.promotion.covered import NotJudged
from gate.provenance.statements import ModelRef
from gate.verbs.review import sign
from gate.verbs.review_outputs import sample_outputs
from tests.promotion.kit import Shop, right


def test_a_candidate_that_passed_waits_and_is_promoted_by_the_next_run_after_the_approval(shop: Shop) -> None:
    shop.scored(shop.training)
    waiting = shop.promote(first=True)
    assert (waiting.about.verdict, waiting.exit_code, waiting.stands.status) == ("pass", 3, "waiting")
    assert shop.store.refs().get("champion") is None
    shop.approve("first")
    moved = shop.promote()
    assert (moved.exit_code, moved.statement.digest, moved.decided) == (0, waiting.statement.digest, None)
    ref = shop.ledger.ref("champion")
    assert isinstance(ref.about, ModelRef)
    assert (ref.about.number, ref.about.model) == (1, waiting.about.model)
    again = shop.promote(first=True)
    assert (again.exit_code, again.champion, again.ref) == (0, True, None)
    assert shop.store.refs()["champion"] == [1]


def test_the_same_evidence_gives_the_same_statement(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.7)
    one, other = shop.promote(first=True), shop.promote(first=True)
    assert one.statement.digest == other.statement.digest
    assert len([each for each in shop.ledger.all() if each.kind == "promotion"]) == 1


def test_forgetting_fails_and_stays_on_record(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.7)
    found = shop.promote(first=True)
    assert (found.about.verdict, found.exit_code) == ("fail", 1)
    assert "capitals: exact_match 70.0 % against 80.0 % of the base" in found.about.reasons[0]
    assert found.decided is not None
    assert "misses by" in found.decided.would_change[0]
    assert shop.ledger.statement(found.statement.digest).about == found.about


def test_too_little_evidence_is_inconclusive_with_the_number_that_would_settle_it(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.78)
    found = shop.promote(first=True)
    assert (found.about.verdict, found.exit_code) == ("inconclusive", 3)
    assert found.decided is not None
    (change,) = found.decided.would_change
    assert "items of capitals instead of 400 would settle it" in change


def test_a_candidate_that_is_not_better_at_its_task_is_not_promoted(shop: Shop) -> None:
    shop.scored(shop.training, task=0.5)
    found = shop.promote(first=True)
    assert found.about.verdict == "inconclusive"
    assert "not enough evidence that it is better than the base" in found.about.reasons[0]
    shop.score(shop.training, "regression", {"faq": right(0.4)})
    worse = shop.promote(first=True)
    assert (worse.about.verdict, worse.exit_code) == ("fail", 1)


def test_without_a_champion_somebody_has_to_say_first(shop: Shop) -> None:
    shop.scored(shop.training)
    with pytest.raises(NotJudged, match="there is no champion to compare with") as refused:
        shop.promote()
    assert refused.value.exit_code == 2
    assert "--first" in str(refused.value)


def test_with_a_champion_nobody_is_first(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.promoted(first=True)
    second = shop.run("second")
    shop.score(second, "regression", {"faq": right(0.95)})
    shop.score(second, "forgetting", {"capitals": right(0.8)})
    with pytest.raises(UsageError, match="there is a champion already: first"):
        shop.promote("second", first=True)
    found = shop.promote("second")
    assert found.about.champion == shop.of(shop.training).model
    assert found.decided is not None
    assert {each.against for each in found.decided.outcomes} == {"base", "champion"}


def test_what_was_not_scored_blocks_with_the_command(shop: Shop) -> None:
    with pytest.raises(NotJudged, match="not scored on any suite"):
        shop.promote(first=True)
    shop.score(shop.training, "regression", {"faq": right(0.9)})
    with pytest.raises(NotJudged) as refused:
        shop.promote(first=True)
    said = str(refused.value)
    assert "the base was not scored on regression" in said
    assert "the candidate was not scored on forgetting" in said
    assert "gate eval first --suite forgetting" in said


def test_a_task_that_one_of_them_lacks_blocks(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.score(shop.base, "forgetting", {"capitals": right(0.8), "elements": right(0.8)})
    with pytest.raises(NotJudged, match="the candidate was not scored on elements of forgetting, and the base was"):
        shop.promote(first=True)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8), "elements": right(0.8), "more": right(0.8)})
    with pytest.raises(NotJudged, match="the base was not scored on more of forgetting"):
        shop.promote(first=True)


def test_another_version_of_the_task_is_no_comparison(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8)}, data="changed")
    with pytest.raises(NotJudged, match="scored on another capitals than the candidate"):
        shop.promote(first=True)


def test_other_prompts_are_no_comparison(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8)}, prompts="<|own|>")
    with pytest.raises(NotJudged, match="is not the same for both models"):
        shop.promote(first=True)


def test_a_suite_too_small_for_its_margin_is_a_policy_error(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8, 50)})
    shop.score(shop.base, "forgetting", {"capitals": right(0.8, 50)})
    with pytest.raises(PolicyError, match="can never be met: capitals has 50 items") as refused:
        shop.promote(first=True)
    assert refused.value.exit_code == 2
    assert "both.yaml:" in str(refused.value)


def test_what_people_said_of_the_outputs_is_in_the_report_that_is_approved(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_STATE", str(tmp_path / "state"))
    shop.scored(shop.training)
    unread = shop.promote(first=True)
    sample = sample_outputs("first", store=shop.store.root, trust=shop.people.trust_file)
    answers = sample.answers()
    answers.take([(sample.ids[0], "bad", "not an answer")])
    review = sign(sample, answers.pending(), shop.people.ben, store=shop.store.root, trust=shop.people.trust)
    read = shop.promote(first=True)
    assert read.statement.digest != unread.statement.digest
    assert review.digest in read.statement.parents
    assert b"not an answer" in shop.store.read(read.about.report, "html")
    assert shop.promote(first=True).statement.digest == read.statement.digest
    shop.approve(read.statement.digest)
    answers.take([(sample.ids[1], "good", None)])
    sign(sample, answers.pending(), shop.people.ben, store=shop.store.root, trust=shop.people.trust)
    promoted = shop.promote(first=True)  # what was approved stands
    assert (promoted.statement.digest, promoted.champion) == (read.statement.digest, True)
