"""The GitLab snippet: its script lines, run by bash and by sh as a runner does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest


@pytest.fixture(params=["bash", "sh"])
def run(request: pytest.FixtureRequest, load_yaml: Callable[[str], Any], repository: Any, runner: Any) -> Any:
    """Runs `script` with the job's variables, all lines in one shell that stops at the first that fails."""
    job = load_yaml("examples/ci/gitlab-ci.yml")["gate"]

    def of(**more: str) -> subprocess.CompletedProcess[str]:
        environment = runner.environment() | job["variables"] | {"CI_PROJECT_DIR": str(repository.path)} | more
        lines = "\n".join(["set -e", *job["script"]])
        return subprocess.run(
            [request.param], input=lines, cwd=repository.path, env=environment,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    return of


def test_on_the_default_branch_everything_is_judged(run: Any, repository: Any, make_record: Any) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    assert json.loads((repository.path / "gl-code-quality-report.json").read_text()) == []
    repository.write("data/train.jsonl", make_record(1), make_record(2, answer=""))
    assert run().returncode == 1
    (issue,) = json.loads((repository.path / "gl-code-quality-report.json").read_text())
    assert issue["location"] == {"path": "data/train.jsonl", "lines": {"begin": 2}}
    suites = ElementTree.parse(repository.path / "gate-junit.xml").getroot()
    assert (suites.get("failures"), suites.get("errors")) == ("1", "0")


@pytest.mark.usefixtures("needs_base")
def test_a_merge_request_is_compared_with_its_base(run: Any, repository: Any, make_record: Any) -> None:
    repository.write("data/old.jsonl", make_record(50, answer=""))
    base = repository.commit("A problem that everybody has got used to")
    repository.write("data/more.jsonl", make_record(99))
    assert run(CI_MERGE_REQUEST_DIFF_BASE_SHA=base).returncode == 0
    repository.write("data/more.jsonl", make_record(99, answer=""))
    assert run(CI_MERGE_REQUEST_DIFF_BASE_SHA=base).returncode == 1


def test_what_it_keeps_is_what_the_script_writes(load_yaml: Callable[[str], Any]) -> None:
    job = load_yaml("examples/ci/gitlab-ci.yml")["gate"]
    kept = [*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()]
    assert all(name in "\n".join(job["script"]) for name in kept)
    assert job["artifacts"]["when"] == "always"
