"""A regular expression in a policy runs in linear time or within a bound, and one that is too large is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gate.checks.pii import PiiParams
from gate.checks.secrets import SecretsParams
from gate.checks.synthetic import SyntheticParams
from gate.errors import PolicyError

BOMBS = ["(a{1000}){1000}", r"(\w{200}){50}", "((((a{99}){99}){99}){99}){99}", "(?:x|" * 3000 + ")" * 3000]
BACKTRACKING = ["(a+)+$", "(a|aa)*b", "((a*)*)*$", "(.*)*x", "([a-z]+)*!"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "gate.yaml").write_text("version: 1\npolicy: own.yaml\n")
    mail = "a" * 30_000 + "@example-company.org"
    (tmp_path / "data" / "a.jsonl").write_text(f'{{"text": "{"a" * 60_000}! {mail}", "source": "{"a" * 60_000}!"}}\n')
    return tmp_path / "data"


def ask(data: Path, rule: str, key: str, pattern: str) -> None:
    named = {"pii": '{"EMAIL_ADDRESS": [%s]}', "secrets": '{"*": [%s]}', "synthetic": "[%s]"}[rule]
    written = "'" + pattern.replace("'", "''") + "'"
    own = f"version: 1\nextends: base\nrules:\n  - id: {rule}\n    with:\n      {key}: {named % written}\n"
    (data.parent / "own.yaml").write_text(own)


RULES = [("pii", "allow_patterns"), ("secrets", "allow_patterns"), ("synthetic", "values")]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda pattern: pattern[:12])
@pytest.mark.parametrize(("rule", "key"), RULES)
def test_a_pattern_too_large_is_a_policy_error_at_once(judge, data: Path, rule: str, key: str, bomb: str) -> None:
    ask(data, rule, key, bomb)
    begun = time.process_time()
    with pytest.raises(PolicyError, match="linear time"):
        judge(data, select=rule, cache=False)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", "(?<!a)b", "a)", "(a", "[a"])
@pytest.mark.parametrize(("rule", "key"), RULES)
def test_what_linear_time_does_not_know_is_a_policy_error(judge, data: Path, rule: str, key: str, pattern: str) -> None:
    ask(data, rule, key, pattern)
    with pytest.raises(PolicyError, match="linear time"):
        judge(data, select=rule, cache=False)


@pytest.mark.parametrize(("rule", "key"), RULES[1:])
def test_patterns_that_backtrack_elsewhere_take_no_time(judge, data: Path, rule: str, key: str) -> None:
    for pattern in BACKTRACKING:
        ask(data, rule, key, pattern)
        begun = time.monotonic()
        result = judge(data, select=rule, cache=False)
        assert time.monotonic() - begun < 30
        assert not [each for each in result.outcomes if each.status == "errored"]


@pytest.mark.parametrize("form", [PiiParams, SecretsParams])
def test_a_pattern_cannot_close_the_group_that_holds_it_to_the_whole_value(
    form: type[PiiParams | SecretsParams],
) -> None:
    """`a)|(?:b` would allow everything that begins with a."""
    with pytest.raises(ValueError, match="linear time"):
        form._patterns({"*": ("a)|(?:b",)})


def test_origins_are_each_one_pattern() -> None:
    with pytest.raises(ValueError, match="linear time"):
        SyntheticParams._patterns(("a)|(?:b",))
