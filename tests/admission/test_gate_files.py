"""What judges a pull request is not the pull request's to change."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.admission.gate_files import Change, changes, changes_between, judged, place_from
from gate.admission.result import FINDINGS
from gate.admission.verdict import judge
from gate.data.revision import Revision, checkout
from gate.errors import InputError

Open = Callable[[], Revision]
FILES = {
    "gate.yaml": "version: 1\n",
    "rules/admission/chat.yaml": "version: 1\nextends: chat\n",
    "rules/checks/own.py": "pass\n",
    "rules/lexicons/words.txt": "word\n",
    "reports/style.css": "p {}\n",
    "trainers/sft.py": "pass\n",
    ".gate/keys/ada.pub": "key\n",
    ".gate/statements/waiver-1.json": "{}\n",
    ".gate/statements/admission-1.json": "{}\n",
    "CODEOWNERS": "* @ada\n",
    ".github/workflows/data.yml": "run: gate check data --base origin/main\n",
    ".github/workflows/docs.yml": "run: make docs\n",
    "evaluation/exam.jsonl": "{}\n",
    "data/train.jsonl": "{}\n",
    "data/reports/q3.jsonl": "{}\n",
    "src/rules/admission.py": "pass\n",
}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for name, text in FILES.items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(tmp_path / "repo", "init", "-q", "-b", "main")
    git(tmp_path / "repo", "add", "-Af")
    git(tmp_path / "repo", "commit", "-qm", "base")
    return tmp_path / "repo"


def git(repo: Path, *arguments: str) -> None:
    person = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "core.autocrlf=false")
    subprocess.run(["git", *person, *arguments], cwd=repo, check=True, capture_output=True)


@pytest.fixture
def base(repo: Path, tmp_path: Path) -> Open:
    def opened() -> Revision:
        into = tmp_path / f"base-{len(list(tmp_path.iterdir()))}"
        into.mkdir()
        return checkout("main", [repo / "data"], into)

    return opened


def of(found: list[Change]) -> list[tuple[str, str]]:
    return [(change.path, change.code.removeprefix("gate_file_")) for change in found]


OWN = [
    "gate.yaml",
    "rules/admission/chat.yaml",
    "rules/checks/own.py",
    "rules/lexicons/words.txt",
    "reports/style.css",
    "trainers/sft.py",
    ".gate/keys/ada.pub",
    ".gate/statements/waiver-1.json",
    "CODEOWNERS",
    ".github/workflows/data.yml",
]


def test_nothing_changed(base: Open) -> None:
    assert changes(base()) == []


@pytest.mark.parametrize("name", OWN)
def test_a_change_to_any_of_them_is_found(repo: Path, base: Open, name: str) -> None:
    (repo / name).write_text("gate check nothing\n")
    assert of(changes(base())) == [(name, "changed")]
    (repo / name).unlink()
    assert of(changes(base())) == [(name, "removed")]


@pytest.mark.parametrize("name", sorted({*FILES} - {*OWN}))
def test_other_files_are_free(repo: Path, base: Open, name: str) -> None:
    (repo / name).write_text("other\n")
    assert changes(base()) == []


@pytest.mark.parametrize(
    "name",
    [
        "rules/admission/text.yaml",
        "data/gate.yaml",
        "data/rules/admission/chat.yaml",
        ".gate/statements/waiver-2.json",
        ".gate/trust.json",
        ".github/CODEOWNERS",
    ],
)
def test_a_new_one_is_found_committed_or_not(repo: Path, base: Open, name: str) -> None:
    (repo / name).parent.mkdir(parents=True, exist_ok=True)
    (repo / name).write_text("version: 1\n")
    found = of(changes(base()))
    assert (name, "added") in found


def test_a_file_that_the_rules_name_is_found_wherever_it_lies(repo: Path, base: Open) -> None:
    revision = base()
    named = [revision.root / "evaluation/exam.jsonl", Path("/etc/hostname")]
    revision.write(["evaluation/exam.jsonl"])
    assert changes(revision, named) == []
    (repo / "evaluation/exam.jsonl").unlink()
    assert of(changes(revision, named)) == [("evaluation/exam.jsonl", "removed")]


def test_a_file_that_became_a_link_is_changed_and_what_it_leads_to_is_not_read(repo: Path, base: Open) -> None:
    (repo / "rules/admission/chat.yaml").rename(repo / "elsewhere.yaml")
    (repo / "rules/admission/chat.yaml").symlink_to(repo / "elsewhere.yaml")
    assert of(changes(base())) == [("rules/admission/chat.yaml", "changed")]


def test_a_link_in_the_base_is_an_error_since_the_rule_behind_it_would_be_lost(repo: Path, base: Open) -> None:
    (repo / "rules/admission/text.yaml").symlink_to("chat.yaml")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "link")
    with pytest.raises(InputError, match="is a link"):
        changes(base())


def test_windows_line_ends_of_a_checkout_are_no_change(repo: Path, base: Open) -> None:
    (repo / "gate.yaml").write_bytes(b"version: 1\r\n")
    assert changes(base()) == []


def test_a_workflow_that_no_longer_calls_gate_is_found(repo: Path, base: Open) -> None:
    (repo / ".github/workflows/data.yml").write_text("run: echo fine\n")
    assert of(changes(base())) == [(".github/workflows/data.yml", "changed")]


def test_it_blocks_until_it_is_approved(repo: Path, base: Open) -> None:
    (repo / "gate.yaml").write_text("version: 1\npolicy: lenient\n")
    found = changes(base())
    findings, outcome = judged(found, 3, place=place_from(repo, repo / "data"))
    assert findings.schema == FINDINGS
    assert findings.select("rule", "code", "severity", "file", "row", "state").rows() == [
        ("gate_files", "gate_file_changed", "error", "../gate.yaml", None, "new")
    ]
    assert "CODEOWNERS" in findings["message"][0]
    assert (outcome.status, outcome.flagged, outcome.examined) == ("failed", 1, 4)
    assert judge([outcome], rows=5)[0] == "fail"
    assert judged(found, approved=lambda change: change.path == "gate.yaml")[1].status == "passed"


def test_unchanged_gate_files_alone_pass_nothing() -> None:
    assert judge([judged([])[1]], rows=5)[0] == "inconclusive"


def test_two_folders(repo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for name in ("gate.yaml", "rules/admission/chat.yaml"):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(FILES[name])
    (other / "gate.yaml").write_text("version: 1\npaths: data\n")
    found = of(changes_between(repo, other))
    assert ("gate.yaml", "changed") in found
    assert ("rules/checks/own.py", "removed") in found
    assert not [name for name, _ in found if name.startswith(".github") or name == "rules/admission/chat.yaml"]
