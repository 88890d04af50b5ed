"""What lies in a store, and what is known of one snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from gate.admission.finding_ids import finding_ids
from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Approval, Erasure, Rejection, Revocation, Waiver, written
from gate.provenance.trust import Untrusted
from gate.snapshots.listing import listed
from gate.snapshots.naming import find_snapshot
from gate.snapshots.overview import shown
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from gate.verbs.admit import admit as admit_data
from tests.snapshots.made import Admit, People, approve, chats, write_rows, write_splits


@pytest.fixture
def two(admitted: Admit, people: People, tmp_path: Path) -> tuple[Admitted, Admitted]:
    first = admitted(write_splits(tmp_path / "one", 1))
    approve(first, people)
    return first, admitted(write_splits(tmp_path / "two", 2))


def test_every_name_is_listed_with_how_it_stands(two: tuple[Admitted, Admitted], people: People) -> None:
    ledger = Ledger(Store(two[0].store))
    entries = listed(ledger, people.trust)
    assert [(each.name, each.number, each.current, each.status) for each in entries] == [
        ("harbour", 1, False, "approved"),
        ("harbour", 2, True, "waiting"),
    ]
    assert entries[0].snapshot == two[0].snapshot
    assert (entries[0].rows, entries[0].splits) == (100, {"train": 60, "validation": 20, "test": 20})
    assert (entries[0].by, entries[0].at) == ("ana", two[0].statement.made)
    assert "approval" in entries[1].reasons[0]
    assert [each.status for each in listed(ledger)] == [None, None], "nobody said whom to trust"


def test_what_is_damaged_or_not_trusted_is_listed_as_such(two: tuple[Admitted, Admitted], people: People) -> None:
    store = Store(two[0].store)
    ledger = Ledger(store)
    ledger.refer("harbour", two[0].snapshot, two[0].statement.digest, people.eve)
    path = store.ref_path("harbour", 1)
    path.chmod(0o644)
    path.write_bytes(b"{}")
    first, second, third, nameless = listed(ledger, people.trust)
    assert first.problem
    assert first.status is None
    assert (second.status, second.problem) == ("waiting", None)
    assert third.problem
    assert "does not trust" in third.problem
    assert (nameless.number, nameless.status) == (None, "approved"), "its only ref is damaged"


def test_a_ref_that_points_at_another_admission_is_told(two: tuple[Admitted, Admitted], people: People) -> None:
    ledger = Ledger(Store(two[0].store))
    ledger.refer("harbour", two[0].snapshot, two[1].statement.digest, people.ana)
    assert listed(ledger)[-1].problem == "it points at the admission of another snapshot"


def test_an_admission_without_a_name_is_listed(two: tuple[Admitted, Admitted], people: People) -> None:
    store = Store(two[0].store)
    store.ref_path("harbour", 2).unlink()
    entries = listed(Ledger(store), people.trust)
    assert [(each.name, each.number, each.current) for each in entries] == [
        ("harbour", 1, True), ("harbour", None, False),
    ]  # fmt: skip


def test_words_of_strangers_do_not_reach_a_terminal_as_they_are(two: tuple[Admitted, Admitted], people: People) -> None:
    from gate.reporting.snapshot_terminal import entries_table, overview_text

    ledger = Ledger(Store(two[0].store))
    hostile = "a\x1b[2Jb\u202ec"
    about = two[0].admission.model_copy(update={"name": hostile, "rules": {hostile: hostile}, "snapshot": "f" * 64})
    ledger.say(about, people.eve)
    for text in (entries_table(listed(ledger)), overview_text(shown(ledger, "f" * 64))):
        assert "a<U+001B>[2Jb<U+202E>c" in text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_an_empty_store_lists_nothing(tmp_path: Path) -> None:
    assert listed(Ledger(Store.create(tmp_path / "store"))) == []


def test_a_snapshot_is_found_by_name_number_and_digits(two: tuple[Admitted, Admitted], people: People) -> None:
    ledger = Ledger(Store(two[0].store))
    first, second = (each.snapshot for each in two)
    for trust in (None, people.trust):
        assert find_snapshot(ledger, "harbour", trust) == second
        assert find_snapshot(ledger, "harbour@1", trust) == first
        assert find_snapshot(ledger, first[:8], trust) == first
        assert find_snapshot(ledger, first, trust) == first
        for wrong in ("harbor", "harbour@7", "harbour@", first[:3], "0" * 64, "../refs", ""):
            with pytest.raises(UsageError):
                find_snapshot(ledger, wrong, trust)


def test_a_name_that_a_stranger_gave_is_not_followed(two: tuple[Admitted, Admitted], people: People) -> None:
    ledger = Ledger(Store(two[0].store))
    ledger.refer("harbour", two[0].snapshot, two[0].statement.digest, people.eve)
    for what in ("harbour", "harbour@3"):
        with pytest.raises(Untrusted):
            find_snapshot(ledger, what, people.trust)
    assert find_snapshot(ledger, "harbour") == two[0].snapshot, "nobody said whom to trust"


def test_a_snapshot_is_shown_with_all_that_was_said_of_it(people: People, policy: Path, tmp_path: Path) -> None:
    data = write_splits(tmp_path / "data", 4)
    rows = chats(4000, 60)
    write_rows(data / "train.jsonl", [*rows, rows[0], rows[1], {"instruction": "And now?", "output": ""}])
    settings = {"name": "harbour", "signer": people.ana, "trust": people.trust, "policy": policy, "report": False}
    before = admit_data(data, store=tmp_path / "before", **settings)  # type: ignore[arg-type]
    found = before.result.findings.filter(pl.col("rule") == "exact_duplicates")
    ledger = Ledger(Store.create(tmp_path / "store"))
    waiver = Waiver(
        rule="exact_duplicates",
        findings=finding_ids(found).to_list(),
        until=written(datetime.now(UTC) + timedelta(days=3)),
        why="Asked twice on purpose.",
    )
    ledger.say(waiver, people.ben)
    one = admit_data(data, store=tmp_path / "store", **settings)  # type: ignore[arg-type]
    ledger.say(Approval(statement=one.statement.digest, note="read it all"), people.ben)
    ledger.say(Rejection(statement=one.statement.digest, why="not mine to say"), people.eve)

    it = shown(ledger, "harbour", people.trust)
    assert it.standing is not None
    assert it.standing.status == "approved"
    assert it.exclusions == {"structure": 1}
    assert it.findings["structure"] == 1
    assert [(rule.id, rule.severity, rule.ended) for rule in it.rules] == [
        ("exact_duplicates", "error", it.about.rules["exact_duplicates"]),
        ("structure", "error", it.about.rules["structure"]),
    ]
    assert it.names == ("harbour@1",)
    assert [(word.kind, word.by) for word in it.words] == [("waiver", "ben"), ("approval", "ben")]
    assert it.words[0].until == waiver.until
    assert not it.words[0].over
    assert it.words[1].said == "read it all"
    claimed = shown(ledger, "harbour").words
    assert [word.by for word in claimed] == ["ben", "ben", "eve"], "without trust it is what statements claim"

    ledger.say(Revocation(snapshot=one.snapshot, why="A person asked."), people.ben)
    again = shown(ledger, one.snapshot[:8], people.trust)
    assert again.standing is not None
    assert again.standing.status == "revoked"
    assert again.words[-1].said == "A person asked."


def test_a_damaged_policy_is_told_by_name(two: tuple[Admitted, Admitted]) -> None:
    store = Store(two[0].store)
    about = two[0].statement.about
    assert isinstance(about, Admission)
    path = store.path(about.policy, "json")
    path.chmod(0o644)
    path.write_bytes(b'{"rules": 7}')
    with pytest.raises(Damaged, match=about.policy):
        shown(Ledger(store), "harbour")


def test_an_erasure_by_a_stranger_leads_away_from_nothing(admitted: Admit, people: People, tmp_path: Path) -> None:
    rows = chats(3, 120)
    one = admitted(write_rows(tmp_path / "data" / "train.jsonl", [*rows, rows[0]]).parent)
    ledger = Ledger(Store(one.store))
    before = shown(ledger, one.snapshot, people.trust)
    assert before.findings
    path = ledger.store.path(one.admission.findings, "parquet")
    buffer = BytesIO()
    pl.read_parquet(path).clear().write_parquet(buffer)
    empty = ledger.store.put(buffer.getvalue(), "parquet")
    about = Erasure(
        examples=["8" * 64], objects={one.admission.findings: empty}, snapshots=[one.snapshot], why="hiding"
    )
    ledger.say(about, people.eve)
    after = shown(ledger, one.snapshot, people.trust)
    assert (after.findings, after.exclusions) == (before.findings, before.exclusions)
    assert shown(ledger, one.snapshot).findings == {}, "nobody said whom to trust, so that everybody's word is shown"
