"""Exceptions to a suite, named and expiring; and criteria that were declared before training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.folders import Folders
from gate.promotion.policy import load_promotion_policy
from gate.provenance.model_standing import model_standing
from gate.provenance.statements import Statement, Waiver, written
from gate.provenance.trust import Untrusted
from gate.verbs.waive_outcomes import waive_outcomes
from tests.promotion.kit import POLICY, Shop, right

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")


def waive(shop: Shop, suite: str = "forgetting", what: str = "first", **options: object) -> Statement:
    given: dict[str, object] = {
        "until": TOMORROW, "why": "no capitals are asked", "signer": shop.people.ben, "store": shop.store,
        "trust": shop.people.trust,
    }  # fmt: skip
    return waive_outcomes(f"promotion/{suite}", what, **given | options)  # type: ignore[arg-type]


def test_a_waiver_lets_a_suite_pass_and_is_shown(failed: Shop) -> None:
    waiver = waive(failed)
    found = failed.promote(first=True)
    assert (found.about.verdict, found.exit_code) == ("pass", 3)
    assert found.about.waivers == [waiver.digest]
    assert found.decided is not None
    (outcome,) = [each for each in found.decided.outcomes if each.suite == "forgetting"]
    assert (outcome.verdict, outcome.waiver) == ("fail", waiver.digest)
    assert any("waived by ben until" in warning for warning in found.decided.warnings)
    assert "1 outcome was waived" in "; ".join(found.about.reasons)
    failed.approve("first")
    assert failed.promote().exit_code == 0


def test_a_waiver_covers_no_other_model_and_no_other_version_of_the_task(failed: Shop) -> None:
    waive(failed)
    second = failed.run("second")
    failed.score(second, "regression", {"faq": right(0.9)})
    failed.score(second, "forgetting", {"capitals": right(0.7)})
    assert failed.promote("second", first=True).about.verdict == "fail"
    failed.score(failed.training, "forgetting", {"capitals": right(0.7)}, data="2")
    failed.score(failed.base, "forgetting", {"capitals": right(0.8)}, data="2")
    assert failed.promote(first=True).about.verdict == "fail"


def test_a_waiver_that_is_over_leaves_the_promotion_expired(failed: Shop) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3600)
    waiver = waive(failed, until=written(soon))
    found = failed.promote(first=True)
    failed.approve("first")
    later = written(soon + timedelta(seconds=1))
    stands = model_standing(failed.ledger, failed.people.trust, found.statement, at=later)
    assert stands.status == "expired"
    assert isinstance(waiver.about, Waiver)
    assert "was over on" in stands.reasons[0]


def test_only_what_the_policy_allows_is_waived(failed: Shop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lets nothing of regression be waived") as refused:
        waive(failed, "regression")
    assert "suites that may be waived: forgetting" in str(refused.value)
    with pytest.raises(UsageError, match="there is no suite"):
        waive(failed, "foregetting")
    with pytest.raises(UsageError, match="nothing was decided"):
        waive(failed, what="nobody")
    with pytest.raises(UsageError, match="is over already"):
        waive(failed, until="2020-01-01")
    with pytest.raises(Untrusted):
        waive(failed, signer=failed.people.eve)
    with pytest.raises(UsageError, match="is no outcome of it"):
        waive(failed, findings=["00000000"])


def test_a_waiver_by_a_stranger_covers_nothing(failed: Shop) -> None:
    waive(failed, signer=failed.people.eve, trust=None)
    assert failed.promote(first=True).about.verdict == "fail"


def test_nothing_is_waived_of_what_passed(shop: Shop) -> None:
    shop.scored(shop.training)
    shop.promote(first=True)
    with pytest.raises(UsageError, match="everything of forgetting passed"):
        waive(shop)


# --- Criteria ---


def test_criteria_that_were_kept_are_told_as_kept(shop: Shop) -> None:
    shop.scored(shop.training)
    found = shop.promote(first=True)
    assert found.decided is not None
    assert (found.decided.criteria_declared, found.decided.criteria_changes) == (True, ())
    assert found.about.criteria == shop.of(shop.training).criteria == found.about.policy
    assert not found.about.criteria_changed


def test_a_criterion_that_was_changed_afterwards_is_shown(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training, kept=0.76)
    wider = tmp_path / "wider.yaml"
    wider.write_text(POLICY.replace("margin: 0.03", "margin: 0.08"))
    found = shop.promote(first=True, policy=wider)
    assert found.about.verdict == "pass"
    assert found.about.criteria_changed
    assert found.decided is not None
    (change,) = found.decided.criteria_changes
    assert change.key == "demands.forgetting.no_worse.margin"
    assert (change.declared, change.applied) == ("0.03", "0.08")


def test_a_training_without_criteria_is_told_as_not_declared(shop: Shop) -> None:
    second = shop.run("second", criteria=None)
    shop.scored(second)
    found = shop.promote("second", first=True)
    assert found.decided is not None
    assert not found.decided.criteria_declared
    assert found.about.criteria_changed


def test_another_sentence_changes_no_criterion(tmp_path: Path) -> None:
    from gate.promotion.criteria import criteria_changes

    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(POLICY)
    other.write_text(POLICY.replace("it may not forget", "nothing is lost"))
    policies = [load_promotion_policy(str(path), Folders()) for path in (one, other)]
    assert policies[0].digest() != policies[1].digest()
    assert criteria_changes(policies[0], policies[1]) == ()
