"""What people said of examples, as signed statements: who of them counts, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gate.checks.base import REVIEWS
from gate.checks.spot_check import settled
from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Review, Statement
from gate.snapshots.layout import VERDICTS
from gate.snapshots.parquet import to_parquet
from gate.snapshots.verdicts import reviews, said, verdicts_of
from gate.store.objects import Damaged, Store
from tests.snapshots.made import People

A, B, C = (hashlib.sha256(name.encode()).hexdigest() for name in "abc")
MOMENT = "2026-11-21T10:00:00.000000Z"


def verdicts(**words: str) -> pl.DataFrame:
    ids = {"a": A, "b": B, "c": C}
    rows = [(ids[name], word, "wrong" if word == "bad" else None, MOMENT) for name, word in words.items()]
    return pl.DataFrame(rows, schema=VERDICTS, orient="row")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store.create(tmp_path / "store"))


def say(ledger: Ledger, by: PrivateKey, **words: str) -> Statement:
    return said(ledger, verdicts(**words), by, seed=7, sampled=3)


def test_what_was_said_is_counted_signed_and_read_back(ledger: Ledger, people: People) -> None:
    statement = say(ledger, people.ben, a="good", b="bad", c="skip")
    about = statement.about
    assert isinstance(about, Review)
    assert (about.good, about.bad, about.sampled, about.seed, about.snapshot) == (1, 1, 3, 7, None)
    found = reviews(ledger, people.trust)
    assert found.frame.schema == REVIEWS
    assert sorted(found.frame.select("id", "verdict", "reason").rows(), key=str) == sorted(
        [(A, "good", None), (B, "bad", "wrong"), (C, "skip", None)], key=str
    )
    # The moment and the person are those of the signature: what a row says of itself nobody can check.
    assert set(found.frame["at"]) == {statement.made}
    assert set(found.frame["reviewer"]) == {"ben"}


def test_the_same_verdicts_are_the_same_object_in_any_order(ledger: Ledger, people: People) -> None:
    one, other = (say(ledger, people.ben, **words) for words in ({"a": "good", "b": "bad"}, {"b": "bad", "a": "good"}))
    assert isinstance(one.about, Review)
    assert isinstance(other.about, Review)
    assert one.about.verdicts == other.about.verdicts


def test_who_is_not_trusted_is_not_counted_and_told(ledger: Ledger, people: People) -> None:
    say(ledger, people.eve, a="good")
    say(ledger, people.ben, b="good")
    found = reviews(ledger, people.trust)
    assert found.frame["id"].to_list() == [B]
    assert len(found.ignored) == 1
    assert "eve" in found.ignored[0]
    assert reviews(ledger, None).frame.height == 2  # to learn from, nobody has to be trusted


def test_what_was_said_later_is_left_out(ledger: Ledger, people: People) -> None:
    first = say(ledger, people.ben, a="good")
    say(ledger, people.ben, a="bad")
    assert reviews(ledger, people.trust, at=first.made).frame["verdict"].to_list() == ["good"]


def test_a_person_with_two_keys_is_one_person(ledger: Ledger, people: People, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(tmp_path / "keys"))
        second = new_key("ben")
    own = people.trust
    trust = replace(own, keys=own.keys | {second.keyid: replace(own.keys[people.ben.keyid], **_public(second))})
    say(ledger, people.ben, a="bad")
    say(ledger, second, a="good")
    assert settled(reviews(ledger, trust).frame).rows() == [(A, "good", None)]
    say(ledger, people.olga, a="bad")
    assert settled(reviews(ledger, trust).frame)["verdict"].to_list() == ["bad"]


def _public(key: PrivateKey) -> dict[str, object]:
    return {"keyid": key.keyid, "public": key.public}


def test_an_admission_rests_on_the_reviews_of_its_examples_only(ledger: Ledger, people: People) -> None:
    first, second = say(ledger, people.ben, a="good", b="skip"), say(ledger, people.olga, c="bad")
    found = reviews(ledger, people.trust)
    assert found.about(pl.Series([A])) == [first.digest]
    assert found.about(pl.Series([B, C])) == [first.digest, second.digest]
    assert found.about(pl.Series(["0" * 64])) == []
    assert found.about(pl.Series([], dtype=pl.String)) == []


def test_a_damaged_object_is_named_and_not_left_out(ledger: Ledger, people: People) -> None:
    statement = say(ledger, people.ben, a="good", b="bad")
    assert isinstance(statement.about, Review)
    path = ledger.store.path(statement.about.verdicts, "parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=statement.about.verdicts):
        reviews(ledger, people.trust)
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        reviews(ledger, people.trust)


def test_nobody_can_have_their_own_object_break_the_count_of_others(ledger: Ledger, people: People) -> None:
    statement = say(ledger, people.eve, a="good")
    assert isinstance(statement.about, Review)
    ledger.store.path(statement.about.verdicts, "parquet").unlink()
    say(ledger, people.ben, b="good")
    assert reviews(ledger, people.trust).frame["id"].to_list() == [B]


WRONG = {
    "twice": pl.concat([verdicts(a="good"), verdicts(a="bad")]),
    "no id": verdicts(a="good").with_columns(id=pl.lit("../../etc/passwd")),
    "no word": verdicts(a="good").with_columns(verdict=pl.lit(None, dtype=VERDICTS["verdict"])),
    "null id": verdicts(a="good").with_columns(id=pl.lit(None, dtype=pl.String)),
    "long": verdicts(a="bad").with_columns(reason=pl.lit("x" * 2001)),
}


@pytest.mark.parametrize("frame", WRONG.values(), ids=WRONG)
def test_verdicts_that_cannot_be_are_neither_signed_nor_read(
    frame: pl.DataFrame, ledger: Ledger, people: People
) -> None:
    with pytest.raises(ValueError, match=r"verdict|reason"):
        said(ledger, frame, people.ben, seed=0, sampled=9)
    digest = ledger.store.put(to_parquet(frame, VERDICTS), "parquet")
    counts = {word: int((frame["verdict"] == word).sum()) for word in ("good", "bad")}
    forged = ledger.say(Review(verdicts=digest, sampled=9, seed=0, **counts), people.ben)
    with pytest.raises(Damaged, match=digest):
        verdicts_of(ledger, forged)


@pytest.mark.parametrize("counts", [(2, 1, 3), (1, 2, 3), (0, 0, 3), (1, 1, 1)], ids=str)
def test_a_review_that_miscounts_its_verdicts_is_damaged(
    counts: tuple[int, int, int], ledger: Ledger, people: People
) -> None:
    digest = ledger.store.put(to_parquet(verdicts(a="good", b="bad"), VERDICTS), "parquet")
    good, bad, sampled = counts
    ledger.say(Review(verdicts=digest, sampled=sampled, good=good, bad=bad, seed=0), people.ben)
    with pytest.raises(Damaged, match="not as many"):
        reviews(ledger, people.trust)


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"{}"], ids=["none", "4", "0", "json"]
)
def test_an_object_that_is_no_parquet_is_damaged(content: bytes, ledger: Ledger, people: People) -> None:
    digest = ledger.store.put(content, "parquet")
    ledger.say(Review(verdicts=digest, sampled=1, good=0, bad=0, seed=0), people.ben)
    with pytest.raises(Damaged, match=digest):
        reviews(ledger, people.trust)
