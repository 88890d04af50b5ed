"""The commands as people use them: keys, a trust file, and a snapshot approved, rejected, waived for and revoked."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from gate.cli import gate as commands
from gate.errors import GateError
from gate.provenance.keys import PrivateKey, find_key, public_text
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Waiver
from gate.provenance.trust import load_trust
from tests.provenance.story import SNAPSHOT, sealed

Gate = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass
class Said:
    returncode: int
    stdout: str
    stderr: str


Quick = Callable[..., Said]


@pytest.fixture
def quick(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    """Runs the command in this process, where starting one would be most of the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            code = commands.main(list(arguments), prog_name="gate", standalone_mode=False)
        except click.ClickException as error:
            error.show()
            code = 2
        except GateError as error:
            click.echo(str(error), err=True)
            code = error.exit_code
        return Said(code or 0, *capsys.readouterr())

    return run


def test_keys_are_made_listed_trusted_and_revoked(quick: Quick, tmp_path: Path) -> None:
    made = quick("keys", "new", "Ana Ruiz")
    assert made.returncode == 0
    public = made.stdout.strip()
    assert public == public_text(find_key("Ana Ruiz").public)
    assert f"gate keys trust {public} --name 'Ana Ruiz' --role reviewer" in made.stderr
    assert "PRIVATE" not in made.stdout + made.stderr

    added = quick("keys", "trust", "Ana Ruiz", "--role", "owner", "--trust", "trust.yaml")
    assert (added.returncode, added.stdout) == (0, "")
    assert "Ana Ruiz is trusted as owner" in added.stderr
    listed = quick("keys", "ls", "--trust", "trust.yaml", "--output", "json")
    (key,) = json.loads(listed.stdout)
    assert (key["name"], key["public"], key["trusted"], key["passphrase"]) == ("Ana Ruiz", public, "owner", False)
    assert quick("keys", "ls").stdout == f"Ana Ruiz  {public}\n"

    revoked = quick("keys", "revoke", "Ana Ruiz", "--why", "laptop stolen", "--trust", "trust.yaml")
    assert revoked.returncode == 0
    assert "revoked: laptop stolen" in quick("keys", "ls", "--trust", "trust.yaml").stdout
    (known,) = load_trust(tmp_path / "trust.yaml").keys.values()
    assert known.revoked is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new", "a/b"], "no name for a key"),
        (["new", "Ana", "--passphrase"], "set GATE_KEY_PASSPHRASE"),
        (["trust", "Bo", "--role", "owner", "--trust", "t.yaml"], "there is no key 'Bo'"),
        (["trust", "Bo", "--role", "owner"], "--trust"),
        (["revoke", "Bo", "--why", "x", "--trust", "t.yaml"], "cannot be read"),
        (["ls", "--trust", "none.yaml"], "cannot be read"),
        (["lss"], "lss"),
    ],
)
def test_mistakes_with_keys_are_told_in_a_sentence(quick: Quick, arguments: list[str], message: str) -> None:
    said = quick("keys", *arguments)
    assert said.returncode == 2
    assert message in said.stderr
    assert "Traceback" not in said.stderr


@pytest.fixture
def admitted(
    ledger: Ledger, people: Mapping[str, PrivateKey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Statement:
    """A snapshot by Ana, in the store and under the trust file that the environment names."""
    lines = "".join(
        f"  - {{name: {name}, public: {public_text(people[name].public)}, roles: {role}}}\n"
        for name, role in (("Ana", "owner"), ("Bo", "reviewer"))
    )
    (tmp_path / "trust.yaml").write_text(f"keys:\n{lines}")
    monkeypatch.setenv("GATE_TRUST", "trust.yaml")
    monkeypatch.setenv("GATE_STORE", str(ledger.store.root))
    statement = ledger.say(sealed(ledger.store), people["Ana"])
    ledger.refer("support-desk", SNAPSHOT, statement.digest, people["Ana"])
    return statement


def test_approved_rejected_and_revoked(gate: Gate, ledger: Ledger, admitted: Statement) -> None:
    approved = gate("approve", "support-desk", "--key", "Bo", "--note", "read some")
    assert approved.returncode == 0, approved.stderr
    assert ledger.statement(approved.stdout.strip()).kind == "approval"
    for shown in ("approval, signed as Bo", f"snapshot   {SNAPSHOT}", "admitted   by Ana", "stands     approved"):
        assert shown in approved.stderr
    rejected = gate("reject", SNAPSHOT[:8], "--why", "cut off", "--key", "Bo")
    assert rejected.returncode == 0, rejected.stderr
    assert "rejected by Bo" in rejected.stderr
    revoked = gate("revoke", admitted.digest[:8], "--why", "consent withdrawn", "--key", "Ana")
    assert revoked.returncode == 0, revoked.stderr
    assert ledger.statement(revoked.stdout.strip()).kind == "revocation"
    again = gate("approve", "support-desk", "--key", "Bo")
    assert (again.returncode, again.stdout) == (1, "")
    assert "consent withdrawn" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["approve", "support-desk"], 2, "there are several keys"),
        (["approve", "support-desk", "--key", "Ana"], 1, "this takes a reviewer"),
        (["approve", "support-desk", "--key", "Ben"], 2, "there is no key 'Ben'"),
        (["approve", "nothing", "--key", "Bo"], 2, "names: support-desk"),
        (["approve", "support-desk", "--key", "Bo", "--store", "none"], 2, "there is no store"),
        (["approve", "support-desk", "--key", "Bo", "--trust", "none"], 2, "cannot be read"),
        (["approve", "support-desk", "--key", "Bo", "--trust-revision", "v1:x"], 2, "git"),
        (["reject", "support-desk", "--key", "Bo"], 2, "--why"),
        (["revoke", "support-desk", "--key", "Rel", "--why", "x"], 1, "does not trust the key of 'Rel'"),
    ],
)
def test_what_is_refused(quick: Quick, admitted: Statement, arguments: list[str], code: int, message: str) -> None:
    said = quick(*arguments)
    assert (said.returncode, said.stdout) == (code, "")
    assert message in said.stderr
    assert "Traceback" not in said.stderr


def test_ci_signs_with_a_key_from_the_environment(
    quick: Quick, ledger: Ledger, admitted: Statement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE_KEY", (tmp_path / "keys" / "Bo.pem").read_text())
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "none"))
    approved = quick("approve", "support-desk")
    assert approved.returncode == 0, approved.stderr
    assert ledger.statement(approved.stdout.strip()).author == "Bo"


def test_a_waiver(quick: Quick, ledger: Ledger, admitted: Statement, tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps({"instruction": "Broken", "output": ""}) + "\n")
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    said = quick("waive", "structure", "train.jsonl", "--until", until, "--why", "being mended", "--key", "Ana")
    assert said.returncode == 0, said.stderr
    about = ledger.statement(said.stdout.strip()).about
    assert isinstance(about, Waiver)
    assert len(about.findings) == 1
    assert about.findings[0][:12] in said.stderr
    refused = quick("waive", "structure", "train.jsonl", "--until", "2020-01-01", "--why", "x", "--key", "Ana")
    assert refused.returncode == 2
    assert "is over already" in refused.stderr


def test_what_a_statement_says_cannot_act_on_the_terminal(
    gate: Gate, ledger: Ledger, people: Mapping[str, PrivateKey], admitted: Statement
) -> None:
    from gate.provenance.statements import Revocation

    ledger.say(Revocation(snapshot=SNAPSHOT, why="\x1b[2J\u202egone"), people["Bo"])
    for arguments in (
        ["approve", "support-desk", "--key", "Bo"],
        ["reject", "support-desk", "--why", "x", "--key", "Bo"],
    ):
        said = gate(*arguments)
        assert "\x1b" not in said.stderr
        assert "\u202e" not in said.stderr
        assert "gone" in said.stderr


def on_a_terminal(arguments: list[str], typed: list[tuple[str, str]], cwd: Path) -> tuple[int, str]:
    """Run the command on a terminal, and type each answer once its question is there."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(cwd)
        os.execv(sys.executable, [sys.executable, "-m", "gate", *arguments])
    shown = ""
    try:
        while True:
            try:
                piece = os.read(terminal, 4096).decode()
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
            if typed and typed[0][0] in shown:
                os.write(terminal, typed.pop(0)[1].encode() + b"\n")
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown


def test_on_a_terminal_one_is_asked(ledger: Ledger, admitted: Statement, tmp_path: Path) -> None:
    before = ledger.store.statements()
    code, shown = on_a_terminal(["approve", "support-desk", "--key", "Bo"], [("Sign this?", "n")], tmp_path)
    assert (code, "nothing was signed" in shown) == (2, True)
    assert ledger.store.statements() == before
    code, shown = on_a_terminal(["approve", "support-desk", "--key", "Bo"], [("Sign this?", "y")], tmp_path)
    assert (code, "approved" in shown) == (0, True)
    assert len(ledger.store.statements()) == len(before) + 1


def test_a_passphrase_is_asked_for_and_not_shown(
    ledger: Ledger, admitted: Statement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "correct horse"
    typed = [("Passphrase:", secret), ("confirmation", secret)]
    code, shown = on_a_terminal(["keys", "new", "Dee", "--passphrase"], typed, tmp_path)
    assert (code, secret in shown) == (0, False)
    assert (tmp_path / "keys" / "Dee.pem").read_text().count("ENCRYPTED") == 2
    arguments = ["revoke", "support-desk", "--why", "x", "--key", "Dee", "--yes"]
    monkeypatch.delenv("GATE_TRUST")
    code, shown = on_a_terminal(arguments, [("Passphrase of Dee:", "wrong")], tmp_path)
    assert (code, "the passphrase is wrong" in shown) == (2, True)
    code, shown = on_a_terminal(arguments, [("Passphrase of Dee:", secret)], tmp_path)
    assert (code, secret in shown) == (0, False)


@pytest.mark.parametrize("command", ["keys", "approve", "reject", "waive", "revoke"])
def test_help_has_examples(quick: Quick, command: str) -> None:
    said = quick(command, "--help")
    assert said.returncode == 0
    assert "Examples:" in said.stdout
