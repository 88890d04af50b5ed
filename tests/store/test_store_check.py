"""`gate store ls` and `gate store check`: what lies in a store, and everything in it that is not as it should be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gate.provenance.statements import Erasure
from gate.store.objects import Damaged
from gate.verbs.store import checked, listed
from tests.conftest import Gate
from tests.store.conftest import Sealed


def files(sealed: Sealed, part: str) -> list[Path]:
    return sorted(path for path in (sealed.root / part).rglob("*") if path.is_file())


def grave(sealed: Sealed) -> list[tuple[str, str]]:
    found = checked(sealed.store)
    assert found.exit_code == int(any(problem.grave for problem in found.problems))
    return [(problem.file, problem.what) for problem in found.problems if problem.grave]


def test_a_whole_store(sealed: Sealed) -> None:
    found = checked(sealed.store)
    assert (found.problems, found.exit_code) == ((), 0)
    assert found.files == sum(len(files(sealed, part)) for part in ("objects", "statements", "refs"))
    assert found.bytes == sum(path.stat().st_size for path in sealed.root.rglob("*") if path.is_file())


def test_a_list_adds_up(sealed: Sealed) -> None:
    found = listed(sealed.store)
    every = [path for part in ("objects", "statements", "refs") for path in files(sealed, part)]
    assert (found.files, found.bytes) == (len(every), sum(path.stat().st_size for path in every))
    assert {kept.kind for kept in found.kinds if kept.part == "objects"} == {"parquet", "json", "html"}
    assert {kept.kind for kept in found.kinds if kept.part == "statements"} == {"admission", "approval"}
    assert [(kept.kind, kept.files) for kept in found.kinds if kept.part == "refs"] == [("harbour", 1)]


def test_one_flipped_byte_in_any_file_is_named(sealed: Sealed) -> None:
    for path in (*files(sealed, "objects"), *files(sealed, "statements"), *files(sealed, "refs")):
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        assert (sealed.store.name(path), "damaged") in grave(sealed)
        path.write_bytes(whole)
    assert grave(sealed) == []


@pytest.mark.parametrize("part", ["objects", "statements", "refs"])
def test_a_file_that_is_cut_off_or_empty(sealed: Sealed, part: str) -> None:
    path = files(sealed, part)[0]
    whole = path.read_bytes()
    for content in (whole[:-1], b"", whole + b"\n"):
        path.write_bytes(content)
        assert (sealed.store.name(path), "damaged") in grave(sealed)


def test_what_statements_name_and_is_not_there(sealed: Sealed) -> None:
    for path in files(sealed, "objects"):
        whole = path.read_bytes()
        path.unlink()
        assert (sealed.store.name(path), "missing") in grave(sealed)
        path.write_bytes(whole)
    admission = sealed.store.statement_path(sealed.admitted.statement.digest)
    admission.unlink()
    assert grave(sealed) == [(sealed.store.name(admission), "missing")]


@pytest.mark.parametrize("made", ["link", "folder", "pipe"])
def test_what_is_no_file(sealed: Sealed, made: str, tmp_path: Path) -> None:
    path = files(sealed, "objects")[0]
    path.rename(tmp_path / "moved")
    match made:
        case "link":
            path.symlink_to(tmp_path / "moved")
        case "folder":
            path.mkdir()
        case _:
            os.mkfifo(path)
    assert (sealed.store.name(path), "damaged") in grave(sealed)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("objects/ab/notes.txt", "damaged"),
        ("objects/" + "0" * 64 + ".parquet", "damaged"),
        ("objects/ab/" + "0" * 64 + ".parquet", "damaged"),
        ("objects/00/" + "0" * 64 + ".PARQUET", "damaged"),
        ("statements/" + "0" * 64 + ".json", "damaged"),
        ("statements/readme.json", "damaged"),
        ("refs/harbour/7.json", "damaged"),
        ("refs/harbour/000007.json", "damaged"),
        ("refs/000007.json", "damaged"),
        ("refs/Harbour/000007.json", "damaged"),
        ("objects/.0123456789abcdef0123456789abcdef.tmp", "leftover"),
        ("objects/ab/.0123456789abcdef0123456789abcdef.tmp", "leftover"),
        (".0123456789abcdef0123456789abcdef.tmp", "leftover"),
        ("refs/harbour/.000007.json.claim", "leftover"),
        ("notes.txt", "unknown"),
        ("other/", "unknown"),
    ],
)
def test_what_does_not_belong_there(sealed: Sealed, name: str, what: str) -> None:
    path = sealed.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith("/"):
        path.mkdir()
        (path / "deep").write_bytes(b"x")
    else:
        path.write_bytes(b"x")
    found = checked(sealed.store)
    assert [(problem.file, problem.what) for problem in found.problems] == [(name, what)]
    assert found.exit_code == int(what == "damaged")


def test_the_cache_beside_it_is_not_the_stores(sealed: Sealed) -> None:
    (sealed.root / "cache").mkdir()
    (sealed.root / "cache" / "x.arrow").write_bytes(b"x")
    (sealed.root / ".gitignore").write_text("objects/\n")
    assert checked(sealed.store).problems == ()


def test_objects_may_lie_in_a_shared_folder(sealed: Sealed, tmp_path: Path) -> None:
    whole = checked(sealed.store).files
    (sealed.root / "objects").rename(tmp_path / "shared")
    (sealed.root / "objects").symlink_to(tmp_path / "shared")
    found = checked(sealed.store)
    assert (found.problems, found.files) == ((), whole)
    path = files(sealed, "objects/.")[0]
    path.write_bytes(b"x")
    assert checked(sealed.store).exit_code == 1


def test_a_statement_among_refs_and_a_ref_elsewhere(sealed: Sealed) -> None:
    ref = sealed.store.ref_path("harbour", 1)
    for place in (sealed.store.ref_path("harbour", 2), sealed.store.ref_path("lighthouse", 1)):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(ref.read_bytes())
        assert grave(sealed) == [(sealed.store.name(place), "damaged")]
        place.write_bytes(sealed.store.statement(sealed.admitted.statement.digest))
        assert grave(sealed) == [(sealed.store.name(place), "damaged")]
        place.unlink()
    digest = sealed.store.put_statement(ref.read_bytes())
    assert grave(sealed) == [(f"statements/{digest}.json", "damaged")]


def test_an_erasure_by_anybody_takes_nothing_away(sealed: Sealed) -> None:
    every = {path.name.partition(".")[0]: "0" * 64 for path in files(sealed, "objects")}
    about = Erasure(examples=["1" * 64], objects=every, snapshots=[sealed.snapshot], why="spite")
    sealed.ledger.say(about, sealed.eve)
    assert grave(sealed) == []


def test_erasures_in_a_circle(sealed: Sealed) -> None:
    one, other = sealed.admitted.statement.about.descriptor, "0" * 64  # type: ignore[attr-defined]
    about = Erasure(examples=["1" * 64], objects={one: other, other: one}, snapshots=[sealed.snapshot], why="spite")
    sealed.ledger.say(about, sealed.eve)
    assert any(what == "damaged" for _, what in grave(sealed))


def test_the_command(sealed: Sealed, gate: Gate) -> None:
    whole = gate("store", "check", "--store", sealed.root)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.startswith("whole: ")
    path = files(sealed, "objects")[0]
    path.write_bytes(b"x")
    broken = gate("store", "check", "--store", sealed.root)
    assert broken.returncode == 1
    assert sealed.store.name(path) in broken.stdout
    told = json.loads(gate("store", "check", "--store", sealed.root, "--output", "json").stdout)
    assert told["problems"] == [
        {"file": sealed.store.name(path), "what": "damaged", "why": "its bytes are not what its name says"}
    ]
    kept = json.loads(gate("store", "ls", "--store", sealed.root, "--output", "json").stdout)
    assert kept["files"] == len([each for part in ("objects", "statements", "refs") for each in files(sealed, part)])
    absent = gate("store", "check", "--store", sealed.root.parent / "nowhere")
    assert (absent.returncode, absent.stdout) == (2, "")
    assert "there is no store" in absent.stderr


def test_a_name_that_would_speak_to_a_terminal_is_inert(sealed: Sealed, gate: Gate) -> None:
    (sealed.root / "objects" / "ab").mkdir(exist_ok=True)
    (sealed.root / "objects" / "ab" / "\x1b[31mred\nfile").write_bytes(b"x")
    (sealed.root / "objects" / "ab" / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")
    shown = gate("store", "check", "--store", sealed.root)
    assert shown.returncode == 1
    assert "\x1b" not in shown.stdout
    assert gate("store", "check", "--store", sealed.root, "-o", "json").returncode == 1


def test_a_ledger_that_cannot_be_listed_says_why(sealed: Sealed) -> None:
    sealed.store.put_statement(b"{}")
    with pytest.raises(Damaged, match="not a signed statement"):
        listed(sealed.store)
