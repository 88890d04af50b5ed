"""`gate verify` as it is used: what it prints, the JSON that programs read, the exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gate.cli.erase import command as erase_command
from gate.cli.verify import command
from gate.errors import GateError, UsageError
from gate.provenance.statements import Revocation
from tests.snapshots.conftest import people, policy  # noqa: F401 - fixtures
from tests.snapshots.made import People
from tests.snapshots.whole_store import Whole, make_whole, rows_of

KEYS = {
    "schema", "verdict", "exit_code", "first_broken", "broken", "snapshots", "checked", "heads", "trust", "chain",
}  # fmt: skip
"""docs/verify.md tells of each."""

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, people: People, policy: Path) -> Whole:  # noqa: F811
    return make_whole(tmp_path_factory.mktemp("whole"), people, policy)


@pytest.fixture
def whole(original: Whole, tmp_path: Path) -> Whole:
    return original.copy(tmp_path)


def run(whole: Whole, *arguments: str, of: click.Command = command, env: dict[str, str] | None = None) -> Result:
    """The command with store and trust named; errors for people end as `gate` ends them."""
    options = ["--store", str(whole.root), "--trust", str(whole.people.trust_file)]
    result = CliRunner().invoke(of, [*arguments, *options], env=env, standalone_mode=False)
    if isinstance(result.exception, GateError):
        result.exit_code = result.exception.exit_code
    elif result.exception is not None:
        raise result.exception
    else:
        result.exit_code = result.return_value
    return result


def test_the_chain_is_a_tree_with_a_mark_per_link(original: Whole) -> None:
    shown = run(original, "harbour")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"✓ snapshot {original.snapshot[:12]}  harbour, approved")
    assert any("approval" in line and "ben (reviewer)" in line for line in lines)
    assert any("admission" in line and "ana (owner)" in line for line in lines)
    assert "every row of 3 files is accounted for once" in shown.stdout
    assert "APPROVED" in shown.stdout
    assert "✗" not in shown.stdout


def test_the_first_broken_link_is_named_with_what_to_do(whole: Whole) -> None:
    whole.file("findings").unlink()
    shown = run(whole, "harbour")
    assert shown.exit_code == 1
    told = shown.stdout[shown.stdout.index("BROKEN") :]
    assert f"{whole.parts['findings']}: it is missing" in told
    assert "restore it" in told
    assert "approved" not in told


def test_json_has_a_stable_form(whole: Whole) -> None:
    document = json.loads(run(whole, "--all", "--output", "json").stdout)
    assert document.keys() == KEYS
    assert (document["schema"], document["verdict"], document["exit_code"]) == (1, "whole", 0)
    assert (document["first_broken"], document["broken"]) == (None, [])
    assert document["checked"].keys() == {"signed_files", "objects", "bytes", "seconds"}
    assert [each["status"] for each in document["snapshots"]] == ["approved"]
    assert document["snapshots"][0].keys() == {"snapshot", "status", "reasons", "admission", "ignored"}
    assert {head["author"] for head in document["heads"]} == {"ana", "ben"}
    assert document["chain"].keys() == {"what", "name", "state", "said", "remedy", "rests_on"}
    path = whole.file("rows-1")
    path.write_bytes(path.read_bytes()[::-1])
    shown = run(whole, "harbour", "--output", "json")
    document = json.loads(shown.stdout)
    assert (shown.exit_code, document["verdict"]) == (1, "broken")
    assert document["first_broken"]["name"] == whole.parts["rows-1"]
    assert document["first_broken"] == document["broken"][0]


def test_the_page_on_verify_tells_of_every_key_and_verdict(original: Whole) -> None:
    page = (Path(__file__).parents[2] / "docs" / "verify.md").read_text("utf-8")
    for word in {*KEYS, "whole", "approved", "waiting", "rejected", "revoked", "expired", "erased", "ignored"}:
        assert f"`{word}`" in page


def test_waiting_is_a_sentence_and_three(whole: Whole) -> None:
    whole.file("approval").unlink()
    shown = run(whole, "harbour")
    assert shown.exit_code == 3
    assert "WAITING" in shown.stdout
    assert f"gate approve {Path(whole.parts['admission']).stem[:12]}" in shown.stdout


def test_revoked_is_one_with_the_reason(whole: Whole) -> None:
    whole.ledger.say(Revocation(snapshot=whole.snapshot, why="licence withdrawn"), whole.people.ana)
    shown = run(whole, "harbour")
    assert shown.exit_code == 1
    assert "REVOKED" in shown.stdout
    assert "licence withdrawn" in shown.stdout
    assert "✗ snapshot" in shown.stdout.splitlines()[0]


def test_what_others_wrote_is_inert_on_the_terminal(whole: Whole) -> None:
    whole.ledger.say(Revocation(snapshot=whole.snapshot, why="\x1b[2J\u202e[red]gone[/red]"), whole.people.ana)
    shown = run(whole, "harbour").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[red]gone[/red]" in shown


def test_quiet_prints_nothing_for_people(whole: Whole) -> None:
    assert run(whole, "harbour", "--quiet").output == ""


def test_what_and_all_are_not_both(original: Whole) -> None:
    shown = run(original, "harbour", "--all")
    assert shown.exit_code == 2


def test_the_command_is_one_of_gate_and_needs_no_network(whole: Whole, gate: Callable[..., object]) -> None:
    settings = ["--store", whole.root, "--trust", whole.people.trust_file]
    done = gate("verify", "harbour", *settings)
    assert (done.returncode, done.stderr) == (0, "")  # type: ignore[attr-defined]
    shutil.rmtree(whole.root / "objects")
    done = gate("verify", "harbour", *settings)
    assert done.returncode == 1  # type: ignore[attr-defined]
    assert "missing" in done.stdout  # type: ignore[attr-defined]


# gate erase, as it is used


def test_erase_says_what_it_would_do_and_does_it_with_yes(whole: Whole) -> None:
    example = rows_of(whole, 0)["id"][3]
    arguments = (example, "--why", "request 2026-118")
    dry = run(whole, *arguments, of=erase_command)
    assert dry.exit_code == 0
    assert "dry run" in dry.stderr
    assert "train.jsonl" in dry.stderr or "test.jsonl" in dry.stderr
    assert run(whole, "harbour").exit_code == 0
    env = {"GATE_KEYS": str(whole.people.keys)}
    done = run(whole, *arguments, "--yes", "--key", "ana", "--output", "json", of=erase_command, env=env)
    document = json.loads(done.stdout)
    assert document["dry_run"] is False
    assert document["examples"] == [example]
    assert len(document["statements"]) == 1
    assert document["still_to_do"]
    shown = run(whole, "harbour")
    assert shown.exit_code == 1
    assert "ERASED" in shown.stdout
    assert "admit the data anew" in shown.stdout
    assert "request 2026-118" in shown.stdout


def test_erase_by_somebody_who_may_not(whole: Whole) -> None:
    example = rows_of(whole, 0)["id"][3]
    env = {"GATE_KEYS": str(whole.people.keys)}
    done = run(whole, example, "--why", "x", "--yes", "--key", "ben", of=erase_command, env=env)
    assert done.exit_code == 1
    assert "owner" in str(done.exception)


def test_erase_clears_the_cache_and_says_so(whole: Whole) -> None:
    cache = whole.root / "cache" / "ab"
    cache.mkdir(parents=True)
    (cache / f"{'ab' * 32}.rows.arrow").write_bytes(b"rows of the data")
    env = {"GATE_KEYS": str(whole.people.keys)}
    example = rows_of(whole, 0)["id"][3]
    done = run(whole, example, "--why", "x", "--yes", "--key", "ana", of=erase_command, env=env)
    assert "is cleared" in done.stderr
    assert not list(cache.iterdir())


def test_a_name_stands_for_its_last_snapshot_or_for_that_of_a_number(original: Whole) -> None:
    for what in ("harbour", "harbour@1", original.snapshot[:8], f"sha256:{original.snapshot}"):
        assert original.snapshot[:12] in original.verify(what).chain.name + original.verify(what).chain.said
    with pytest.raises(UsageError, match="harbour has no number 7"):
        original.verify("harbour@7")
