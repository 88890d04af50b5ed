""".pre-commit-hooks.yaml: the hook's own entry, run as pre-commit runs it, on what a commit would hold."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest


@pytest.fixture
def hook(load_yaml: Callable[[str], Any]) -> Any:
    (only,) = load_yaml(".pre-commit-hooks.yaml")
    return only


@pytest.fixture
def commit(hook: Any, repository: Any, runner: Any) -> Callable[..., subprocess.CompletedProcess[str] | None]:
    """What pre-commit does before a commit: nothing, where no staged file is the hook's, else its entry and `args`,
    without file names since the hook passes none."""

    def run(args: Sequence[str] = ()) -> subprocess.CompletedProcess[str] | None:
        repository.git("add", "--all")
        staged = repository.git("diff", "--cached", "--name-only").splitlines()
        if not any(re.search(hook["files"], name) for name in staged):
            return None
        assert hook["pass_filenames"] is False
        return subprocess.run(
            [*shlex.split(hook["entry"]), *args], cwd=repository.path, env=runner.environment(),
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    return run


def test_a_commit_of_good_rows_passes(commit: Any, repository: Any, make_record: Any) -> None:
    repository.write("data/more.jsonl", make_record(99))
    done = commit()
    assert done.returncode == 0, done.stderr


def test_a_commit_of_a_bad_row_is_stopped_and_its_place_named(commit: Any, repository: Any, make_record: Any) -> None:
    repository.write("data/more.jsonl", make_record(99, answer=""))
    done = commit()
    assert done.returncode == 1
    assert "more.jsonl:1" in done.stderr


def test_a_copy_of_a_row_in_another_file_is_found_though_that_file_did_not_change(
    commit: Any, repository: Any, make_record: Any
) -> None:
    repository.write("data/more.jsonl", make_record(7))
    done = commit()
    assert done.returncode == 1
    assert "exact_duplicates" in done.stderr


def test_a_commit_of_something_else_is_let_alone(commit: Any, repository: Any) -> None:
    (repository.path / "notes.md").write_text("notes\n")
    assert commit() is None


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "x/b.json.gz", "c.csv", "d.tsv.zst", "e.parquet", "f.arrow", "gate.yaml", "rules/admission/chat.yaml"],
)
def test_data_rules_and_settings_are_the_hooks_files(hook: Any, name: str) -> None:
    assert re.search(hook["files"], name)


@pytest.mark.parametrize("name", ["a.md", "src/json.py", "my-rules/x.yaml", "notgate.yaml", "a.jsonl.bak"])
def test_other_files_are_not(hook: Any, name: str) -> None:
    assert not re.search(hook["files"], name)


@pytest.mark.usefixtures("needs_base")
def test_with_the_last_commit_as_the_base_only_what_is_added_counts(
    commit: Any, repository: Any, make_record: Any
) -> None:
    repository.write("data/old.jsonl", make_record(50, answer=""))
    repository.commit("A problem that everybody has got used to")
    repository.write("data/more.jsonl", make_record(99))
    assert commit(["--base", "HEAD"]).returncode == 0
    repository.write("data/more.jsonl", make_record(99, answer=""))
    assert commit(["--base", "HEAD"]).returncode == 1
