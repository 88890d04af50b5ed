"""`gate.yaml`: where it is looked for, what it may say, and which policy follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import PolicyError
from gate.folders import Folders
from gate.policy.select import policy_for
from gate.policy.settings import Settings, find_settings

OWN = "version: 1\nname: own\nrules: [{id: r, check: pii, severity: error, remedy: fix, why: w}]\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "a.jsonl").write_text("{}")
    return tmp_path


def test_it_is_found_upwards_from_a_file_or_a_folder(repository: Path) -> None:
    (repository / "gate.yaml").write_text("paths: data\n")
    for start in ("data/deep/a.jsonl", "data/deep", "data", "."):
        settings = find_settings(repository / start)
        assert settings.path == repository / "gate.yaml"
        assert settings.root == settings.folder == repository
        assert settings.paths == ("data",)


def test_the_nearest_one_counts(repository: Path) -> None:
    (repository / "gate.yaml").write_text("paths: far\n")
    (repository / "data" / "gate.yaml").write_text("paths: [near, nearer]\n")
    assert find_settings(repository / "data" / "deep").paths == ("near", "nearer")


def test_the_search_ends_at_the_root_of_the_repository(repository: Path) -> None:
    inner = repository / "data" / "deep"
    (inner / ".git").write_text("gitdir: elsewhere")
    (repository / "gate.yaml").write_text("paths: data\n")
    assert find_settings(inner) == Settings()


def test_without_gate_yaml_the_nearest_folder_with_rules_is_the_users(repository: Path) -> None:
    (repository / "rules" / "expectations").mkdir(parents=True)
    assert find_settings(repository / "data" / "deep").folder == repository
    (repository / "data" / "rules" / "admission").mkdir(parents=True)
    assert find_settings(repository / "data" / "deep").folder == repository / "data"
    assert find_settings(repository).folder == repository


def test_a_folder_called_rules_alone_means_nothing(repository: Path) -> None:
    (repository / "rules").mkdir()
    assert find_settings(repository).folder is None


def test_columns_are_read(repository: Path) -> None:
    (repository / "gate.yaml").write_text("columns: {prompt: q.text, response: a}\n")
    columns = find_settings(repository).columns
    assert columns is not None
    assert (columns.prompt, columns.response, columns.role) == ("q.text", "a", "role")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "empty"),
        ("path: data\n", 1, "'paths'"),
        ("paths: data\npolicy: {chatt: strict}\n", 2, "'chat'"),
        ("policy:\n  chat: 3\n", 2, "policy.chat"),
        ("policy: ''\n", 1, "policy"),
        ("paths: []\n", 1, "paths"),
        ("paths:\n", 1, "paths"),
        ("version: 2\n", 1, "version"),
        ("columns:\n  promt: q\n", 2, "'prompt'"),
        ("- paths\n", 1, "key: value"),
    ],
)
def test_a_mistake_says_where_and_what_was_expected(repository: Path, text: str, line: int | None, says: str) -> None:
    (repository / "gate.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        find_settings(repository / "data")
    assert caught.value.where == (f"gate.yaml:{line}" if line else "gate.yaml")
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["gate.yml", ".gate.yaml"])
def test_a_misnamed_file_is_not_passed_over(repository: Path, name: str) -> None:
    (repository / name).write_text("policy: strict\n")
    with pytest.raises(PolicyError, match=r"name it gate\.yaml"):
        find_settings(repository)


def test_a_dangling_link_is_not_passed_over(repository: Path) -> None:
    (repository / "gate.yaml").symlink_to("nowhere")
    with pytest.raises(PolicyError, match=r"gate\.yaml"):
        find_settings(repository)


def test_each_kind_has_its_policy_and_base_judges_the_rest() -> None:
    names = {kind: policy_for(kind, None, Settings(), Folders()).name for kind in ("chat", "text", None)}
    assert names == {"chat": "chat", "text": "text", None: "base"}


def test_gate_yaml_chooses_for_all_kinds_or_for_some(repository: Path) -> None:
    (repository / "gate.yaml").write_text("policy: strict\n")
    settings = find_settings(repository)
    assert policy_for("chat", None, settings, Folders(repository)).name == "strict"
    assert policy_for(None, None, settings, Folders(repository)).name == "strict"

    (repository / "own.yaml").write_text(OWN)
    (repository / "gate.yaml").write_text("policy:\n  chat: strict\n  text: ./own.yaml\n")
    settings = find_settings(repository / "data" / "deep")
    names = {kind: policy_for(kind, None, settings, Folders(repository)).name for kind in ("chat", "text", "feedback")}
    assert names == {"chat": "strict", "text": "own", "feedback": "feedback"}


def test_the_command_line_wins_over_gate_yaml(repository: Path) -> None:
    (repository / "gate.yaml").write_text("policy: strict\n")
    settings = find_settings(repository)
    assert policy_for("chat", "preference", settings, Folders(repository)).name == "preference"


def test_a_policy_that_gate_yaml_names_and_nobody_has_is_told_at_its_line(repository: Path) -> None:
    (repository / "gate.yaml").write_text("paths: data\npolicy:\n  text: stricct\n")
    with pytest.raises(PolicyError) as caught:
        policy_for("text", None, find_settings(repository), Folders(repository))
    assert caught.value.where == "gate.yaml:3"
    assert "'strict'" in str(caught.value)
