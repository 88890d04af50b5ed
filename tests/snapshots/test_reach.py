"""What statements refer to: nothing too little, or it would be thrown away; nothing too much, or it would never go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Erasure, Rejection, Revocation, Statement
from gate.snapshots.reach import (
    NOTHING,
    Reference,
    about,
    chain,
    current,
    erased,
    every_ref,
    named,
    present,
    reach,
    read_descriptor,
)
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from tests.snapshots.made import Admit, People, approve, write_splits


@pytest.fixture
def first(admitted: Admit, people: People, tmp_path: Path) -> Admitted:
    found = admitted(write_splits(tmp_path / "data"))
    approve(found, people)
    return found


@pytest.fixture
def ledger(first: Admitted) -> Ledger:
    return Ledger(Store(first.store))


def objects(store: Store) -> set[Reference]:
    return {Reference(each.digest, each.kind) for each in store.objects()}


def test_everything_in_a_store_is_reached(ledger: Ledger, first: Admitted) -> None:
    found = reach(ledger.store, [*ledger.all(), *every_ref(ledger)])
    assert set(found.objects) == objects(ledger.store)
    assert (found.missing, found.absent) == ({}, {})
    assert all(ledger.store.root.joinpath(each.name).is_file() for each in found.objects)


def test_what_nobody_names_is_not_reached(ledger: Ledger, first: Admitted) -> None:
    loose = Reference(ledger.store.put(b"nobody's", "json"), "json")
    assert loose not in reach(ledger.store, ledger.all()).objects


def test_what_is_missing_is_said(ledger: Ledger, first: Admitted) -> None:
    for each in objects(ledger.store):
        path = ledger.store.path(each.digest, each.kind)
        whole = path.read_bytes()
        path.unlink()
        assert each in reach(ledger.store, ledger.all()).missing
        path.write_bytes(whole)
    ledger.store.statement_path(first.statement.digest).unlink()
    assert set(reach(ledger.store, ledger.all()).absent) == {first.statement.digest}


def test_a_descriptor_that_is_none_stops_everything(ledger: Ledger, first: Admitted) -> None:
    admission = first.statement.about
    assert isinstance(admission, Admission)
    path = ledger.store.path(admission.descriptor, "json")
    for content in (b"{}", b"", b"[" * 100_000, path.read_bytes().replace(b'"format":1', b'"format":2')):
        path.write_bytes(content)
        with pytest.raises(Damaged):
            reach(ledger.store, ledger.all())
        digest = ledger.store.put(content, "json")
        with pytest.raises(Damaged, match="not the descriptor"):
            read_descriptor(ledger.store, digest)


def test_a_chain_is_what_is_about_a_snapshot_and_what_that_rests_on(
    ledger: Ledger, first: Admitted, admitted: Admit, people: People, tmp_path: Path
) -> None:
    ledger.say(Rejection(statement=first.statement.digest, why="rude"), people.olga)
    ledger.say(Revocation(snapshot=first.snapshot, why="rude"), people.olga)
    second = admitted(write_splits(tmp_path / "more", 1), name="lighthouse")
    statements, refs = chain(ledger, first.snapshot)
    assert sorted(one.kind for one in statements) == ["admission", "approval", "rejection", "revocation"]
    assert [ref.about.name for ref in refs] == ["harbour"]  # type: ignore[attr-defined]
    statements, refs = chain(ledger, second.snapshot)
    # What the same author said before is there, so that nobody can take a statement out unseen.
    assert [one.digest for one in statements] == [first.statement.digest, second.statement.digest]
    assert [ref.about.name for ref in refs] == ["lighthouse"]  # type: ignore[attr-defined]
    assert chain(ledger, "0" * 64) == ([], [])


def test_what_is_about_a_snapshot(ledger: Ledger, first: Admitted, people: People) -> None:
    said = ledger.say(Revocation(snapshot=first.snapshot, why="rude"), people.olga)
    assert about(first.statement, first.snapshot)
    assert about(said, first.snapshot)
    assert not about(said, "0" * 64)


# Erasures


def tombstone(ledger: Ledger, people: People, objects: dict[str, str], snapshot: str = "0" * 64) -> Statement:
    about = Erasure(examples=["1" * 64], objects=objects, snapshots=[snapshot], why="asked")
    return ledger.say(about, people.ana)


def test_what_was_replaced_is_not_reached_and_its_replacement_is(
    ledger: Ledger, first: Admitted, people: People
) -> None:
    store = ledger.store
    old = next(each for each in named(first.statement) if each.kind == "parquet")
    new = store.put(b"without it", "parquet")
    tombstone(ledger, people, {old.digest: new})
    found = reach(store, ledger.all())
    assert old not in found.objects
    assert Reference(new, "parquet") in found.objects
    assert old in reach(store, ledger.all(), {}).objects  # as long as nobody believes it
    newer = store.put(b"without another one, too", "parquet")
    tombstone(ledger, people, {new: newer})
    assert Reference(newer, "parquet") in reach(store, ledger.all()).objects
    assert current(old.digest, erased(ledger.all())) == newer


def test_an_erasure_that_put_nothing_there_takes_nothing_away(ledger: Ledger, first: Admitted, people: People) -> None:
    old = next(each for each in named(first.statement) if each.kind == "parquet")
    tombstone(ledger, people, {old.digest: "2" * 64})
    gone = erased(ledger.all())
    assert present(ledger.store, old.digest, "parquet", gone) == old
    ledger.store.path(old.digest, "parquet").unlink()
    assert present(ledger.store, old.digest, "parquet", gone).digest == "2" * 64
    assert Reference("2" * 64, "parquet") in reach(ledger.store, ledger.all()).missing


def test_nothing_left_is_nothing_missing(ledger: Ledger, first: Admitted, people: People) -> None:
    old = next(each for each in named(first.statement) if each.kind == "parquet")
    tombstone(ledger, people, {old.digest: NOTHING})
    ledger.store.path(old.digest, "parquet").unlink()
    assert reach(ledger.store, ledger.all()).missing == {}


def test_a_circle_is_an_error_and_no_loop(ledger: Ledger, first: Admitted, people: People) -> None:
    old = next(each for each in named(first.statement) if each.kind == "parquet")
    tombstone(ledger, people, {old.digest: "2" * 64, "2" * 64: "3" * 64, "3" * 64: old.digest})
    with pytest.raises(Damaged, match="in a circle"):
        reach(ledger.store, ledger.all())
    one = ledger.all()[-1]
    same = replace(one, about=one.about.model_copy(update={"objects": {old.digest: old.digest}}))
    assert current(old.digest, erased([same])) == old.digest
