"""From a policy's name to its rules: looking up, extending, merging, and the place of every value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import SHIPPED, Folders
from gate.policy.load import load_policy
from gate.policy.model import Policy, Rule

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file into the user's folder."""

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return written


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def rule(policy: Policy, rule_id: str) -> Rule:
    return next(each for each in policy.rules if each.id == rule_id)


BASE = """\
version: 1
description: The parent
rules:
  - id: pii
    check: pii
    with:
      entities: {EMAIL_ADDRESS: 0.5, PHONE_NUMBER: 0.4}
      allow: [a, b, c]
      engine: blank
    severity: error
    tolerate: 3
    remedy: redact
    why: because
  - id: structure
    check: structure
    severity: warning
    remedy: fix
    why: because
"""


def test_a_child_changes_a_rule_key_by_key_and_every_value_knows_its_line(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE)
    write(
        "rules/admission/child.yaml",
        "version: 1\nextends: parent\nrules:\n"
        "  - id: pii\n    with:\n      allow: [d]\n      entities:\n        US_SSN: 0.7\n    severity: warning\n",
    )
    policy = load_policy("child", folders)
    pii = rule(policy, "pii")
    assert pii.severity == "warning"
    assert pii.tolerate == 3
    assert pii.params == {
        "entities": {"EMAIL_ADDRESS": 0.5, "PHONE_NUMBER": 0.4, "US_SSN": 0.7},
        "allow": ["d"],
        "engine": "blank",
    }
    places = {key: str(place) for key, place in pii.places.items()}
    assert places["severity"] == "rules/admission/child.yaml:9"
    assert places["with.entities.US_SSN"] == "rules/admission/child.yaml:8"
    assert places["with.entities.PHONE_NUMBER"] == "rules/admission/parent.yaml:7"
    assert places["tolerate"] == "rules/admission/parent.yaml:11"
    assert places[""] == "rules/admission/parent.yaml:4"
    assert "with.allow.2" not in places
    assert policy.files == ("rules/admission/child.yaml", "rules/admission/parent.yaml")
    assert policy.name == "child"
    assert policy.description == "The parent"


def test_null_takes_an_entry_of_a_mapping_away(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE)
    child = "version: 1\nextends: parent\nrules:\n  - {id: pii, with: {entities: {PHONE_NUMBER: null}}}\n"
    write("rules/admission/child.yaml", child)
    pii = rule(load_policy("child", folders), "pii")
    assert pii.params["entities"] == {"EMAIL_ADDRESS": 0.5}
    assert "with.entities.PHONE_NUMBER" not in pii.places

    write("rules/admission/child.yaml", child.replace("PHONE_NUMBER", "PHONE_NUMBR"))
    with pytest.raises(PolicyError, match="did you mean 'PHONE_NUMBER'"):
        load_policy("child", folders)


def test_null_as_a_parameter_is_a_value(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE)
    write("rules/admission/child.yaml", "version: 1\nextends: parent\nrules:\n  - {id: pii, with: {engine: null}}\n")
    assert rule(load_policy("child", folders), "pii").params["engine"] is None


def test_enabled_false_turns_a_rule_off_and_true_on_again(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE)
    write("rules/admission/off.yaml", "version: 1\nextends: parent\nrules: [{id: pii, enabled: false}]\n")
    write("rules/admission/on.yaml", "version: 1\nextends: off\nrules: [{id: pii, enabled: true}]\n")
    assert [each.id for each in load_policy("off", folders).rules] == ["structure"]
    assert [each.id for each in load_policy("on", folders).rules] == ["pii", "structure"]


def test_a_users_policy_extends_the_shipped_one_of_its_own_name(write: Write, folders: Folders) -> None:
    write(
        "rules/admission/chat.yaml", "version: 1\nextends: chat\nrules: [{id: near_duplicates, with: {threshold: 0.9}}]"
    )
    policy = load_policy("chat", folders)
    near = rule(policy, "near_duplicates")
    shipped = rule(load_policy("chat", Folders()), "near_duplicates")
    assert near.params == {**shipped.params, "threshold": 0.9}
    assert str(near.places["with.threshold"]) == "rules/admission/chat.yaml:3"
    assert str(near.places["with.shingle"]).startswith("gate:rules/admission/base.yaml:")


def test_a_users_base_reaches_the_shipped_policies_of_every_kind(write: Write, folders: Folders) -> None:
    write("rules/admission/base.yaml", "version: 1\nextends: base\nrules: [{id: pii, enabled: false}]")
    for kind in ("chat", "preference", "feedback", "text"):
        ids = {each.id for each in load_policy(kind, folders, kind=kind).rules}
        assert "pii" not in ids
        assert "expectations" in ids


def test_the_checkout_itself_as_the_users_folder_changes_nothing() -> None:
    assert Folders(SHIPPED).roots == Folders().roots == (SHIPPED,)
    assert load_policy("chat", Folders(SHIPPED)) == load_policy("chat", Folders())


def test_at_kind_is_the_policy_of_the_examples_own_kind() -> None:
    for kind in ("chat", "preference", "feedback", "text"):
        assert rule(load_policy("strict", Folders(), kind=kind), "expectations").params == {"suite": kind}
    assert "expectations" not in {each.id for each in load_policy("strict", Folders(), kind=None).rules}


def test_every_changes_all_inherited_rules_and_no_info(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE + "  - {id: i, check: pii, severity: info, remedy: fix, why: because}\n")
    write(
        "rules/admission/child.yaml",
        "version: 1\nextends: parent\nevery:\n  tolerate: 0\n  severity:\n    warning: error\n"
        "rules: [{id: pii, tolerate: 1}]\n",
    )
    policy = load_policy("child", folders)
    assert {each.id: (each.severity, each.tolerate) for each in policy.rules} == {
        "pii": ("error", 1),
        "structure": ("error", 0),
        "i": ("info", 0),
    }
    assert str(rule(policy, "structure").places["severity"]) == "rules/admission/child.yaml:6"


def test_several_parents_later_ones_on_top(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE)
    write("policies/own.yaml", "version: 1\nrules: [{id: pii, tolerate: 9, severity: info}]\n")
    write("policies/both.yaml", "version: 1\nextends: [parent, ./own.yaml]\n")
    pii = rule(load_policy(str(folders.user) + "/policies/both.yaml", folders), "pii")
    assert (pii.tolerate, pii.severity, pii.remedy) == (9, "info", "redact")


@pytest.mark.parametrize(
    ("written", "effective"),
    [("0", 0), ("7", 7), ("0.01", 0.01), ("1 %", 0.01), ("0.5%", 0.005), ('"29 %"', 0.29), ("0.0", 0.0)],
)
def test_tolerate_is_a_count_or_a_share(write: Write, folders: Folders, written: str, effective: float) -> None:
    write("rules/admission/parent.yaml", BASE.replace("tolerate: 3", f"tolerate: {written}\n    min_examples: 9"))
    tolerated = rule(load_policy("parent", folders), "pii").tolerate
    assert tolerated == effective
    assert type(tolerated) is type(effective)


def test_a_share_allows_what_a_person_would_count() -> None:
    def share(of: float) -> Rule:
        return Rule("r", "c", "error", of, "fix", "w")

    assert share(0.29).allowance(100) == 29
    assert share(0.01).allowance(99) == 0
    assert share(0.01).allowance(100) == 1
    assert Rule("r", "c", "error", 4, "fix", "w").allowance(2) == 4


def test_the_digest_depends_on_what_is_demanded_and_on_nothing_else(write: Write, folders: Folders) -> None:
    write("rules/admission/a.yaml", BASE)
    same = BASE.replace("The parent", "Another").replace("why: because", "why: other words  # a comment")
    write("rules/admission/b.yaml", same)
    write("rules/admission/c.yaml", BASE.replace("0.4", "0.41"))
    write("rules/admission/d.yaml", BASE.replace("tolerate: 3", "tolerate: 4"))
    digest = {name: load_policy(name, folders).digest for name in "abcd"}
    assert digest["a"] == digest["b"]
    assert len({digest["a"], digest["c"], digest["d"]}) == 3
    assert len(digest["a"]) == 64


def test_columns_come_from_the_nearest_policy_that_names_them(write: Write, folders: Folders) -> None:
    write("rules/admission/parent.yaml", BASE + "columns: {prompt: question.text, roles: {bot: assistant}}\n")
    write("rules/admission/child.yaml", "version: 1\nextends: parent\n")
    columns = load_policy("child", folders).columns
    assert columns is not None
    assert columns.prompt == "question.text"
    assert columns.roles == {"bot": "assistant"}


def _new(**changes: str) -> str:
    keys: Mapping[str, str] = {"check": "pii", "severity": "error", "remedy": "fix", "why": "w"} | changes
    return "version: 1\nrules:\n  - id: mine\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items())


WRONG = {
    "unknown key at the top": ("version: 1\nextend: base\n", 2, "'extends'"),
    "unknown key of a rule": ("version: 1\nextends: base\nrules:\n  - id: pii\n    severty: error\n", 5, "'severity'"),
    "unknown key of columns": ("version: 1\nextends: base\ncolumns:\n  promt: x\n", 4, "'prompt'"),
    "unknown key of every": ("version: 1\nextends: base\nevery:\n  tolerat: 0\n", 4, "'tolerate'"),
    "unknown role": ("version: 1\nextends: base\ncolumns:\n  roles: {gpt: assistent}\n", 3, "assistent"),
    "version missing": ("name: x\nextends: base\n", 1, "version"),
    "version of the future": ("version: 2\nextends: base\n", 1, "1"),
    "version as text": ("version: '1'\nextends: base\n", 1, "version"),
    "severity unknown": (_new(severity="fatal"), 5, "'error', 'warning' or 'info'"),
    "severity null": (_new(severity="null"), 5, "severity"),
    "severity without a value": (_new(severity=""), 5, "severity"),
    "remedy unknown": (_new(remedy="delete"), 6, "'drop'"),
    "why blank": (_new(why="'  '"), 7, "why"),
    "enabled as text": (_new(enabled="'no'"), 8, "enabled"),
    "enabled as yes": (_new(enabled="yes"), 8, "enabled"),
    "tolerate negative": (_new(tolerate="-1"), 8, "count"),
    "tolerate one": (_new(tolerate="1.0"), 8, "share below one"),
    "tolerate a hundred per cent": (_new(tolerate="100 %"), 8, "share below one"),
    "tolerate true": (_new(tolerate="true"), 8, "count"),
    "tolerate words": (_new(tolerate="a few"), 8, "count"),
    "tolerate NaN": (_new(tolerate=".nan"), 8, "finite"),
    "tolerate infinite": (_new(tolerate=".inf"), 8, "finite"),
    "with a list": (_new(**{"with": "[1]"}), 8, "with"),
    "new rule without its check": ("version: 1\nextends: base\nrules:\n  - {id: piii, tolerate: 1}\n", 4, "'pii'"),
    "misspelt rule turned off": ("version: 1\nextends: base\nrules:\n  - {id: piii, enabled: false}\n", 4, "'pii'"),
    "rule twice": ("version: 1\nextends: base\nrules:\n  - id: pii\n  - id: pii\n", 5, "line 4"),
    "rule without an id": ("version: 1\nextends: base\nrules:\n  - check: pii\n", 4, "id"),
    "rules a mapping": ("version: 1\nextends: base\nrules: {pii: 1}\n", 3, "rules"),
    "no rules": ("version: 1\nrules: []\n", None, "no rule"),
    "all rules off": (_new(enabled="false"), None, "no rule"),
    "parent missing": ("version: 1\nextends: bse\n", 2, "'base'"),
    "parent file missing": ("version: 1\nextends: ./none.yaml\n", 2, "none.yaml"),
    "parent outside the names": ("version: 1\nextends: '../../etc/passwd'\n", 2, "passwd"),
    "parents empty": ("version: 1\nextends: []\n", 2, "extends"),
    "parent a number": ("version: 1\nextends: [1]\n", 2, "extends"),
    "every without parents": (_new() + "every: {tolerate: 0}\n", 8, "extends"),
    "itself": ("version: 1\nextends: ./p.yaml\n", 2, "extends itself"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mistake_says_file_line_key_and_what_was_expected(write: Write, folders: Folders, wrong: str) -> None:
    text, line, says = WRONG[wrong]
    path = write("p.yaml", text)
    with pytest.raises(PolicyError) as caught:
        load_policy(str(path), folders)
    assert caught.value.where == (f"p.yaml:{line}" if line else "p.yaml")
    assert says in str(caught.value)


def test_circles_are_told_with_their_way(write: Write, folders: Folders) -> None:
    write("rules/admission/a.yaml", "version: 1\nextends: b\n")
    write("rules/admission/b.yaml", "version: 1\nextends: a\n")
    with pytest.raises(PolicyError, match=r"a\.yaml → rules/admission/b\.yaml → rules/admission/a\.yaml"):
        load_policy("a", folders)


def test_parents_that_double_at_every_level_end_in_an_error_and_not_in_a_long_wait(
    write: Write, folders: Folders
) -> None:
    for level in range(30):
        write(f"rules/admission/p{level}.yaml", f"version: 1\nextends: [p{level + 1}, p{level + 1}]\n")
    write("rules/admission/p30.yaml", BASE)
    with pytest.raises(PolicyError, match="more than 100"):
        load_policy("p0", folders)


@pytest.mark.parametrize(
    ("name", "says"), [("stricct", "'strict'"), ("none.yaml", "none.yaml"), ("", "no name"), ("..", "no policy")]
)
def test_a_policy_that_does_not_exist_names_those_that_do(folders: Folders, name: str, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(name, folders)
    assert says in str(caught.value)
    assert "chat" in str(caught.value)


def test_a_folder_in_place_of_a_file_is_a_policy_error(tmp_path: Path, folders: Folders) -> None:
    (tmp_path / "p.yaml").mkdir()
    with pytest.raises(PolicyError, match=r"p\.yaml"):
        load_policy(str(tmp_path / "p.yaml"), folders)


def test_values_of_a_policy_are_masked_in_errors(write: Write, folders: Folders) -> None:
    path = write("p.yaml", _new(severity="jane.doe@acme-widgets.com"))
    with pytest.raises(PolicyError) as caught:
        load_policy(str(path), folders)
    assert "jane.doe" not in str(caught.value)
