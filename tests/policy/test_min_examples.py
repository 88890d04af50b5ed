"""A share is judged on enough rows: a policy says how many, a rule may say otherwise, and nobody may say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy
from gate.policy.model import Rule
from gate.verbs.rules import list_rules

ALONE = """\
version: 1
{least}rules:
  - id: r
    check: structure
    severity: error
    tolerate: {tolerate}
    remedy: fix
    why: because
{own}"""


def only(tmp_path: Path, tolerate: str, least: str = "", own: str = "") -> Rule:
    folder = tmp_path / "rules/admission"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alone.yaml").write_text(ALONE.format(tolerate=tolerate, least=least, own=own))
    (rule,) = load_policy("alone", Folders(tmp_path)).rules
    return rule


def test_a_share_needs_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"alone\.yaml:6(.|\n)*min_examples: 100"):
        only(tmp_path, "1 %")


@pytest.mark.parametrize("tolerate", ["0", "5", "0.0"])
def test_a_count_does_not_and_is_judged_on_any_number(tmp_path: Path, tolerate: str) -> None:
    assert only(tmp_path, tolerate).min_examples is None
    assert only(tmp_path, tolerate, "min_examples: 50\n").min_examples is None


def test_the_policys_and_the_rules_own(tmp_path: Path) -> None:
    rule = only(tmp_path, "1 %", "min_examples: 50\n")
    assert (rule.min_examples, rule.places["min_examples"].line) == (50, 2)
    rule = only(tmp_path, "1 %", "min_examples: 50\n", "    min_examples: 20\n")
    assert (rule.min_examples, rule.places["min_examples"].line) == (20, 10)


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "many", "true"])
def test_it_is_a_count_of_at_least_one(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(PolicyError, match="min_examples"):
        only(tmp_path, "1 %", f"min_examples: {wrong}\n")
    with pytest.raises(PolicyError, match="min_examples"):
        only(tmp_path, "1 %", "min_examples: 50\n", f"    min_examples: {wrong}\n")


def test_it_is_inherited_from_the_shipped_base_and_shown(tmp_path: Path) -> None:
    (tmp_path / "rules/admission").mkdir(parents=True)
    (tmp_path / "rules/admission/chat.yaml").write_text(
        "version: 1\nextends: chat\nrules: [{id: pii, tolerate: 1 %}]\n"
    )
    pii = next(each for each in list_rules(kind="chat", start=tmp_path) if each.id == "pii")
    shown = {value.key: value for value in pii.values}
    assert shown["min_examples"].value == 100
    assert str(shown["min_examples"].origin).startswith("gate:rules/admission/base.yaml:")
    shares = ("pii", "spot_check")  # these two tolerate a share
    others = [each for each in list_rules(kind="chat", start=tmp_path) if each.id not in shares]
    assert not any(value.key == "min_examples" for each in others for value in each.values)


def test_it_is_part_of_what_is_demanded(tmp_path: Path) -> None:
    def digest(least: str) -> str:
        only(tmp_path, "1 %", least)
        return load_policy("alone", Folders(tmp_path)).digest

    assert digest("min_examples: 50\n") != digest("min_examples: 51\n")
