"""What a decision makes of evaluations: every kind of demand and limit, and everything that must not be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gate.evaluation.settings import Settings
from gate.folders import Folders
from gate.promotion.covered import NotJudged
from gate.promotion.decide import Evidence, decide
from gate.promotion.decided import Decided, Outcome
from gate.promotion.gather import find_judged, gather
from gate.promotion.policy import load_promotion_policy
from gate.provenance.statements import now
from tests.promotion.kit import BITS, POLICY, N, Shop, right


def decided(shop: Shop, tmp_path: Path, rules: str = POLICY, uses: Mapping[str, int] | None = None) -> Decided:
    """A decision on `first` against the base, nothing of it sealed."""
    path = tmp_path / "rules.yaml"
    path.write_text(rules)
    policy = load_promotion_policy(str(path), Folders())
    judged = find_judged("first", shop.ledger, shop.people.trust)
    sides = gather(judged, None, policy, shop.ledger, shop.people.trust)
    evidence = Evidence(
        sides.candidate, sides.base, None, True, judged.training, None, split_uses=uses, notes=sides.notes
    )
    return decide(evidence, policy, made=now())


def outcome(found: Decided, task: str) -> Outcome:
    return next(each for each in found.outcomes if each.task.task == task)


def swapped(share: float, flips: int) -> list[bool]:
    """As `right`, with some of the right ones wrong and as many of the wrong ones right."""
    own = right(share)
    return [not each if at < flips or at >= N - flips else each for at, each in enumerate(own)]


# --- Demands ---


def test_a_metric_that_is_no_share_has_its_own_margin(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    for who, bits in ((shop.base, 1.5), (shop.training, 1.53)):
        scores = [bits + (at % 7) / 100 for at in range(N)]
        shop.score(who, "forgetting", {"prose": scores}, metric=BITS)
    found = outcome(decided(shop, tmp_path), "prose")
    assert found.comparison is not None
    assert (found.verdict, found.comparison.margin) == ("pass", 0.05)
    assert found.comparison.difference == pytest.approx(-0.03)  # more bits are worse
    assert "bits_per_byte 1.56 against 1.53 of the base" in found.why.replace("1.559", "1.56").replace("1.530", "1.53")


def test_better_by_so_much_is_held_against_the_whole_interval(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training, task=0.55)
    assert outcome(decided(shop, tmp_path), "faq").verdict == "pass"
    for by, verdict in ((0.02, "pass"), (0.05, "inconclusive"), (0.2, "fail")):
        found = decided(shop, tmp_path, POLICY.replace("{by: 0}", f"{{by: {by}}}"))
        assert outcome(found, "faq").verdict == verdict, by


def test_tasks_together_are_one_set_of_items(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    tasks = {f"small-{at}": right(0.8, 60) for at in range(4)}
    shop.score(shop.base, "forgetting", tasks)
    shop.score(shop.training, "forgetting", {**tasks, "small-0": right(0.75, 60)})
    together = POLICY.replace("against: both", "against: both\n    together: true")
    found = decided(shop, tmp_path, together)
    (one,) = [each for each in found.outcomes if each.suite == "forgetting"]
    assert one.comparison is not None
    assert (one.comparison.n, one.comparison.lost) == (240, 3)
    assert one.task.config["together"].keys() == tasks.keys()


def test_a_demand_of_which_nothing_was_scored_blocks_unless_it_is_not_required(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    safety = "  - {id: safe, suite: safety, against: base, no_worse: {margin: 0.1}, why: it has to be}\nwaivable"
    with pytest.raises(NotJudged, match="the candidate was not scored on safety"):
        decided(shop, tmp_path, POLICY.replace("waivable", safety))
    optional = safety.replace("against", "required: false, against")
    found = decided(shop, tmp_path, POLICY.replace("waivable", optional))
    assert any("demand safe was left out" in warning for warning in found.warnings)


def test_a_named_task_that_was_not_scored_blocks(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    with pytest.raises(NotJudged, match="not scored on capitols, which demand forgetting names"):
        decided(shop, tmp_path, POLICY.replace("against: both", "tasks: [capitols]\n    against: both"))
    with pytest.raises(NotJudged, match=r"no task of forgetting is mmlu_\*"):
        decided(shop, tmp_path, POLICY.replace("against: both", "tasks: [mmlu_*]\n    against: both"))


def test_the_best_of_the_prompts_has_to_be_beaten(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training, task=0.7)
    for shots, share in ((0, 0.4), (5, 0.9)):
        shop.score(
            shop.base, "regression", {"faq": right(share)}, prompts=f"{shots}", baseline={"shots": shots},
            settings=Settings(shots=shots),
        )  # fmt: skip
    prompt = "  - {id: prompts, suite: regression, against: prompt, better: {by: 0}, why: else prompts do}\nwaivable"
    found = decided(shop, tmp_path, POLICY.replace("waivable", prompt))
    (one,) = [each for each in found.outcomes if each.against == "prompt"]
    assert one.verdict == "fail"
    assert "90.0 % of the best-prompted base" in one.why
    assert found.verdict == "fail"


# --- Limits ---


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("most: 0.3", "pass"),
        ("most: 0.1", "fail"),
        ("most: 0.19, hold: interval", "inconclusive"),
        ("most: 0.1, hold: interval", "fail"),
        ("least: 0.1", "pass"),
        ("least: 0.5", "fail"),
    ],
)
def test_a_limit_holds_a_figure(shop: Shop, tmp_path: Path, rule: str, verdict: str) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "safety", {"insults": right(0.2)})
    limit = f"limits:\n  - {{id: rude, suite: safety, figure: exact_match, {rule}, why: it is}}\nwaivable"
    found = decided(shop, tmp_path, POLICY.replace("waivable", limit))
    one = outcome(found, "insults")
    assert (one.demand, one.verdict, one.value) == ("limit", verdict, 0.2)
    assert found.verdict == verdict


def test_a_figure_that_is_not_there_blocks_unless_that_is_allowed(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    limit = "limits:\n  - {id: leaks, suite: memorization, figure: exposure, most: 3, why: leaks}\nwaivable"
    allowing = POLICY.replace("waivable", limit.replace("most", "if_absent: allow, most"))
    with pytest.raises(NotJudged, match="the candidate was not scored on memorization"):
        decided(shop, tmp_path, allowing)
    shop.score(shop.training, "memorization", {"canaries": right(0.0)})
    with pytest.raises(NotJudged, match="there is no figure exposure of memorization"):
        decided(shop, tmp_path, POLICY.replace("waivable", limit))
    found = decided(shop, tmp_path, allowing)
    assert any("exposure of memorization" in warning for warning in found.warnings)


# --- What is not compared ---


def test_other_settings_are_no_comparison(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8)}, settings=Settings(precision="bf16"))
    with pytest.raises(NotJudged, match="not run alike on forgetting: precision bf16 against fp32"):
        decided(shop, tmp_path)


def test_an_older_evaluation_that_fits_is_taken(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    shop.score(shop.base, "forgetting", {"capitals": right(0.9)}, settings=Settings(precision="bf16"))
    assert outcome(decided(shop, tmp_path), "capitals").verdict == "pass"


def test_another_machine_is_told_or_blocks(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8)}, device="another")
    found = decided(shop, tmp_path)
    assert any("on another machine" in warning for warning in found.warnings)
    with pytest.raises(NotJudged, match="on another machine"):
        decided(shop, tmp_path, POLICY + "environments: block\n")


def test_prompts_may_differ_where_the_policy_says_so_and_are_told(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    shop.score(shop.training, "forgetting", {"capitals": right(0.8)}, prompts="<|own|>")
    found = decided(shop, tmp_path, POLICY + "prompts_may_differ: true\n")
    assert any("400 of 400 prompts of capitals are not those of the base" in each for each in found.warnings)


def test_a_repeat_that_differs_widens_the_interval_and_never_the_margin(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    first = next(
        one for one in reversed(shop.ledger.all())
        if one.kind == "evaluation" and one.about.model == shop.base and one.about.suite == "forgetting"  # type: ignore[attr-defined]
    )  # fmt: skip
    quiet = outcome(decided(shop, tmp_path), "capitals").comparison
    shop.score(shop.base, "forgetting", {"capitals": swapped(0.8, 20)}, repeat=first.digest)
    found = decided(shop, tmp_path)
    noisy = outcome(found, "capitals").comparison
    assert quiet is not None
    assert noisy is not None
    assert noisy.noise > 0
    assert noisy.margin == quiet.margin
    assert noisy.lower < quiet.lower
    assert any("did not repeat itself" in warning for warning in found.warnings)


def test_a_repeat_may_be_demanded(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    with pytest.raises(NotJudged, match="the base was not scored twice on regression"):
        decided(shop, tmp_path, POLICY.replace("required: false}", "required: true}"))


def test_uses_of_the_test_split_are_told_and_may_block(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    snapshot = "ab" * 32
    assert not decided(shop, tmp_path, uses={snapshot: 1}).warnings
    found = decided(shop, tmp_path, uses={snapshot: 2})
    assert any("used for 2 candidates" in warning for warning in found.warnings)
    with pytest.raises(NotJudged, match="takes no more than 2"):
        decided(shop, tmp_path, POLICY.replace("{warn: 2}", "{warn: 2, block: 3}"), uses={snapshot: 3})


def test_all_that_is_missing_is_told_at_once(shop: Shop, tmp_path: Path) -> None:
    shop.score(shop.training, "regression", {"faq": right(0.9)})
    with pytest.raises(NotJudged) as refused:
        decided(shop, tmp_path)
    assert "the base was not scored on regression" in str(refused.value)
    assert "the candidate was not scored on forgetting" in str(refused.value)


def test_which_tasks_changed_is_corrected_for_their_number(shop: Shop, tmp_path: Path) -> None:
    shop.scored(shop.training)
    tasks = {name: right(0.8) for name in "abcde"}
    shop.score(shop.base, "forgetting", tasks)
    shop.score(shop.training, "forgetting", {**tasks, "a": right(0.785)})
    found = decided(shop, tmp_path)
    one = outcome(found, "a")
    assert one.comparison is not None
    assert one.holm is not None
    assert one.holm > one.comparison.p_difference
