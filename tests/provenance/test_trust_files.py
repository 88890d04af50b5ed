"""Trust files: what they may say, where they are read from, and that every mistake has its line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gate.errors import PolicyError, UsageError
from gate.provenance.keys import keyid_of, public_text
from gate.provenance.trust import DEFAULT, Demand, load_trust
from gate.provenance.trust_file import parse_trust

ANA, BO = bytes(range(32)), bytes(range(1, 33))
GOOD = f"""\
# who
keys:
  - name: Ana Ruiz
    public: {public_text(ANA)}
    roles: [owner, reviewer]
    since: 2026-11-01
  - name: Bo Lind
    public: {public_text(BO)}
    roles: reviewer
    revoked: {{at: 2026-12-24T10:00:00+01:00, why: laptop stolen}}
approvals:
  snapshot: {{count: 2, roles: [reviewer, owner], by_author: true}}
"""


def test_what_it_says() -> None:
    trust = parse_trust(GOOD.encode(), "trust.yaml")
    ana, bo = trust.keys[keyid_of(ANA)], trust.keys[keyid_of(BO)]
    assert (ana.name, ana.public, ana.roles) == ("Ana Ruiz", ANA, ("owner", "reviewer"))
    assert (ana.since, ana.revoked) == ("2026-11-01T00:00:00.000000Z", None)
    assert (bo.roles, bo.revoked, bo.why_revoked) == (("reviewer",), "2026-12-24T09:00:00.000000Z", "laptop stolen")
    assert trust.demand("snapshot") == Demand(2, ("reviewer", "owner"), True)
    assert trust.demand("model") == DEFAULT


def test_quotes_around_times_change_nothing() -> None:
    quoted = GOOD.replace("2026-11-01", '"2026-11-01"').replace(
        "2026-12-24T10:00:00+01:00", "'2026-12-24T10:00:00+01:00'"
    )
    assert parse_trust(quoted.encode(), "t").keys == parse_trust(GOOD.encode(), "t").keys


def entry(name: str = "Cy", public: str = public_text(b"c" * 32), more: str = "") -> str:
    return f"  - name: {name}\n    public: {public}\n    roles: [reviewer]\n{more}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (GOOD.replace("# who\n", "# who\nkeys: []\n", 1), 3, "stands there twice"),
        (GOOD.replace("name: Bo Lind", "name: Bo Lind\n    name: Bo"), 8, "stands there twice"),
        (GOOD.replace(public_text(BO), public_text(ANA)), 8, "'Bo Lind' has the key that 'Ana Ruiz' has"),
        (GOOD.replace("roles: reviewer", "roles: [reviewer, boss]"), 9, "'owner', 'reviewer' or 'release'"),
        (GOOD.replace("roles: reviewer", "roles: []"), 9, "roles"),
        (GOOD.replace("roles: reviewer", "roles: reviewer\n    rolls: x"), 10, "did you mean 'roles'"),
        (GOOD.replace(public_text(BO), public_text(BO)[:-2] + "B="), 8, "base64"),
        (GOOD.replace(public_text(BO), "so?"), 8, "base64"),
        (GOOD.replace(public_text(BO), public_text(BO[:31])), 8, "has 32 bytes, and this has 31"),
        (GOOD.replace(public_text(BO), public_text(BO)[:-2]), 8, "base64"),
        (
            GOOD.replace("since: 2026-11-01", "since: 2027-11-01\n    revoked: {at: 2027-01-01, why: x}"),
            7,
            "revoked before",
        ),
        (GOOD.replace("2026-11-01", "yesterday"), 6, "expected a date"),
        (GOOD.replace("2026-11-01", "0001-01-01T00:00:00+05:00"), 6, "expected a year"),
        (GOOD.replace("10:00:00+01:00", "10:00:00"), 10, "does not say its zone"),
        (GOOD.replace("why: laptop stolen", "why: ''"), 10, "why"),
        (GOOD.replace(", why: laptop stolen", ""), 10, "why: missing"),
        (GOOD.replace("name: Bo Lind", "name: ../Bo"), 7, "no name for a key"),
        (GOOD.replace("count: 2", "count: -1"), 12, "count"),
        (GOOD.replace("count: 2", "count: '2'"), 12, "count"),
        (GOOD.replace("snapshot:", "snapshots:"), 12, "snapshot"),
        (GOOD.replace("by_author", "by_autor"), 12, "did you mean 'by_author'"),
        ("keys: []\n", 1, "keys"),
        ("approvals: {}\n", 1, "keys: missing"),
        ("# nothing\n", None, "empty"),
        ("keys: &a\n" + entry() + "more: *a\n", 5, "alias"),
    ],
)
def test_every_mistake_has_its_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(PolicyError, match=message) as told:
        parse_trust(text.encode(), "trust.yaml")
    assert told.value.where == ("trust.yaml" if line is None else f"trust.yaml:{line}")


def test_a_key_without_padding_is_no_key() -> None:
    """Base64 that a lenient reader takes would give one key two texts."""
    with pytest.raises(PolicyError, match="base64"):
        parse_trust(f"keys:\n{entry(public=public_text(ANA).rstrip('='))}".encode(), "t")


def test_nobody_is_trusted_by_guessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trust.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"never guesses whom to trust[\s\S]*--trust"):
        load_trust()
    monkeypatch.setenv("GATE_TRUST", "trust.yaml")
    assert load_trust().origin == "trust.yaml"
    (tmp_path / "other.yaml").write_text(f"keys:\n{entry()}")
    assert [key.name for key in load_trust(Path("other.yaml")).keys.values()] == ["Cy"]
    with pytest.raises(UsageError, match="name one of them"):
        load_trust(Path("trust.yaml"), revision="HEAD:trust.yaml")


def test_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_trust(tmp_path / "none.yaml")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_trust(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    settings = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    (root / "people").mkdir(parents=True)
    git(root, "init", "-q")
    (root / "people/trust.yaml").write_text(GOOD)
    (root / "link.yaml").symlink_to("people/trust.yaml")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "people")
    git(root, "tag", "v1")
    monkeypatch.chdir(root)
    return root


def test_a_pinned_revision_counts_whatever_the_working_tree_says(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    (repository / "people/trust.yaml").write_text(f"keys:\n{entry('Mallory')}")
    git(repository, "commit", "-q", "-am", "mallory")
    trust = load_trust(revision="v1:people/trust.yaml")
    assert {key.name for key in trust.keys.values()} == {"Ana Ruiz", "Bo Lind"}
    assert trust.origin == f"people/trust.yaml at v1 ({commit[:12]})"
    assert {key.name for key in load_trust(revision="main:people/trust.yaml").keys.values()} == {"Mallory"}


def test_a_path_may_start_here(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "people")
    assert load_trust(revision="v1:./trust.yaml").keys == load_trust(revision="v1:people/trust.yaml").keys


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("people/trust.yaml", "names no file of a revision"),
        (":people/trust.yaml", "names no file of a revision"),
        ("v1:", "names no file of a revision"),
        ("v2:people/trust.yaml", "no revision 'v2'"),
        ("--all:people/trust.yaml", "no revision"),
        ("v1:trust.yaml", "no file"),
        ("v1:people", "no file"),
        ("v1:link.yaml", "no file"),
        ("v1:../secret.yaml", "no file"),
    ],
)
def test_what_is_no_file_of_a_revision(repository: Path, revision: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_trust(revision=revision)


def test_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no git repository here"):
        load_trust(revision="v1:trust.yaml")
