"""A scratch git repository with a dataset, and the little of a CI runner that the ready-made files rely on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

POLICY = """\
version: 1
name: small
rules:
  - {id: structure, check: structure, severity: error, tolerate: 0, remedy: fix, why: Rows must be readable.}
  - {id: exact_duplicates, check: exact_duplicates, severity: error, tolerate: 0, remedy: drop, why: No copies.}
"""


def record(number: int, answer: str | None = None) -> dict[str, str]:
    return {
        "question": f"What is {number} plus {number}?",
        "answer": f"It is {2 * number}." if answer is None else answer,
    }


@dataclass(frozen=True)
class Repository:
    """A git repository whose `main` has a dataset in which nothing is wrong."""

    path: Path

    def git(self, *arguments: str) -> str:
        about = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *about, *arguments], cwd=self.path, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    def write(self, name: str, *records: Mapping[str, object]) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@dataclass
class Ran:
    """One step, after it ran."""

    code: int
    log: str
    """Standard output and standard error, as the job's log has them."""
    out: str
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def commands(self) -> list[str]:
        """The lines that the runner takes for commands: none between `stop-commands` and its token."""
        taken, token = [], None
        for line in self.log.splitlines():
            text = line.lstrip()
            if token is not None:
                token = None if text == f"::{token}::" else token
            elif text.startswith("::stop-commands::"):
                token = text.removeprefix("::stop-commands::")
            elif text.startswith("::"):
                taken.append(text)
        return taken


class Runner:
    """Runs the shell steps of an action or a workflow as GitHub's runner does."""

    def __init__(self, repository: Repository, scratch: Path) -> None:
        self.repository, self.scratch = repository, scratch

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
        return kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(self.scratch / "cache")}

    def run(self, step: Mapping[str, Any], contexts: Mapping[str, Any], **more: str) -> Ran:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script's text is an injection"
        self.scratch.mkdir(exist_ok=True)
        script, output, summary = (self.scratch / name for name in ("step.sh", "output", "summary"))
        script.write_text(step["run"])
        output.write_text("")
        summary.write_text("")
        environment = self.environment() | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(self.repository.path),
            **{name: evaluated(str(value), contexts) for name, value in step.get("env", {}).items()},
            **more,
        }
        # What `shell: bash` stands for, in the runner's own words.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.repository.path, env=environment, timeout=240, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Ran(done.returncode, done.stdout, done.stdout, outputs, summary.read_text())


def evaluated(text: str, contexts: Mapping[str, Any]) -> str:
    """The value of a text with expressions: names with dots, and `||` between them."""

    def look_up(name: str) -> str:
        value: Any = contexts
        for part in name.strip().split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return str(value)

    def one(match: re.Match[str]) -> str:
        values = [look_up(name) for name in match[1].split("||")]
        return next((value for value in values if value), "")

    return re.sub(r"\$\{\{(.+?)\}\}", one, text)


def read_yaml(path: Path) -> Any:
    """Any: the files of other people's formats."""
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.path.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    (made.path / "gate.yaml").write_text("version: 1\npolicy: small\npaths: [data]\n")
    (made.path / "rules" / "admission").mkdir(parents=True)
    (made.path / "rules" / "admission" / "small.yaml").write_text(POLICY)
    (made.path / ".gitignore").write_text(".gate/\ngate-reports/\n")
    made.write("data/train.jsonl", *(record(number) for number in range(1, 31)))
    made.commit("A dataset in which nothing is wrong")
    return made


@pytest.fixture
def runner(repository: Repository, tmp_path: Path) -> Runner:
    return Runner(repository, tmp_path / "runner")


@pytest.fixture
def load_yaml() -> Callable[[str], Any]:
    return lambda name: read_yaml(ROOT / name)


@pytest.fixture
def make_record() -> Callable[..., dict[str, str]]:
    return record


@pytest.fixture(scope="session")
def needs_base() -> None:
    """Skips where `gate check` cannot compare with a base yet."""
    shown = subprocess.run(
        [sys.executable, "-m", "gate", "check", "--help"], capture_output=True, text=True, check=True
    )
    if "--base" not in shown.stdout:
        pytest.skip("`gate check` has no --base yet")
