"""`gate store gc`: what nothing leads to goes, and nothing else, and not before its time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gate.provenance.statements import Erasure
from gate.provenance.trust import load_trust
from gate.store.objects import Damaged
from gate.verbs.store import checked, collected
from tests.conftest import Gate
from tests.store.conftest import Sealed

HOUR = 3600.0


def aged(path: Path, seconds: float = 2 * HOUR) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def everything(sealed: Sealed) -> set[str]:
    return {sealed.store.name(path) for path in sealed.root.rglob("*") if path.is_file()}


def orphan(sealed: Sealed, content: bytes = b"nobody's") -> Path:
    return aged(sealed.store.path(sealed.store.put(content, "parquet"), "parquet"))


def test_nothing_of_a_store_in_use_goes(sealed: Sealed) -> None:
    sealed.admit(1)
    sealed.admit(2, "lighthouse")
    before = everything(sealed)
    for path in sealed.root.rglob("*"):
        aged(path)
    found = collected(sealed.store, trust=load_trust(sealed.trust), delete=True, youngest=0)
    assert (found.files, found.bytes, found.young) == ((), 0, 0)
    assert everything(sealed) == before


def test_a_dry_run_comes_first(sealed: Sealed) -> None:
    path = orphan(sealed)
    found = collected(sealed.store)
    assert [file.name for file in found.files] == [sealed.store.name(path)]
    assert (found.bytes, found.deleted, path.exists()) == (len(b"nobody's"), False, True)
    again = collected(sealed.store, delete=True)
    assert (again.files, again.deleted, path.exists()) == (found.files, True, False)
    assert checked(sealed.store).problems == ()


def test_what_is_young_stays(sealed: Sealed) -> None:
    path = sealed.store.path(sealed.store.put(b"a writer's", "parquet"), "parquet")
    found = collected(sealed.store, delete=True)
    assert (found.files, found.young, path.exists()) == ((), 1, True)
    aged(path, HOUR - 60)
    assert collected(sealed.store, delete=True).files == ()
    assert len(collected(sealed.store, delete=True, youngest=0).files) == 1
    assert not path.exists()


def test_an_old_object_that_a_writer_finds_again_is_young(sealed: Sealed) -> None:
    path = orphan(sealed)
    sealed.store.put(b"nobody's", "parquet")
    assert collected(sealed.store, delete=True).files == ()
    aged(path)
    with sealed.store.scratch() as scratch:
        scratch.write_bytes(b"nobody's")
        sealed.store.put_file(scratch, "parquet")
    assert collected(sealed.store, delete=True).files == ()
    assert path.exists()


def test_leftovers_of_killed_writers_go_too(sealed: Sealed) -> None:
    left = [
        sealed.root / "objects" / f".{'0' * 32}.tmp",
        sealed.root / "statements" / f".{'1' * 32}.tmp",
        sealed.root / f".{'2' * 32}.tmp",
        sealed.root / "refs" / "harbour" / ".000002.json.claim",
    ]
    for path in left:
        path.write_bytes(b"half")
        aged(path)
    young = sealed.root / "objects" / f".{'3' * 32}.tmp"
    young.write_bytes(b"under way")
    found = collected(sealed.store, delete=True)
    assert {file.name for file in found.files} == {sealed.store.name(path) for path in left}
    assert young.exists()


@pytest.mark.parametrize("part", ["statements", "refs"])
def test_nothing_goes_while_a_statement_cannot_be_read(sealed: Sealed, part: str) -> None:
    path = orphan(sealed)
    damaged = next(each for each in (sealed.root / part).rglob("*.json"))
    damaged.write_bytes(b"{}")
    with pytest.raises(Damaged):
        collected(sealed.store, delete=True)
    assert path.exists()


def test_nothing_goes_while_a_descriptor_cannot_be_read(sealed: Sealed) -> None:
    path = orphan(sealed)
    descriptor = sealed.admitted.statement.about.descriptor  # type: ignore[attr-defined]
    sealed.store.path(descriptor, "json").write_bytes(b"{}")
    with pytest.raises(Damaged):
        collected(sealed.store, delete=True)
    assert path.exists()


def test_other_files_and_links_are_left_alone(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    link = sealed.root / "objects" / "00" / f"{'0' * 64}.parquet"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "mine")
    other = aged(sealed.root / "refs" / "harbour" / "000001.json")
    note = sealed.root / "notes.txt"
    note.write_bytes(b"mine")
    assert collected(sealed.store, delete=True, youngest=0).files == ()
    assert all(path.exists() for path in (link, other, note, tmp_path / "mine"))


def test_what_was_erased_goes_only_where_somebody_trusted_says_so(sealed: Sealed) -> None:
    old = next(path for path in (sealed.root / "objects").rglob("*.parquet") if path.stat().st_size > 2000)
    new = sealed.store.put(b"the same without it", "parquet")
    about = Erasure(
        examples=["1" * 64], objects={old.stem: new}, snapshots=[sealed.snapshot], why="asked to be forgotten"
    )
    trust = load_trust(sealed.trust)
    for path in sealed.root.rglob("*"):
        aged(path)
    sealed.ledger.say(about, sealed.eve)
    for believed in (None, trust):
        found = collected(sealed.store, trust=believed, delete=True)
        assert (found.files, found.erased) == ((), 1)
    sealed.ledger.say(about, sealed.ana)
    assert collected(sealed.store, delete=True).files == ()
    found = collected(sealed.store, trust=trust, delete=True)
    assert [file.name for file in found.files] == [sealed.store.name(old)]
    assert not old.exists()
    assert sealed.store.path(new, "parquet").exists()


def test_the_command(sealed: Sealed, gate: Gate) -> None:
    path = orphan(sealed)
    dry = gate("store", "gc", "--store", sealed.root)
    assert dry.returncode == 0
    assert sealed.store.name(path) in dry.stdout
    assert "would be deleted (--delete does it)" in dry.stdout
    assert path.exists()
    done = gate("store", "gc", "--store", sealed.root, "--delete", "--output", "json")
    assert (done.returncode, path.exists()) == (0, False)
    assert '"deleted": true' in done.stdout
