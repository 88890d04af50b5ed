"""A review counts where it should: for the check of the same data, for the admission, and of a snapshot that waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from gate.errors import UsageError
from gate.provenance.keys import PrivateKey
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Review, Revocation
from gate.snapshots.open import NotApproved
from gate.store.objects import Damaged, Store
from gate.verbs.admit import NotAdmitted
from gate.verbs.check import check
from gate.verbs.review import find_rows, sample, sign
from gate.verbs.said import said_before
from tests.snapshots.conftest import POLICY
from tests.snapshots.made import Admit, People, approve, write_splits

DEMAND = """
  - id: spot_check
    check: spot_check
    with: {sample: 10, good: 0.5, level: 0.95}
    severity: error
    tolerate: 0.99
    remedy: drop
    why: Somebody has to have looked.
"""
Say = Callable[..., Review]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_STATE", str(tmp_path / "state"))
    for name in ("TRUST", "STORE"):
        monkeypatch.delenv(f"GATE_{name}", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_splits(tmp_path / "data")


@pytest.fixture
def demanding(tmp_path: Path) -> Path:
    path = tmp_path / "demanding.yaml"
    path.write_text(POLICY + DEMAND)
    return path


def say(what: Path | str, words: Sequence[str], by: PrivateKey, people: People, store: Path) -> list[str]:
    """Answer to a sample, sign it, and give back the ids."""
    rows = find_rows([str(what)], store=store, trust=people.trust_file)
    drawn = sample(rows, [str(what)], size=len(words))
    answers = drawn.answers()
    answers.take((id_, word, None) for id_, word in zip(drawn.ids, words, strict=True))  # type: ignore[misc]
    sign(drawn, answers.pending(by.keyid), by, store=store, trust=people.trust if by is not people.eve else None)
    return drawn.ids


def test_an_admission_waits_for_the_review_that_its_policy_demands(
    data: Path, demanding: Path, admitted: Admit, people: People, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    with pytest.raises(NotAdmitted, match="spot_check failed"):
        admitted(data, policy=demanding)
    say(data, ["good"] * 10, people.eve, people, store)  # whom nobody trusts
    with pytest.raises(NotAdmitted, match="spot_check failed"):
        admitted(data, policy=demanding)
    ids = say(data, ["good"] * 9 + ["bad"] + ["skip"] * 3, people.ben, people, store)
    sealed = admitted(data, policy=demanding)
    about = sealed.statement.about
    assert isinstance(about, Admission)
    ledger = Ledger(Store(store))
    (trusted,) = (one for one in ledger.all() if isinstance(one.about, Review) and one.author == "ben")
    assert about.reviews == [trusted.digest]
    assert (about.admitted, about.excluded) == (99, 1)
    left = find_rows([sealed.snapshot], store=store, trust=people.trust_file).small()["id"]
    assert set(ids) - set(left) == {ids[9]}


def test_a_check_counts_them_where_somebody_says_whom_to_trust(
    data: Path, demanding: Path, people: People, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    say(data, ["good"] * 10, people.ben, people, store)
    said = said_before([str(data)], store, people.trust_file)
    assert check(data, policy=demanding, reviews=said.reviews).verdict == "pass"
    assert said_before([str(data)]).reviews.is_empty()
    assert said_before([str(data)], None, people.trust_file).reviews.is_empty()  # no store lies near this data
    with pytest.raises(UsageError, match="whose word"):
        said_before([str(data)], store)
    with pytest.raises(UsageError, match="no store"):
        said_before([str(data)], tmp_path / "elsewhere", people.trust_file)


def test_a_snapshot_is_reviewed_before_it_is_approved_and_after(
    data: Path, admitted: Admit, people: People, tmp_path: Path
) -> None:
    sealed = admitted(data)
    store = tmp_path / "store"
    before = find_rows(["harbour"], store=store, trust=people.trust_file)
    assert before.snapshot == sealed.snapshot
    ids = sample(before, ["harbour"], size=20).ids
    assert len(ids) == 20
    say("harbour", ["good"] * 3, people.ben, people, store)
    (review,) = (one.about for one in Ledger(Store(store)).all() if isinstance(one.about, Review))
    assert review.snapshot == sealed.snapshot
    approve(sealed, people)
    after = find_rows([sealed.snapshot[:12]], store=store, trust=people.trust_file)
    assert sample(after, [sealed.snapshot[:12]], size=20).ids == ids
    # The same examples, drawn from the data, are the same sample as far as strata are.
    assert set(before.small()["id"]) == set(find_rows([str(data)]).small()["id"])


def test_a_revoked_or_damaged_snapshot_is_not_shown(
    data: Path, admitted: Admit, people: People, tmp_path: Path
) -> None:
    sealed = admitted(data)
    store = Store(tmp_path / "store")
    path = max((tmp_path / "store/objects").rglob("*.parquet"), key=lambda each: each.stat().st_size)
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged):
        find_rows(["harbour"], store=store.root, trust=people.trust_file)
    path.write_bytes(whole)
    Ledger(store).say(Revocation(snapshot=sealed.snapshot, why="consent withdrawn"), people.ana)
    with pytest.raises(NotApproved, match="consent withdrawn"):
        find_rows(["harbour"], store=store.root, trust=people.trust_file)


def test_a_snapshot_is_not_opened_without_a_trust_file(data: Path, admitted: Admit, tmp_path: Path) -> None:
    admitted(data)
    with pytest.raises(UsageError, match="trust"):
        find_rows(["harbour"], store=tmp_path / "store")


def test_texts_of_a_snapshot_are_fetched_in_the_order_of_the_sample(
    data: Path, admitted: Admit, people: People, tmp_path: Path
) -> None:
    admitted(data)
    snapshot = find_rows(["harbour"], store=tmp_path / "store", trust=people.trust_file)
    for rows in (snapshot, find_rows([str(data)])):
        ids = rows.small()["id"].sample(7, seed=1, shuffle=True)
        fetched = rows.fetch(pl.concat([ids, pl.Series(["0" * 64])]))  # one that is not there
        assert fetched["id"].to_list() == ids.to_list()
        assert fetched["messages"].list.len().min() == 2
