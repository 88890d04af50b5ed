"""`gate rules`: what is demanded here, where each value was written, and what a rule means."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from gate.checks import BUILT_IN, load
from gate.data.frame import KINDS
from gate.verbs.rules import RECORDS

OWN_CHAT = "version: 1\nextends: chat\nrules:\n  - id: near_duplicates\n    with: {threshold: 0.9}\n"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `gate` in an empty folder, in this process: its start is tested elsewhere, and takes a second."""
    from gate.cli import run as command

    def run(*arguments: str) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["gate", *arguments])
        with pytest.raises(SystemExit) as ended:
            command()
        out, err = capsys.readouterr()
        return Done(int(str(ended.value.code)), out, err)

    return run


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "rules" / "admission").mkdir(parents=True)
    path = tmp_path / "rules" / "admission" / "chat.yaml"
    path.write_text(OWN_CHAT)
    return path


def cells(listing: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in listing.splitlines()]


def test_the_list_shows_effective_values_and_their_places(gate: Run, own: Path) -> None:
    done = gate("rules", "--kind", "chat")
    assert done.returncode == 0, done.stderr
    listed = cells(done.stdout)
    assert ["near_duplicates", "chat", "with.threshold", "0.9", "rules/admission/chat.yaml:5"] in listed
    (shingle,) = [line for line in listed if line[0] == "near_duplicates" and line[2] == "with.shingle"]
    assert shingle[4].startswith("gate:rules/admission/base.yaml:")
    assert ["pii", "chat", "with.documentation", "info", "default"] in listed
    assert done.stderr == ""


def test_the_line_it_names_is_the_line_of_the_value(gate: Run) -> None:
    from gate.folders import SHIPPED

    rules = json.loads(gate("rules", "--output", "json").stdout)["rules"]
    placed = [value for rule in rules for value in rule["values"] if value["origin"]]
    assert len(placed) > 30
    for value in placed:
        file, _, line = value["origin"].rpartition(":")
        written = (SHIPPED / file).read_text().splitlines()[int(line) - 1]
        assert value["key"].rpartition(".")[2] in written


def test_json_is_for_programs(gate: Run, own: Path) -> None:
    done = gate("rules", "--output", "json")
    listed = json.loads(done.stdout)
    assert listed["schema"] == "gate.rules/1"
    near = [rule for rule in listed["rules"] if rule["id"] == "near_duplicates"]
    assert [rule["kinds"] for rule in near] == [["chat"], ["preference", "feedback", "text", "base"]]
    values = {value["key"]: value for value in near[0]["values"]}
    assert values["with.threshold"] == {
        "key": "with.threshold",
        "value": 0.9,
        "origin": "rules/admission/chat.yaml:5",
    }


def test_another_policy_may_be_listed(gate: Run) -> None:
    done = gate("rules", "--policy", "strict", "--output", "json")
    rules = json.loads(done.stdout)["rules"]
    severities = {value["value"] for rule in rules for value in rule["values"] if value["key"] == "severity"}
    assert severities == {"error"}


def test_gate_yaml_is_heeded(gate: Run, tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text("policy: nonsense\n")
    done = gate("rules")
    assert done.returncode == 2
    assert "gate.yaml:1" in done.stderr


@pytest.mark.parametrize("name", BUILT_IN)
def test_explain_says_all_there_is_to_say(gate: Run, name: str) -> None:
    done = gate("rules", "explain", name)
    assert done.returncode == 0, done.stderr
    check, said = load(name), " ".join(done.stdout.split())
    assert check.measures in said
    for code, meaning in check.codes.items():
        assert code in said
        assert meaning in said or name == "expectations"
    for parameter in check.params.model_fields:
        assert f"{parameter}: " in said
    for record in (*check.fails[:RECORDS], *check.passes[:RECORDS]):
        assert " ".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")).split()) in said
    assert "What to do" in said
    assert "rules/admission/base.yaml:" in said
    assert "None" not in said


def test_explain_shows_the_values_of_every_kind_that_differs(gate: Run, own: Path) -> None:
    done = gate("rules", "explain", "near_duplicates")
    assert "Effective values for chat\n" in done.stdout
    assert "Effective values for preference, feedback, text, base\n" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["explain", "pii", "--policy", "strict", "-k", "text"], ["--policy", "strict", "explain", "pii"]]
)
def test_explain_heeds_the_policy_wherever_it_is_named(gate: Run, own: Path, arguments: list[str]) -> None:
    own.write_text(OWN_CHAT + "  - {id: pii, tolerate: 5}\nevery: {severity: {error: info}}\n")
    assert "tolerate" in gate("rules", "explain", "pii", "--kind", "chat").stdout
    assert "rules/admission/strict.yaml:" in gate("rules", *arguments).stdout


def test_explain_is_there_for_programs_too(gate: Run) -> None:
    done = gate("rules", "explain", "pii", "--output", "json")
    explained = json.loads(done.stdout)["rule"]
    assert explained["check"] == "pii"
    assert {parameter["name"] for parameter in explained["parameters"]} == set(load("pii").params.model_fields)
    assert explained["fails"]
    assert explained["passes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explain", "near_duplicate"], "did you mean 'near_duplicates'"),
        (["explain", "expectations", "--kind", "base"], "no rule"),
        (["--policy", "stricct"], "'strict'"),
        (["--kind", "chatt"], "chat"),
        (["explain"], "RULE"),
        (["schema", "polcy"], "policy"),
        (["lst"], "lst"),
    ],
)
def test_a_mistake_is_exit_2_with_a_remedy(gate: Run, arguments: list[str], says: str) -> None:
    done = gate("rules", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("which", ["policy", "settings", "snapshot"])
def test_the_schemas_are_printed(gate: Run, which: str) -> None:
    schema = json.loads(gate("rules", "schema", which).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("rule", "valid"),
    [
        ({"id": "near_duplicates", "with": {"threshold": 0.9}}, True),
        ({"id": "near_duplicates", "with": {"treshold": 0.9}}, False),
        ({"id": "mine", "check": "near_duplicates", "with": {"threshold": 7}}, False),
        ({"id": "pii", "with": {"entities": {"CRYPTO": None}}}, True),
        ({"id": "pii", "with": {"engine": "magic"}}, False),
        ({"id": "pii", "severity": None}, False),
        ({"id": "pii", "tolerate": "1 %"}, True),
        ({"id": "pii", "tolerate": 0}, True),
        ({"id": "pii", "tolerate": 0.5}, True),
        ({"id": "pii", "tolerate": 1.5}, False),
        ({"id": "pii", "tolerate": -1}, False),
        ({"check": "pii"}, False),
    ],
)
def test_the_schema_knows_what_gate_knows(rule: dict[str, object], valid: bool) -> None:
    from gate.verbs.schemas import policy_schema

    validator = jsonschema.Draft202012Validator(policy_schema())
    errors = list(validator.iter_errors({"version": 1, "extends": "base", "rules": [rule]}))
    assert (not errors) is valid, errors


@pytest.mark.parametrize(
    ("settings", "valid"),
    [
        ({"paths": "data"}, True),
        ({"paths": ["a", "b"], "policy": "strict"}, True),
        ({"policy": {"chat": "strict"}}, True),
        ({"policy": {"chatt": "strict"}}, False),
        ({"policy": 3}, False),
        ({"paths": []}, False),
        ({"columns": {"prompt": "q"}}, True),
        ({"columns": {"promt": "q"}}, False),
    ],
)
def test_the_schema_of_gate_yaml_too(settings: dict[str, object], valid: bool) -> None:
    from gate.verbs.schemas import settings_schema

    errors = list(jsonschema.Draft202012Validator(settings_schema()).iter_errors(settings))
    assert (not errors) is valid, errors


def test_the_kinds_of_the_command_are_those_of_the_frames() -> None:
    from gate.cli.rules import KINDS as OFFERED

    assert tuple(OFFERED) == (*KINDS, "base")
