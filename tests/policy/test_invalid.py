"""What pydantic says about a rule's parameters, told with file, line, key and the nearest valid key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.admission.bind import bind
from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.load import load_policy

HEAD = "version: 1\nextends: base\nrules:\n"


def refusal(tmp_path: Path, text: str) -> PolicyError:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        bind({"chat": load_policy(str(path), Folders(tmp_path), kind="chat")})
    return caught.value


@pytest.mark.parametrize(
    ("rule", "line", "says"),
    [
        ("  - id: near_duplicates\n    with:\n      treshold: 0.9\n", 6, "did you mean 'threshold'?"),
        ("  - id: near_duplicates\n    with:\n      threshold: 7\n", 6, "with.threshold: input should be less than"),
        ("  - id: near_duplicates\n    with:\n      threshold: high\n", 6, "not 'high'"),
        ("  - id: pii\n    with:\n      engine: magic\n", 6, "'blank', 'spacy'"),
        ("  - id: pii\n    with:\n      entities:\n        CRYPTO: lots\n", 7, "with.entities.CRYPTO"),
        ("  - id: pii\n    with:\n      allow:\n        - ok\n        - 3\n", 8, "with.allow.1"),
        ("  - id: exact_duplicates\n    check: exact_duplicate\n", 5, "did you mean 'exact_duplicates'?"),
    ],
)
def test_a_parameter_that_the_check_does_not_take(tmp_path: Path, rule: str, line: int, says: str) -> None:
    error = refusal(tmp_path, HEAD + rule)
    assert error.where == f"p.yaml:{line}"
    assert says in str(error)


def test_a_missing_parameter_is_told_at_the_rule(tmp_path: Path) -> None:
    rule = "  - id: mine\n    check: near_duplicates\n    severity: error\n    remedy: drop\n    why: w\n"
    error = refusal(tmp_path, HEAD + rule + "    with:\n      shingle: 5\n")
    assert error.where == "p.yaml:9"
    assert "with.threshold: missing" in str(error)
    error = refusal(tmp_path, HEAD + rule)
    assert error.where == "p.yaml:4"


def test_parameters_that_do_not_fit_together_are_told_at_the_with(tmp_path: Path) -> None:
    error = refusal(tmp_path, HEAD + "  - id: pii\n    with:\n      model: en_core_web_sm\n")
    assert error.where == "p.yaml:5"
    assert "needs no `model`" in str(error)


def test_the_first_problem_in_the_file_is_told_and_the_others_are_counted(tmp_path: Path) -> None:
    error = refusal(tmp_path, HEAD + "  - id: pii\n    severty: error\ncolumns: {promt: x}\ndescription: 3\n")
    assert error.where == "p.yaml:5"
    assert "'severity'" in str(error)
    assert "and 2 more problems" in str(error)
