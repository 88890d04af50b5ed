"""`gate init`: what it writes works at once, and it overwrites nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from gate.errors import UsageError
from gate.policy.settings import find_settings
from gate.verbs.check import check
from gate.verbs.init import init

ROOT = Path(__file__).parents[2]
WriteJsonl = Callable[[Path, Iterable[Mapping[str, object]]], Path]
ROWS = [{"prompt": f"What is {n} times {n + 3}?", "completion": f"It is {n * (n + 3)}, I think."} for n in range(5)]


@pytest.fixture
def repository(tmp_path: Path, write_jsonl: WriteJsonl) -> Path:
    write_jsonl(tmp_path / "corpus" / "train.jsonl", ROWS)
    (tmp_path / "src").mkdir()
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": {"strict": true}}')
    (tmp_path / "README.md").write_text("# Ours\n")
    return tmp_path


def test_what_is_written_is_found_and_works_at_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = init(repository, kinds=["chat"])
    assert result.paths == ("corpus",)
    assert all(file.status == "written" and file.why for file in result.files)
    settings = find_settings(repository)
    assert settings.paths == ("corpus",)
    monkeypatch.chdir(repository)
    judged = check(select=["structure", "near_duplicates"])
    assert judged.exit_code == 0
    assert judged.policies["chat"].name == "chat"
    assert judged.policies["chat"].description == "What our chat data has to satisfy"


def test_nothing_that_is_there_is_overwritten(repository: Path) -> None:
    first = init(repository, kinds=["chat"], ci="github")
    for file in first.files:
        (repository / file.path).write_text(f"# mine: {file.path}\nversion: 1\n")
    again = init(repository, kinds=["chat"], ci="github")
    assert {file.path: file.status for file in again.files if file.status != "left"} == {".gitignore": "added"}
    for file in first.files:
        assert (repository / file.path).read_text().startswith(f"# mine: {file.path}\n")
    (hook,) = (file for file in again.files if file.path == ".pre-commit-config.yaml")
    assert "gate check" in str(hook.advice)


def test_the_cache_is_ignored_once(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.pyc")
    init(repository)
    init(repository)
    lines = (repository / ".gitignore").read_text().splitlines()
    assert lines[0] == "*.pyc"
    assert lines.count(".gate/cache/") == 1


def test_a_link_is_a_file_that_is_there(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "gate.yaml"
    (repository / "gate.yaml").symlink_to(elsewhere)
    with pytest.raises(Exception):  # noqa: B017 - settings that cannot be read are an error of their own
        init(repository)
    assert not elsewhere.exists()


def test_data_is_found_and_code_is_not(repository: Path, write_jsonl: WriteJsonl) -> None:
    write_jsonl(repository / "extra.jsonl", ROWS)
    write_jsonl(repository / "tests" / "fixtures.jsonl", ROWS)
    assert init(repository).paths == ("corpus", "extra.jsonl")


def test_an_empty_folder_gets_a_place_for_its_data(tmp_path: Path) -> None:
    result = init(tmp_path)
    assert (result.paths, result.guessed) == (("data",), True)


def test_the_workflow_names_the_paths_of_settings_that_are_there(repository: Path) -> None:
    (repository / "gate.yaml").write_text("version: 1\npaths: corpus/train.jsonl\n")
    assert init(repository).paths == ("corpus/train.jsonl",)


def test_paths_that_are_named_are_taken(repository: Path) -> None:
    assert init(repository, paths=["corpus/train.jsonl"]).paths == ("corpus/train.jsonl",)
    with pytest.raises(UsageError, match="outside"):
        init(repository, paths=["../elsewhere"])


GITHUB = {".github/workflows/gate.yml", ".github/workflows/gate-comment.yml"}


@pytest.mark.parametrize(("ci", "names"), [("github", GITHUB), ("gitlab", {".gitlab-ci.yml"}), ("none", set())])
def test_workflows_are_valid_yaml_and_name_the_data(repository: Path, ci: str, names: set[str]) -> None:
    result = init(repository, ci=ci)  # type: ignore[arg-type]
    assert names <= {file.path for file in result.files}
    for name in names:
        assert isinstance(yaml.safe_load((repository / name).read_text()), dict)
        assert "path: data\n" not in (repository / name).read_text().lower()
    if names:
        assert any("corpus" in (repository / name).read_text() for name in names)


def test_a_repository_on_gitlab_is_known_by_its_remote(repository: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    subprocess.run(["git", "remote", "add", "origin", "git@gitlab.com:a/b.git"], cwd=repository, check=True)
    assert init(repository).ci == "gitlab"


@pytest.mark.parametrize("name", ["github-pull-request.yml", "github-comment.yml", "gitlab-ci.yml"])
def test_the_workflows_are_those_that_the_examples_show(name: str) -> None:
    shown = ROOT / "examples" / "ci" / name
    assert (ROOT / "reports" / "init" / name).read_text() == shown.read_text()


@pytest.mark.parametrize("path", ["it's", 'quo"te', "a: b", "- x", "über"])
def test_any_name_of_a_folder_is_written_so_that_it_is_read_again(
    tmp_path: Path, write_jsonl: WriteJsonl, path: str
) -> None:
    write_jsonl(tmp_path / path / "rows.jsonl", ROWS)
    init(tmp_path)
    assert find_settings(tmp_path).paths == (path,)
    workflow = yaml.safe_load((tmp_path / ".github/workflows/gate.yml").read_text())
    assert json.dumps(path, ensure_ascii=False) in json.dumps(workflow, ensure_ascii=False)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        init(tmp_path / "nowhere")
