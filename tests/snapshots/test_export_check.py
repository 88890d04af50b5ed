"""`gate verify` of an export: its files against its own list, and the snapshot that the list names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # what JSON holds

import pytest

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Revocation
from gate.snapshots.folder_export import PROOF
from gate.snapshots.verification import Verification
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from gate.verbs.snapshots import export_snapshot
from gate.verbs.verify import verify
from tests.snapshots.made import Admit, People, approve, write_splits


@pytest.fixture
def sealed(admitted: Admit, people: People, tmp_path: Path) -> Admitted:
    one: Admitted = admitted(write_splits(tmp_path / "data", 5))
    approve(one, people)
    return one


@pytest.fixture
def exported(sealed: Admitted, people: People, tmp_path: Path) -> Path:
    export_snapshot("harbour", tmp_path / "out", "chat", store=Store(sealed.store), trust=people.trust)
    return tmp_path / "out"


def verified(folder: Path, sealed: Admitted, people: People) -> Verification:
    return verify(str(folder), store=sealed.store, trust=people.trust)


def rewritten(folder: Path, **changes: Any) -> None:
    proof = json.loads((folder / PROOF).read_text())
    (folder / PROOF).write_text(json.dumps(proof | changes))


def test_a_whole_export_of_an_approved_snapshot_verifies(exported: Path, sealed: Admitted, people: People) -> None:
    found = verified(exported, sealed, people)
    assert (found.verdict, found.exit_code) == ("approved", 0)
    assert [link.name for link in found.chain.children[0].children] == [
        "train.jsonl", "validation.jsonl", "test.jsonl",
    ]  # fmt: skip
    Ledger(Store(sealed.store)).say(Revocation(snapshot=sealed.snapshot, why="A person asked."), people.ben)
    assert verified(exported, sealed, people).exit_code == 1


@pytest.mark.parametrize("name", ["train.jsonl", "validation.jsonl", "test.jsonl"])
def test_one_flipped_byte_is_named(exported: Path, sealed: Admitted, people: People, name: str) -> None:
    content = bytearray((exported / name).read_bytes())
    content[len(content) // 2] ^= 1
    (exported / name).write_bytes(content)
    found = verified(exported, sealed, people)
    assert [link.name for link in found.broken] == [name]
    assert found.exit_code == 1


def test_what_is_missing_added_or_linked_is_named(exported: Path, sealed: Admitted, people: People) -> None:
    (exported / "test.jsonl").unlink()
    (exported / "more.jsonl").write_text("{}\n")
    content = (exported / "train.jsonl").read_bytes()
    (exported.parent / "elsewhere").write_bytes(content)
    (exported / "train.jsonl").unlink()
    (exported / "train.jsonl").symlink_to(exported.parent / "elsewhere")
    found = {link.name: link.said for link in verified(exported, sealed, people).broken}
    assert found == {
        "train.jsonl": "it is a link, or no file",
        "test.jsonl": "it is missing",
        "more.jsonl": "the list of the export does not name it",
    }


@pytest.mark.parametrize("path", ["../elsewhere", "/etc/hostname", "a/../../elsewhere"])
def test_a_list_that_leads_out_of_the_folder_is_not_followed(
    exported: Path, sealed: Admitted, people: People, path: str
) -> None:
    (exported.parent / "elsewhere").write_text("x")
    files = json.loads((exported / PROOF).read_text())["files"]
    rewritten(exported, files=[*files, {"path": path, "sha256": "0" * 64, "bytes": 1}])
    (broken,) = verified(exported, sealed, people).broken
    assert (broken.name, broken.said) == (path, "its path leads out of the export")


def test_a_list_of_another_snapshot_is_noticed(
    exported: Path, sealed: Admitted, admitted: Admit, people: People, tmp_path: Path
) -> None:
    other: Admitted = admitted(write_splits(tmp_path / "other", 6), name="other")
    approve(other, people)
    rewritten(exported, snapshot=other.snapshot)
    (broken,) = verified(exported, sealed, people).broken
    assert "not of its snapshot" in broken.said


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": "gate.export/2"}', "[" * 100_000])
def test_a_list_that_is_none_is_an_error(exported: Path, sealed: Admitted, people: People, content: str) -> None:
    (exported / PROOF).write_text(content)
    with pytest.raises(Damaged, match="no list of an export"):
        verified(exported, sealed, people)
