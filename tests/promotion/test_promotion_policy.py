"""Promotion policies: what they may say, what they inherit, and errors with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import Folders
from gate.promotion.policy import PromotionPolicy, load_promotion_policy, policy_of
from tests.promotion.kit import POLICY


def load(folder: Path, text: str, name: str = "own") -> PromotionPolicy:
    path = folder / "rules" / "promotion" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load_promotion_policy(name, Folders(folder))


def test_the_shipped_policy_says_what_the_documentation_says() -> None:
    found = load_promotion_policy("default", Folders())
    assert found.suites == ("regression", "forgetting", "safety", "memorization")
    assert found.form.alpha == 0.05
    forgetting = next(each for each in found.demands if each.id == "forgetting")
    assert forgetting.no_worse is not None
    assert (forgetting.against, forgetting.no_worse.margin) == ("both", 0.03)
    assert "memorization" not in found.form.waivable
    assert found.form.remote == "refuse"
    assert not found.form.prompts_may_differ


def test_a_sealed_policy_is_the_same_one(tmp_path: Path) -> None:
    for text in (POLICY, "version: 1\nextends: default\n"):
        found = load(tmp_path, text)
        again = policy_of(found.content(), "here")
        assert again.digest() == found.digest()


def test_a_policy_of_ones_own_changes_what_differs(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "version: 1\nextends: default\ndemands:\n  - {id: safety, enabled: false}\n"
        "  - id: forgetting\n    no_worse: {margin: 0.02}\n"
        "  - id: task\n    better: null\n    no_worse: {margin: 0.1}\n",
        "default",
    )
    demands = {each.id: each for each in found.demands}
    assert "safety" not in demands
    assert demands["forgetting"].no_worse is not None
    assert demands["forgetting"].no_worse.margin == 0.02
    assert demands["forgetting"].no_worse.margins == {"bits_per_byte": 0.05}
    assert demands["task"].better is None
    assert found.place("demands.forgetting.no_worse.margin") == "rules/promotion/default.yaml:6"
    assert str(found.place("demands.forgetting.why")).startswith("gate:rules/promotion/default.yaml:")
    assert found.files[0] == "rules/promotion/default.yaml"


def test_better_takes_the_place_of_no_worse(tmp_path: Path) -> None:
    found = load(tmp_path, "version: 1\nextends: default\ndemands:\n  - {id: forgetting, better: {by: 0.01}}\n")
    (demand,) = [each for each in found.demands if each.id == "forgetting"]
    assert demand.no_worse is None
    assert demand.better is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nextends: default\nalpah: 0.1\n", r"own.yaml:3: alpah: there is no such key"),
        ("version: 1\nextends: default\nalpha: 0.9\n", r"own.yaml:3: alpha: .*less than 0.5"),
        ("version: 1\nextends: nosuch\n", r"own.yaml:2: there is no promotion policy 'nosuch'"),
        ("version: 1\nextends: own\n", r"the policy extends itself"),
        ("version: 2\nextends: default\n", r"own.yaml:1: version"),
        (
            "version: 1\nextends: default\ndemands:\n  - {id: forgetting, no_worse: {margni: 0.1}}\n",
            r"own.yaml:4: .*margni: there is no such key",
        ),
        (
            "version: 1\nextends: default\ndemands:\n  - {suite: safety}\n",
            r"own.yaml:4: demands: an entry without a name",
        ),
        (
            "version: 1\nextends: default\ndemands:\n  - {id: task, suite: regresion}\n",
            r"own.yaml:4: .*suite",
        ),
        (
            "version: 1\nextends: default\ndemands:\n  - {id: more, suite: safety, against: base, why: x}\n",
            r"demands `no_worse` or `better`",
        ),
        ("version: 1\nextends: default\nlimits:\n  - {id: pii, most: null}\n", r"says `most` or `least`"),
        ("version: 1\nchampion: c\nalpha: 0.05\ndemands: []\nrepeat: {required: false}\n", r"demands"),
        ("version: 1\n", r"missing"),
        (
            POLICY.replace("against: base", "against: base\n    gated: false").replace(
                "against: both", "against: both\n    enabled: false"
            ),
            r"no demand is enabled and gated",
        ),
        (POLICY.replace("margin: 0.03", "margin: -0.03"), r"margin: .*greater than or equal to 0"),
        (POLICY.replace("margin: 0.03", "margin: .nan"), r"not a finite number"),
    ],
)
def test_what_a_policy_may_not_say_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said) as refused:
        load(tmp_path, text)
    assert refused.value.exit_code == 2
