"""The policies that gate brings: complete, bound to real checks, reasoned, and strict where they say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.admission.bind import bind
from gate.checks import BUILT_IN, load
from gate.data.frame import KINDS
from gate.folders import SHIPPED, Folders
from gate.policy.load import load_policy

NAMES = (*KINDS, "base", "strict")
FILES = sorted((SHIPPED / "rules" / "admission").glob("*.yaml"))


def test_there_is_one_per_kind_and_base_and_strict() -> None:
    assert {path.stem for path in FILES} == set(NAMES)


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("name", ["own", "strict"])
def test_every_rule_binds_to_its_check_with_valid_parameters(kind, name: str) -> None:
    policy = load_policy((kind or "base") if name == "own" else name, Folders(), kind=kind)
    assert len(bind({kind: policy})) == len(policy.rules)


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_serves_every_kind(kind) -> None:
    policy = load_policy(kind, Folders(), kind=kind)
    assert [rule.id for rule in policy.rules] == [rule.check for rule in policy.rules]
    assert {rule.check for rule in policy.rules} == set(BUILT_IN)


def test_each_kind_has_its_own_suite() -> None:
    for kind in KINDS:
        (rule,) = [each for each in load_policy(kind, Folders()).rules if each.id == "expectations"]
        assert rule.params == {"suite": kind}
        assert Folders().find(f"rules/expectations/{kind}.json")


def test_rules_that_say_the_same_for_every_kind_are_one() -> None:
    """A suite is of one kind; every other rule judges all kinds together, so that copies across kinds are found."""
    policies = {kind: load_policy(kind or "base", Folders(), kind=kind) for kind in (*KINDS, None)}
    bound = bind(policies)
    kinds = [(each.rule.id, set(each.kinds)) for each in bound if each.rule.id != "expectations"]
    assert dict(kinds) == {name: set(policies) for name in BUILT_IN if name != "expectations"}
    assert len(kinds) == len(dict(kinds))
    assert sorted(each.kinds for each in bound if each.rule.id == "expectations") == sorted((kind,) for kind in KINDS)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_strict_tolerates_nothing_and_never_only_warns(kind) -> None:
    own = {rule.id: rule for rule in load_policy(kind or "base", Folders(), kind=kind).rules}
    strict = {rule.id: rule for rule in load_policy("strict", Folders(), kind=kind).rules}
    assert strict.keys() == own.keys()
    assert {(rule.severity, rule.tolerate) for rule in strict.values()} == {("error", 0)}
    assert {name: rule.params for name, rule in strict.items()} == {name: rule.params for name, rule in own.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_says_why_and_from_which_source(name: str) -> None:
    for rule in load_policy(name, Folders(), kind="chat").rules:
        assert len(rule.why) > 60
        assert rule.why.endswith(".")
        assert "(" in rule.why


def test_every_parameter_without_a_default_stands_in_the_rules() -> None:
    for rule in load_policy("chat", Folders()).rules:
        for name, field in load(rule.check).params.model_fields.items():
            assert not field.is_required() or name in rule.params, (rule.id, name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_they_are_valid_against_the_published_schema(path: Path) -> None:
    import jsonschema

    from gate.policy.yaml_file import read_yaml
    from gate.verbs.schemas import policy_schema

    jsonschema.validate(read_yaml(path, path.name).values, policy_schema())
