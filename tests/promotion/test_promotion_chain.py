"""`gate verify` of a promoted model, from the champion's name down to the source files, and what breaks that."""

from __future__ import annotations

import pytest

from gate.errors import GateError, UsageError
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Statement
from gate.snapshots.reach import reach
from gate.snapshots.verification import Verification
from gate.store.objects import Damaged, Store
from gate.verbs.people import revoke
from gate.verbs.promote import Refused
from gate.verbs.snapshot import open_snapshot
from gate.verbs.sql import sql
from gate.verbs.store import checked, collected
from gate.verbs.store_moves import bundled, unbundled
from gate.verbs.verify import verify
from tests.promotion.kit import Shop, right


def verified(shop: Shop, what: str | None = "champion") -> Verification:
    return verify(what, store=shop.store, trust=shop.people.trust)


def said(found: Verification) -> str:
    return "; ".join(f"{link.what} {link.name}: {link.said}" for link in found.broken)


def only(shop: Shop, kind: type) -> list[Statement]:
    return [one for one in shop.ledger.all() if isinstance(one.about, kind)]


def test_the_chain_is_whole_by_every_name(sold: Shop) -> None:
    about = sold.of(sold.training)
    (promotion,) = only(sold, Promotion)
    for what in ("champion", "first", about.model[:10], promotion.digest[:12]):
        found = verified(sold, what)
        assert (found.verdict, said(found)) == ("whole", ""), what
        kinds = {link.what for link in found.chain.every()}
        assert {"files", "promotion", "policy", "report", "evaluation", "items", "training", "admission"} <= kinds
        assert {"rows", "sources", "approval", "ref"} <= kinds
    assert verified(sold, None).exit_code == 0


def test_a_changed_item_is_named(sold: Shop) -> None:
    (one, *_) = [each for each in only(sold, Evaluation) if each.about.training]  # type: ignore[attr-defined]
    path = sold.store.path(one.about.tasks[0].items, "parquet")  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = verified(sold)
    assert found.exit_code == 1
    assert path.name in said(found)
    with pytest.raises(Refused, match="the chain behind first is broken"):
        sold.promote("first", champion="other", first=True)


@pytest.mark.parametrize(("part", "kind"), [("policy", "json"), ("result", "json"), ("report", "html")])
def test_what_the_promotion_names_is_hashed(sold: Shop, part: str, kind: str) -> None:
    (promotion,) = only(sold, Promotion)
    path = sold.store.path(getattr(promotion.about, part), kind)
    path.write_bytes(path.read_bytes() + b" ")
    assert path.name in said(verified(sold))
    assert verified(sold, None).exit_code == 1
    path.unlink()
    assert verified(sold).exit_code == 1
    assert checked(sold.store).exit_code == 1


def test_a_swapped_evaluation_is_broken(sold: Shop) -> None:
    other = sold.run("other")
    foreign = sold.score(other, "forgetting", {"capitals": right(0.8)})
    (promotion,) = only(sold, Promotion)
    assert isinstance(promotion.about, Promotion)
    lie = promotion.about.model_copy(update={"evaluations": [foreign.digest]})
    told = sold.ledger.say(lie, sold.people.ana)
    found = verified(sold, told.digest)
    assert "it is no evaluation of a model that the promotion compares" in said(found)
    assert "none of them is of the candidate" in said(found)


def test_scores_that_the_items_do_not_give_are_broken(sold: Shop) -> None:
    (one, *_) = [each for each in only(sold, Evaluation) if each.about.training]  # type: ignore[attr-defined]
    assert isinstance(one.about, Evaluation)
    task = one.about.tasks[0].model_copy(update={"scores": {"exact_match": 1.0}})
    told = sold.ledger.say(one.about.model_copy(update={"tasks": [task]}), sold.people.ana)
    assert "are not the means of its items" in said(verified(sold, told.digest))


def test_a_name_that_was_moved_without_an_approval_is_broken(shop: Shop) -> None:
    shop.scored(shop.training)
    waiting = shop.promote(first=True)
    shop.ledger.refer_model("champion", waiting.about.model, waiting.statement.digest, shop.people.ana)
    found = verified(shop)
    assert "was not approved when the name was moved" in said(found)
    shop.approve("first")
    assert "was not approved when the name was moved" in said(verified(shop))  # it came too late


def test_a_name_that_was_moved_to_a_model_that_failed_is_broken_and_no_champion(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.5)
    failed = shop.promote(first=True)
    ref = shop.ledger.refer_model("champion", failed.about.model, failed.statement.digest, shop.people.ana)
    assert isinstance(ref.about, ModelRef)
    assert "ended as fail, and promotes nothing" in said(verified(shop))
    second = shop.run("second")
    shop.score(second, "regression", {"faq": right(0.95)})
    with pytest.raises(Damaged, match="ended as fail"):
        shop.promote("second")


def test_a_broken_chain_is_not_promoted(shop: Shop) -> None:
    shop.scored(shop.training)
    weights = shop.store.root / "runs" / "first" / "candidate" / "model.safetensors"
    weights.write_bytes(b"other")
    with pytest.raises(GateError, match="its files are not those of the training statement"):
        shop.promote(first=True)


def test_a_damaged_record_of_training_is_not_promoted(shop: Shop) -> None:
    shop.scored(shop.training)
    path = shop.store.path(shop.of(shop.training).accounting, "parquet")
    path.write_bytes(b"none")
    with pytest.raises(Refused, match="the chain behind first is broken"):
        shop.promote(first=True)


def test_a_revoked_snapshot_is_not_promoted(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.approve(shop.promote(first=True).statement.digest)
    revoke("promoted", "it held addresses", signer=shop.people.ana, store=shop.store, trust=shop.people.trust)
    with pytest.raises(Refused, match="a snapshot that first was trained on is revoked"):
        shop.promote(first=True)


def test_an_evaluation_by_a_stranger_counts_for_nothing(shop: Shop) -> None:
    shop.scored(shop.training, kept=0.5)
    shop.score(shop.training, "forgetting", {"capitals": right(0.9)}, signer=shop.people.eve)
    assert shop.promote(first=True).about.verdict == "fail"


def test_what_a_promotion_names_is_kept_and_travels(sold: Shop, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = {each.digest for each in reach(sold.store, sold.ledger.all()).objects}
    (promotion,) = only(sold, Promotion)
    assert isinstance(promotion.about, Promotion)
    assert {promotion.about.result, promotion.about.report, promotion.about.policy} <= kept
    assert collected(sold.store, youngest=0.0).files == ()
    assert checked(sold.store).problems == ()
    folder = tmp_path_factory.mktemp("elsewhere")
    bundled(sold.store, "champion", folder / "model.bundle")
    there = Store.create(folder / ".gate")
    unbundled(there, folder / "model.bundle")
    found = verify("champion", store=there, trust=sold.people.trust)
    assert (found.verdict, said(found)) == ("whole", "")


def test_sql_shows_them(sold: Shop) -> None:
    evaluated = sql("select name, suite, task, value from evaluations order by suite, name", store=sold.store)
    assert ("first", "regression", "faq", 0.9) in evaluated.rows()
    counted = sql(
        "select task, count(*) as n from items where name = 'first' group by task order by task", store=sold.store
    )
    assert counted.rows() == [("capitals", 400), ("faq", 400)]
    (decided,) = sql("select name, verdict, current from promotions", store=sold.store).rows()
    assert decided == ("first", "pass", True)


def test_the_champion_is_no_dataset(sold: Shop) -> None:
    with pytest.raises(UsageError, match="champion stands for a model"):
        open_snapshot("champion", store=sold.store, trust=sold.people.trust)
