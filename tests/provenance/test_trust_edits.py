"""`gate keys trust` and `gate keys revoke`: only the lines that say it change, and the result says what was meant."""

from __future__ import annotations

from difflib import ndiff
from pathlib import Path

import pytest

from gate.errors import PolicyError, UsageError
from gate.provenance.keys import keyid_of, new_key, public_text
from gate.provenance.trust import DEFAULT, load_trust
from gate.provenance.trust_edit import revoke_key, trust_key
from gate.verbs.keys import revoked, trusted

ANA, BO = bytes(range(32)), bytes(range(1, 33))
FLOW = f"""\
keys:   # the people
- {{name: "Ana Ruiz", public: {public_text(ANA)},
    roles: owner}}   # she

# What is demanded
approvals: {{snapshot: {{count: 2}}}}"""
BLOCK = f"""\
version: 1
keys:
    -   name: "Ana Ruiz"   # she
        roles:
            - owner  # since ever
        public: {public_text(ANA)}

# What is demanded
approvals:
    snapshot:
        count: 2
"""
LAST_IS_LIST = f"""\
keys:
- name: Ana Ruiz
  public: '{public_text(ANA)}'
  roles:
  - owner
"""
FILES = [FLOW, BLOCK, LAST_IS_LIST, BLOCK.replace("\n", "\r\n")]


def changed(before: str, after: str) -> list[str]:
    """Lines that were taken away or put in."""
    return [line for line in ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]


@pytest.fixture(params=FILES, ids=["flow", "block", "list", "crlf"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "trust.yaml"
    path.write_bytes(request.param.encode())
    return path


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "people" / "trust.yaml"
    trust_key(path, "Ana Ruiz", ANA, ("owner",))
    trust = load_trust(path)
    assert [(key.name, key.public, key.roles) for key in trust.keys.values()] == [("Ana Ruiz", ANA, ("owner",))]
    assert trust.demand("snapshot") == DEFAULT
    assert path.read_text().startswith("# Whose word counts")


def test_another_key_is_added_and_nothing_else_changes(path: Path) -> None:
    before = path.read_bytes().decode()
    trust = trust_key(path, "Bo 1", BO, ("reviewer", "release"), "2026-11-01")
    assert trust == load_trust(path)
    bo = trust.keys[keyid_of(BO)]
    assert (bo.name, bo.roles, bo.since) == ("Bo 1", ("reviewer", "release"), "2026-11-01T00:00:00.000000Z")
    lines = changed(before, path.read_bytes().decode())
    assert len(lines) == 4
    assert all(line.startswith("+ ") for line in lines)
    assert ("\r\n" in before) == ("\r\n" in path.read_bytes().decode())


def test_a_role_is_added(path: Path) -> None:
    before = path.read_bytes().decode()
    trust = trust_key(path, "Ana Ruiz", ANA, ("reviewer", "owner"))
    assert trust.keys[keyid_of(ANA)].roles == ("owner", "reviewer")
    assert len(changed(before, path.read_bytes().decode())) <= 2
    again = path.read_bytes()
    trust_key(path, "Ana Ruiz", ANA, ("reviewer",))
    assert load_trust(path).keys == trust.keys
    assert path.read_bytes() == again


def test_a_key_is_revoked(path: Path) -> None:
    before = path.read_bytes().decode()
    key = load_trust(path).keys[keyid_of(ANA)]
    at = "2026-12-24T10:00:00.000000Z"
    why = 'laptop: "stolen" # in Málaga\nand the phone'
    trust = revoke_key(path, key, at, why)
    assert (trust.keys[key.keyid].revoked, trust.keys[key.keyid].why_revoked) == (at, why)
    assert len(changed(before, path.read_bytes().decode())) <= 2
    with pytest.raises(UsageError, match="revoked already"):
        revoke_key(path, trust.keys[key.keyid], at, why)
    with pytest.raises(UsageError, match="was revoked"):
        trust_key(path, "Ana Ruiz", ANA, ("reviewer",))


def test_a_key_belongs_to_one_person(path: Path) -> None:
    with pytest.raises(UsageError, match="that of 'Ana Ruiz' already"):
        trust_key(path, "Mallory", ANA, ("owner",))


@pytest.mark.parametrize("name", ["null", "yes", "1234", "O'Brien", "a - b"])
def test_any_name_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "trust.yaml"
    for number, public in enumerate((ANA, BO)):
        trust_key(path, name if number else "Ana", public, ("reviewer",))
    assert load_trust(path).keys[keyid_of(BO)].name == name


def test_a_file_that_is_wrong_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "trust.yaml"
    path.write_text(BLOCK + "  more: 1\n")
    with pytest.raises(PolicyError):
        trust_key(path, "Bo", BO, ("reviewer",))
    path.write_text(f"keys: [{{name: Ana, public: {public_text(ANA)}, roles: owner}}]\n")
    before = path.read_text()
    with pytest.raises(UsageError, match="lines of its own"):
        trust_key(path, "Bo", BO, ("reviewer",))
    assert path.read_text() == before


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text(LAST_IS_LIST)
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "trust.yaml").symlink_to("real.yaml")
    trust_key(tmp_path / "trust.yaml", "Bo", BO, ("reviewer",))
    assert (tmp_path / "trust.yaml").is_symlink()
    assert "Bo" in (tmp_path / "real.yaml").read_text()
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640


def test_ones_own_key_is_trusted_by_its_name_and_anothers_by_its_public_key(tmp_path: Path) -> None:
    path = tmp_path / "trust.yaml"
    own = new_key("Ana Ruiz", passphrase="locked")
    assert trusted("Ana Ruiz", ["owner"], path).keyid == own.keyid
    assert trusted(public_text(BO), ["reviewer"], path, name="Bo").name == "Bo"
    with pytest.raises(UsageError, match="whose key"):
        trusted(public_text(b"c" * 32), ["reviewer"], path)
    with pytest.raises(UsageError, match="base64"):
        trusted(public_text(b"c" * 32)[:-1], ["reviewer"], path, name="Cy")
    with pytest.raises(UsageError, match=r"no key 'Cy'[\s\S]*Ana Ruiz"):
        trusted("Cy", ["reviewer"], path)
    with pytest.raises(UsageError, match="did you mean 'reviewer'"):
        trusted("Ana Ruiz", ["reviewers"], path)
    with pytest.raises(UsageError, match="has a role"):
        trusted("Ana Ruiz", [], path)


def test_a_key_is_revoked_by_name_unless_there_are_two(tmp_path: Path) -> None:
    path = tmp_path / "trust.yaml"
    trust_key(path, "Ana", ANA, ("owner",), "2026-11-01")
    with pytest.raises(UsageError, match=r"no key of 'Bo'"):
        revoked("Bo", "left", path)
    with pytest.raises(UsageError, match="counts only from"):
        revoked("Ana", "left", path, at="2026-10-01")
    with pytest.raises(UsageError, match="expected a date"):
        revoked("Ana", "left", path, at="soon")
    with pytest.raises(UsageError, match="says why"):
        revoked("Ana", " ", path)
    trust_key(path, "Ana", BO, ("owner",))
    with pytest.raises(UsageError, match="2 keys"):
        revoked("Ana", "left", path)
    assert revoked(public_text(ANA), "left", path, at="2026-12-01").revoked == "2026-12-01T00:00:00.000000Z"
    assert revoked("Ana", "left", path).public == BO
