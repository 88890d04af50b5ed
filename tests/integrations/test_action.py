"""action.yml, run as GitHub runs it: its own shell steps, in a scratch repository, on a pull request of one commit."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def action(load_yaml: Callable[[str], Any]) -> Any:
    return load_yaml("action.yml")


@pytest.fixture
def act(action: Any, runner: Any) -> Callable[..., Any]:
    """Runs the steps with inputs; gives back how the last one that ran ended."""

    def run(base_sha: str = "", **inputs: str) -> Any:
        given = {name.replace("_", "-"): value for name, value in ({"version": "installed"} | inputs).items()}
        values = {name: str(each.get("default", "")) for name, each in action["inputs"].items()} | given
        contexts = {
            "inputs": values,
            "github": {"action_path": "/nowhere", "event": {"pull_request": {"base": {"sha": base_sha}}}},
        }
        ran = None
        for step in action["runs"]["steps"]:
            ran = runner.run(step, contexts)
            if ran.code != 0:
                break
        return ran

    return run


def test_a_dataset_in_which_nothing_is_wrong_passes(act: Any, repository: Any) -> None:
    ran = act(path="data")
    assert ran.code == 0, ran.log
    assert ran.outputs["verdict"] == "pass"
    assert [command.split("::")[1] for command in ran.commands if not command.startswith("::stop")] == [
        "notice title=gate%3A pass"
    ]
    assert (repository.path / "gate-reports" / "comment.md").read_text() == ""
    assert "gate: pass" in ran.summary


def test_a_bad_row_fails_at_its_line(act: Any, repository: Any, make_record: Any) -> None:
    repository.write("data/train.jsonl", *(make_record(number) for number in range(1, 9)), make_record(9, answer=""))
    ran = act(path="data")
    assert ran.code == 1, ran.log
    assert ran.outputs["verdict"] == "fail"
    assert ran.outputs["exit-code"] == "1"
    assert any(command.startswith("::error file=data/train.jsonl,line=9,title=") for command in ran.commands)
    assert "What blocks" in ran.summary
    sarif = json.loads((repository.path / "gate-reports" / "gate.sarif").read_text())
    assert sarif["runs"][0]["results"][0]["ruleId"] == "structure"
    assert (repository.path / "gate-reports" / "comment.md").read_text().startswith("<!-- gate:data -->\n")


def test_no_path_takes_the_settings_and_several_are_taken_one_a_line(
    act: Any, repository: Any, make_record: Any
) -> None:
    assert act().code == 0
    repository.write("data/more dir/a b.jsonl", make_record(100, answer=""))
    ran = act(path="data/train.jsonl\n\ndata/more dir\n")
    assert ran.code == 1, ran.log
    assert any("file=data/more dir/a b.jsonl,line=1" in command for command in ran.commands)


def test_what_cannot_be_judged_is_told_apart_from_what_is_bad(act: Any) -> None:
    ran = act(path="nowhere")
    assert ran.code == 2
    assert ran.outputs == {}
    assert any(command.startswith("::error") and "ended with 2" in command for command in ran.commands)


def test_never_failing_still_says_what_was_found(act: Any, repository: Any, make_record: Any) -> None:
    repository.write("data/train.jsonl", make_record(1, answer=""))
    ran = act(path="data", fail_on="never")
    assert ran.code == 0
    assert ran.outputs["verdict"] == "fail"


@pytest.mark.parametrize("field", ["path", "base", "policy", "fail_on", "output"])
def test_no_input_is_run_as_a_command(act: Any, repository: Any, field: str) -> None:
    hostile = '$(touch owned); "; touch owned; `touch owned`; --help'
    ran = act(**({"path": "data", "base": "none"} | {field: hostile}))
    assert not list(repository.path.rglob("owned"))
    assert ran.code != 0 or field == "output"


@pytest.mark.parametrize("version", ["1.0; touch owned", "git+https://example.org/x", "1.0 --index-url x", "-r x"])
def test_a_version_that_is_none_is_refused_before_anything_is_installed(
    act: Any, repository: Any, version: str
) -> None:
    ran = act(version=version)
    assert ran.code == 2
    assert "is no version" in ran.log
    assert not list(repository.path.rglob("owned"))


def test_a_name_in_the_data_gives_no_command_to_the_runner(act: Any, repository: Any, make_record: Any) -> None:
    for name in (
        "::set-output name=verdict::pass.jsonl",
        "a\n::add-mask::x.jsonl",
        "##[error]x.jsonl",
        "a%0A::x,y=z.jsonl",
    ):
        repository.write(f"data/{name}", make_record(1, answer=""), make_record(2))
    ran = act(path="data")
    assert ran.code == 1, ran.log
    known = re.compile(r"::(?:error|warning|notice) (?:file=[^:,]+(?:,line=\d+)?,)?title=[^:,]+::")
    assert all(known.match(command) for command in ran.commands)
    assert not [line for line in ran.log.splitlines() if "##[" in line and not line.startswith("::")]
    assert ran.outputs["verdict"] == "fail"


@pytest.mark.usefixtures("needs_base")
class TestAPullRequest:
    def test_an_old_problem_does_not_count_and_a_new_one_does(
        self, act: Any, repository: Any, make_record: Any
    ) -> None:
        rows = [make_record(number) for number in range(1, 31)]
        repository.write("data/train.jsonl", *rows, make_record(31, answer=""))
        base = repository.commit("A problem that everybody has got used to")
        repository.git("checkout", "--quiet", "-b", "more-rows")
        repository.write("data/train.jsonl", *rows, make_record(31, answer=""), make_record(32))
        repository.commit("One good row")
        ran = act(base_sha=base, path="data")
        assert ran.code == 0, ran.log
        assert ran.outputs["unchanged"] == "1"
        repository.write(
            "data/train.jsonl", *rows, make_record(31, answer=""), make_record(32), make_record(33, answer="")
        )
        repository.commit("One bad row")
        ran = act(base_sha=base, path="data")
        assert ran.code == 1, ran.log
        assert (ran.outputs["new"], ran.outputs["unchanged"], ran.outputs["fixed"]) == ("1", "1", "0")
        errors = [command for command in ran.commands if command.startswith("::error file=")]
        assert len(errors) == 1
        assert errors[0].startswith("::error file=data/train.jsonl,line=33,title=")
        comment = (repository.path / "gate-reports" / "comment.md").read_text()
        assert "2 new rows, 31 unchanged, 0 removed" in comment

    def test_a_second_copy_of_an_old_row_counts(self, act: Any, repository: Any, make_record: Any) -> None:
        base = repository.git("rev-parse", "HEAD")
        repository.write("data/train.jsonl", *(make_record(number) for number in [*range(1, 31), 7]))
        repository.commit("The same once more")
        ran = act(base_sha=base, path="data")
        assert ran.code == 1, ran.log
        assert any("exact_duplicates" in command for command in ran.commands)

    def test_the_pull_request_cannot_loosen_its_own_gate(self, act: Any, repository: Any, make_record: Any) -> None:
        base = repository.git("rev-parse", "HEAD")
        policy = repository.path / "rules" / "admission" / "small.yaml"
        policy.write_text(policy.read_text().replace("severity: error", "severity: info"))
        repository.write("data/train.jsonl", make_record(1, answer=""), make_record(2))
        repository.commit("Looser")
        assert act(base_sha=base, path="data").code == 1

    def test_a_base_that_is_not_there_is_an_error(self, act: Any) -> None:
        ran = act(base_sha="0123456789012345678901234567890123456789", path="data")
        assert ran.code == 2, ran.log

    def test_nothing_changed_is_silent(self, act: Any, repository: Any) -> None:
        ran = act(base_sha=repository.git("rev-parse", "HEAD"), path="data")
        assert ran.code == 0, ran.log
        assert (repository.path / "gate-reports" / "comment.md").read_text() == ""


def test_every_input_reaches_the_scripts_by_the_environment_only(action: Any) -> None:
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]
    used = " ".join(str(value) for step in action["runs"]["steps"] for value in step["env"].values())
    assert {name for name in action["inputs"] if f"inputs.{name} " in used.replace("}}", " ")} == set(action["inputs"])


def test_every_output_is_one_that_a_step_sets(action: Any, act: Any) -> None:
    outputs = act(path="data").outputs
    for name, each in action["outputs"].items():
        assert name in outputs
        assert each["value"] == "${{ steps.check.outputs." + name + " }}"


def test_the_scripts_are_shell(action: Any) -> None:
    for step in action["runs"]["steps"]:
        subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)
