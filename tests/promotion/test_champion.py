"""The champion's name: who may move it, what it rests on, and how an earlier one is brought back."""

from __future__ import annotations

import pytest

from gate.errors import UsageError
from gate.promotion.champion import NotPromoted, move
from gate.provenance.statements import ModelRef, Rejection, Statement
from gate.provenance.trust import Untrusted
from gate.verbs.models import compare_models, list_models, roll_back, show_model
from gate.verbs.people import Refused, reject, revoke
from gate.verbs.promote import Refused as NotJudgedAtAll
from tests.promotion.kit import Shop, right


def models(shop: Shop) -> dict[str, str]:
    found = list_models(shop.store, shop.people.trust).models
    return {each.name: each.state for each in found}


def back(shop: Shop, **options: object) -> Statement:
    given: dict[str, object] = {
        "why": "it was better", "store": shop.store, "trust": shop.people.trust, "signer": shop.people.ana,
    }  # fmt: skip
    return roll_back(**given | options)[0]  # type: ignore[arg-type]


def number(ref: Statement) -> tuple[int, str]:
    assert isinstance(ref.about, ModelRef)
    return ref.about.number, ref.about.model


def test_the_list_says_who_is_champion_and_who_was(two: Shop) -> None:
    assert models(two) == {"second": "champion", "first": "was champion"}
    assert show_model("champion", two.store, two.people.trust).name == "second"
    assert show_model("champion@1", two.store).name == "first"
    assert [each.author for each in list_models(two.store).history] == ["ana", "ana"]


def test_a_rollback_is_a_new_ref_and_nothing_is_taken_away(two: Shop) -> None:
    ref = back(two)
    assert number(ref) == (3, two.of(two.training).model)
    assert models(two) == {"first": "champion", "second": "was champion"}
    assert number(back(two, to="2"))[0] == 4
    assert models(two)["second"] == "champion"
    with pytest.raises(UsageError, match="second is champion already"):
        back(two, to="second")
    with pytest.raises(UsageError, match="never stood for"):
        back(two, to="9")


def test_a_revoked_model_is_not_brought_back(two: Shop) -> None:
    revoke("first", "it leaks", signer=two.people.ben, store=two.store, trust=two.people.trust)
    with pytest.raises(NotPromoted, match="first was revoked by ben"):
        back(two, to="first")
    with pytest.raises(UsageError, match="no other model that may be used"):
        back(two)


def test_a_rollback_is_for_owners_and_release_keys(two: Shop) -> None:
    with pytest.raises(Untrusted, match="this takes an owner or a release key"):
        back(two, signer=two.people.ben)
    with pytest.raises(UsageError, match="no reason"):
        back(two, why=" ")


def test_a_revoked_champion_is_nothing_to_compare_with(two: Shop) -> None:
    revoke("champion", "it leaks", signer=two.people.ana, store=two.store, trust=two.people.trust)
    third = two.run("third")
    two.score(third, "regression", {"faq": right(0.95)})
    with pytest.raises(NotPromoted, match="nothing is compared with it"):
        two.promote("third")


def test_a_revoked_candidate_is_not_judged(shop: Shop) -> None:
    shop.scored(shop.training)
    revoke("first", "it leaks", signer=shop.people.ben, store=shop.store, trust=shop.people.trust)
    with pytest.raises(NotJudgedAtAll, match="first was revoked by ben: it leaks"):
        shop.promote(first=True)


def test_nobody_approves_their_own_and_a_stranger_does_not_count(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.promote(first=True)
    with pytest.raises(Untrusted, match="'ana' is an owner"):
        shop.approve("first", shop.people.ana)
    with pytest.raises(Untrusted, match="does not trust"):
        shop.approve("first", shop.people.eve)
    assert shop.promote(first=True).exit_code == 3


def test_what_did_not_pass_is_not_approved(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.6)
    shop.promote(first=True)
    with pytest.raises(Refused, match="did not pass"):
        shop.approve("first")


def test_a_promotion_is_signed_by_an_owner_or_a_release_key(shop: Shop) -> None:
    shop.scored(shop.training)
    with pytest.raises(Untrusted, match="this takes an owner or a release key"):
        shop.promote(first=True, signer=shop.people.ben)


def test_a_rejection_stops_it_until_the_same_person_approves(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.promote(first=True)
    said = reject("first", "two answers are rude", signer=shop.people.ben, store=shop.store, trust=shop.people.trust)
    assert isinstance(said.statement.about, Rejection)
    found = shop.promote(first=True)
    assert (found.exit_code, found.stands.status) == (1, "rejected")
    shop.approve("first")
    assert shop.promote().exit_code == 0


def test_a_champion_that_came_meanwhile_is_compared_with(shop: Shop) -> None:
    shop.scored(shop.training)
    waiting = shop.promote(first=True)
    second = shop.run("second")
    shop.score(second, "regression", {"faq": right(0.95)})
    shop.score(second, "forgetting", {"capitals": right(0.8)})
    assert shop.promoted("second", first=True).exit_code == 0
    shop.approve("first")
    found = shop.promote()
    assert found.statement.digest != waiting.statement.digest
    assert found.about.champion == shop.of(second).model
    assert found.exit_code == 3  # judged against another champion: that was not approved by anybody


def test_a_name_is_not_moved_past_a_champion_that_came_meanwhile(shop: Shop) -> None:
    shop.scored(shop.training)
    waiting = shop.promote(first=True)
    shop.approve("first")
    shop.promote()
    with pytest.raises(NotPromoted, match="another champion came since first was judged"):
        move(shop.ledger, shop.people.trust, waiting.statement, shop.people.ana)


def test_a_name_of_datasets_is_not_taken_over(shop: Shop) -> None:
    shop.scored(shop.training)
    with pytest.raises(Exception, match="stands for a dataset"):
        shop.promote(first=True, champion="promoted")


def test_two_models_side_by_side(two: Shop) -> None:
    found = compare_models("first", "second", two.store, two.people.trust, alpha=0.05)
    rows = {row.task: row for row in found.rows}
    assert (rows["faq"].one, rows["faq"].other) == (0.9, 0.95)
    assert rows["faq"].comparison is not None
    assert rows["faq"].comparison.gained == 20
    with pytest.raises(UsageError, match="there is no model"):
        compare_models("first", "none", two.store, two.people.trust, alpha=0.05)
    base = compare_models("tiny-base", "second", two.store, two.people.trust, alpha=0.05)
    assert {row.task: row.one for row in base.rows} == {"faq": 0.5, "capitals": 0.8}
