"""Private keys: where they lie, who may read them, and how they are opened."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.provenance.keys import find_key, kept_keys, keys_folder, new_key, public_text


def test_a_key_is_readable_by_its_owner_alone_and_signs(tmp_path: Path) -> None:
    key = new_key("Ana Ruiz")
    path = tmp_path / "keys" / "Ana Ruiz.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert key.keyid == hashlib.sha256(key.public).hexdigest()
    assert len(key.public) == 32
    again = find_key("Ana Ruiz")
    assert (again.name, again.keyid) == ("Ana Ruiz", key.keyid)
    assert again.sign(b"message") == key.sign(b"message")  # Ed25519 is deterministic (RFC 8032)
    assert len(key.sign(b"message")) == 64


def test_the_secret_is_in_no_representation() -> None:
    key = new_key("Ana")
    assert "PrivateKey object" in repr(key)


def test_the_only_key_needs_no_name_and_several_do() -> None:
    with pytest.raises(UsageError, match="no key to sign with"):
        find_key()
    new_key("Ana")
    assert find_key().name == "Ana"
    new_key("Bo Lind")
    with pytest.raises(UsageError, match=r"--key Ana or --key 'Bo Lind'"):
        find_key()


def test_an_absent_key_is_told_with_those_that_there_are() -> None:
    new_key("Ana")
    with pytest.raises(UsageError, match=r"no key 'Bo'[\s\S]*your keys: Ana"):
        find_key("Bo")


def test_a_name_is_taken_once() -> None:
    first = new_key("Ana")
    with pytest.raises(UsageError, match="already"):
        new_key("Ana")
    assert find_key("Ana").keyid == first.keyid


@pytest.mark.parametrize(
    "name", ["", " ", "../evil", "a/b", "a\nb", ".hidden", "-dash", "a" * 65, "trailing ", "\x1b[31m"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a key"):
        new_key(name)


def test_a_name_is_the_same_however_it_was_typed() -> None:
    new_key("Zoe\u0308")
    assert find_key("Zo\u00eb").name == "Zo\u00eb"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    new_key("Ana")
    (tmp_path / "keys" / "Ana.pem").chmod(mode)
    with pytest.raises(UsageError, match=r"others may read this key[\s\S]*chmod 600"):
        find_key("Ana")


def test_a_folder_in_which_others_may_swap_keys_is_refused(tmp_path: Path) -> None:
    new_key("Ana")
    (tmp_path / "keys").chmod(0o777)
    with pytest.raises(UsageError, match=r"another key in the place of yours[\s\S]*chmod 700"):
        find_key("Ana")


def test_a_passphrase_locks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = new_key("Ana", passphrase="a long one")
    assert b"ENCRYPTED" in (tmp_path / "keys" / "Ana.pem").read_bytes()
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "a long one"

    assert find_key("Ana", ask=ask).keyid == key.keyid
    assert asked == ["Passphrase of Ana: "]
    with pytest.raises(UsageError, match="the passphrase is wrong"):
        find_key("Ana", ask=lambda prompt: "another")
    with pytest.raises(UsageError, match=r"it has a passphrase[\s\S]*GATE_KEY_PASSPHRASE"):
        find_key("Ana")
    monkeypatch.setenv("GATE_KEY_PASSPHRASE", "a long one")
    assert find_key("Ana").keyid == key.keyid
    monkeypatch.setenv("GATE_KEY_PASSPHRASE", "wrong")
    with pytest.raises(UsageError, match="the passphrase is wrong"):
        find_key("Ana", ask=ask)


def test_an_empty_passphrase_is_none() -> None:
    with pytest.raises(UsageError, match="empty"):
        new_key("Ana", passphrase="")


def test_keys_are_listed_without_a_passphrase() -> None:
    keys = [new_key("Ana", passphrase="x"), new_key("Bo")]
    assert [(key.name, key.public, key.encrypted) for key in kept_keys()] == [
        ("Ana", keys[0].public, True),
        ("Bo", keys[1].public, False),
    ]


def test_ci_signs_with_a_key_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = new_key("github ci", passphrase="x")
    content = (tmp_path / "keys" / "github ci.pem").read_text()
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "none"))
    monkeypatch.setenv("GATE_KEY", content.replace("\n", "\\n"))
    monkeypatch.setenv("GATE_KEY_PASSPHRASE", "x")
    assert (find_key().name, find_key().keyid) == ("github ci", key.keyid)
    assert find_key("github ci").keyid == key.keyid
    monkeypatch.setenv("GATE_KEY_NAME", "Build")
    assert find_key().name == "Build"
    with pytest.raises(UsageError, match="no key 'Ana'"):
        find_key("Ana")


def test_a_bare_pem_in_the_environment_needs_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = new_key("ci")
    content = (tmp_path / "keys" / "ci.pem").read_text()
    monkeypatch.setenv("GATE_KEY", content[content.index("-----BEGIN") :])
    with pytest.raises(UsageError, match=r"whose it is[\s\S]*GATE_KEY_NAME"):
        find_key()
    monkeypatch.setenv("GATE_KEY_NAME", "ci")
    assert find_key().keyid == key.keyid


def _pem_of_another_kind() -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    secret = generate_private_key(SECP256R1())
    return secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "no private key in PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no private key in PEM"),
        (_pem_of_another_kind(), "another kind"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", "it has a passphrase"),
    ],
)
def test_what_is_no_key_is_said_without_showing_it(content: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_KEY", f"name: ci\n{content}")
    with pytest.raises(UsageError, match=message) as told:
        find_key()
    assert "AAAA" not in str(told.value)


def test_a_public_line_of_another_key_is_found(tmp_path: Path) -> None:
    new_key("Ana")
    other = new_key("Bo")
    path = tmp_path / "keys" / "Ana.pem"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], f"public: {public_text(other.public)}\n", *lines[2:]]))
    with pytest.raises(UsageError, match="that of another key"):
        find_key("Ana")


def test_a_key_file_under_another_name_is_not_signed_with(tmp_path: Path) -> None:
    new_key("Ana")
    (tmp_path / "keys" / "Ana.pem").rename(tmp_path / "keys" / "Bo.pem")
    with pytest.raises(UsageError, match="it is that of 'Ana'"):
        find_key("Bo")


def test_the_folder_is_the_users_own_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATE_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert keys_folder().parts[-2:] == ("gate", "keys")
