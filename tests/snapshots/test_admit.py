"""What is admitted: the books close, and nothing is sealed that did not pass."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from gate.admission.finding_ids import finding_ids
from gate.errors import PolicyError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Erasure, Ref, Waiver, written
from gate.provenance.trust import Untrusted
from gate.snapshots.layout import EXCLUDED, VERDICTS, Descriptor
from gate.snapshots.parquet import from_parquet
from gate.snapshots.verdicts import said
from gate.store.objects import Store
from gate.verbs.admit import Admitted, NotAdmitted
from gate.verbs.erase import erase
from gate.verbs.snapshot import open_snapshot
from tests.snapshots.made import Admit, People, approve, chats, write_rows, write_splits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three splits; in train one row twice, one without an answer, and one line that cannot be read."""
    folder = write_splits(tmp_path / "data")
    rows = chats(0, 60)
    path = write_rows(folder / "train.jsonl", [*rows, rows[0], {"instruction": "And now?", "output": ""}])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"instruction": "broken\n')
    return folder


def excluded(admitted: Admitted) -> pl.DataFrame:
    store = Store(admitted.store)
    descriptor = Descriptor.model_validate_json(store.read(admitted.admission.descriptor, "json"))
    return from_parquet(store.read(descriptor.excluded, "parquet"), EXCLUDED, "excluded")


def waive(people: People, store: Path, findings: list[str], days: float = 1, **options: object) -> Waiver:
    about = Waiver(
        rule="exact_duplicates",
        findings=findings,
        until=written(datetime.now(UTC) + timedelta(days=days)),
        why="Both were asked for.",
    )
    Ledger(Store.create(store)).say(about, options.pop("signer", people.ben), **options)  # type: ignore[arg-type]
    return about


def duplicates(refused: NotAdmitted) -> list[str]:
    return finding_ids(refused.result.findings.filter(pl.col("rule") == "exact_duplicates")).to_list()


# Counts


def test_every_row_is_accounted_for(admitted: Admit, people: People, data: Path) -> None:
    one = admitted(data)
    about = one.admission
    assert (about.rows, about.examples, about.malformed) == (103, 102, 1)
    assert (about.admitted, about.excluded) == (100, 2)
    assert about.splits == {"train": 60, "validation": 20, "test": 20}
    assert sum(source.rows for source in about.sources) == about.rows
    assert about.rules == {"exact_duplicates": "passed", "structure": "passed"}
    assert one.exit_code == 3
    assert one.standing.status == "waiting"
    approve(one, people)
    assert open_snapshot("harbour", store=one.store, trust=people.trust).frame().height == 100


def test_what_an_error_was_found_in_stays_out_though_it_is_tolerated(admitted: Admit, data: Path) -> None:
    out = excluded(admitted(data))
    assert out["file"].to_list() == ["train.jsonl", "train.jsonl"]
    assert out["row"].to_list()[1] == 62
    assert out["row"].to_list()[0] in (1, 61)  # either of the two that are the same
    assert out["rules"].to_list() == [["exact_duplicates"], ["structure"]]
    assert out["codes"].to_list() == [["exact_duplicate"], ["empty_answer"]]


def test_an_error_that_can_only_be_reviewed_stays_in(admitted: Admit, data: Path, policy: Path) -> None:
    changed = policy.with_name("review.yaml")
    changed.write_text(policy.read_text().replace("remedy: fix", "remedy: review"))
    one = admitted(data, policy=changed)
    assert one.admission.admitted == 101
    assert one.result.findings.filter(pl.col("rule") == "structure", pl.col("id").is_not_null()).height == 1


def test_a_warning_excludes_nothing(admitted: Admit, data: Path, policy: Path) -> None:
    changed = policy.with_name("warning.yaml")
    changed.write_text(policy.read_text().replace("severity: error", "severity: warning"))
    assert admitted(data, policy=changed).admission.admitted == 102


def test_a_row_that_several_rules_exclude_is_excluded_once(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train.jsonl", [*chats(0, 60), *[{"instruction": "And now?", "output": ""}] * 2])
    one = admitted(folder)
    assert one.admission.excluded == 2
    assert ["exact_duplicates", "structure"] in excluded(one)["rules"].to_list()


def test_records_are_kept_as_they_were_read(admitted: Admit, people: People, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    line = '{"output":  "At \\u0066our.", "instruction": "When?", "source": 7}'
    (folder / "test.jsonl").write_text(line + "\n")
    one = admitted(folder)
    approve(one, people)
    opened = open_snapshot("harbour", store=one.store, trust=people.trust)
    assert opened.frame("test")["source"].to_list() == [line]


def test_nothing_that_an_excluded_or_unread_row_says_is_kept(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    address = "jane.roe@lighthouse.org"
    with (folder / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"instruction": f"Who is {address}?", "output": ""}) + "\n")
        file.write(f'{{"instruction": "{address}", "output": "broken\n')
    one = admitted(folder, report=True)
    assert (one.admission.excluded, one.admission.malformed) == (1, 1)
    for path in one.store.rglob("*"):
        if path.suffix == ".parquet":
            content = pl.read_parquet(path).write_ndjson().encode()
        else:
            content = path.read_bytes() if path.is_file() else b""
        assert address.encode() not in content, path.name


# What is not admitted


def test_nothing_is_sealed_where_a_rule_fails(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train.jsonl", chats(0, 20) * 2)
    with pytest.raises(NotAdmitted, match="exact_duplicates failed") as refused:
        admitted(folder)
    assert refused.value.exit_code == 1
    assert refused.value.result.verdict == "fail"
    assert not (tmp_path / "store").exists()


def test_nothing_is_sealed_where_warnings_fail(admitted: Admit, data: Path, policy: Path, tmp_path: Path) -> None:
    changed = policy.with_name("warns.yaml")
    changed.write_text(policy.read_text().replace("severity: error", "severity: warning").replace("0.2", "0"))
    with pytest.raises(NotAdmitted, match="warnings fail here"):
        admitted(data, policy=changed, fail_on="warning")
    assert not (tmp_path / "store").exists()


def test_nothing_is_sealed_where_nothing_was_judged(admitted: Admit, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(
        "version: 1\nname: labels\ndescription: x\nrules:\n"
        "  - {id: spot, check: leakage, severity: error, tolerate: 0, remedy: drop, why: x,\n"
        "     with: {threshold: 0.8, shingle: 5, permutations: 128, recall: 0.9999, prompts: warning,\n"
        "     minimum_words: 13}}\n"
    )
    write_rows(tmp_path / "alone" / "train.jsonl", chats(3, 5))
    with pytest.raises(NotAdmitted) as refused:
        admitted(tmp_path / "alone", policy=path)
    assert (refused.value.result.verdict, refused.value.exit_code) == ("inconclusive", 3)
    assert not (tmp_path / "store").exists()


def test_nothing_is_sealed_where_a_rule_crashed(
    admitted: Admit, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gate.checks import structure as module

    def crash(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "structure", replace(module.structure, function=crash))
    with pytest.raises(NotAdmitted) as refused:
        admitted(data)
    assert (refused.value.result.verdict, refused.value.exit_code) == ("error", 4)
    assert not (tmp_path / "store").exists()


def test_where_every_example_is_excluded_there_is_nothing_to_admit(
    admitted: Admit, policy: Path, tmp_path: Path
) -> None:
    path = policy.with_name("all.yaml")
    path.write_text(policy.read_text().replace("tolerate: 0.2", "tolerate: 100"))
    write_rows(tmp_path / "data" / "train.jsonl", [{"instruction": f"And {n}?", "output": ""} for n in range(5)])
    with pytest.raises(NotAdmitted, match="no example is left") as refused:
        admitted(tmp_path / "data", policy=path)
    assert refused.value.exit_code == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("who", ["eve", "ben"])
def test_only_an_owner_admits_and_is_told_before_anything_is_read(
    admitted: Admit, people: People, tmp_path: Path, who: str
) -> None:
    with pytest.raises(Untrusted, match=who):
        admitted(tmp_path / "there is no such data", signer=getattr(people, who))


@pytest.mark.parametrize("name", ["", "..", "Support Desk", "a/b", "../up", "x" * 65, "a..b"])
def test_a_name_that_is_none_is_told_before_anything_is_read(admitted: Admit, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name"):
        admitted(tmp_path / "there is no such data", name=name)
    assert not (tmp_path / "store").exists()


# Waivers


@pytest.fixture
def twice(tmp_path: Path) -> Path:
    """Twenty rows twice: more than is tolerated."""
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train.jsonl", chats(0, 20) * 2)
    return folder


def test_what_is_waived_is_admitted_and_the_waiver_is_named(
    admitted: Admit, people: People, twice: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotAdmitted) as refused:
        admitted(twice)
    waive(people, tmp_path / "store", duplicates(refused.value))
    one = admitted(twice)
    assert one.admission.admitted == 80
    assert one.admission.excluded == 0
    (waiver,) = one.admission.waivers
    assert Ledger(Store(one.store)).statement(waiver).author == "ben"
    assert waiver in one.statement.parents


@pytest.mark.parametrize("what", ["part", "untrusted", "over", "other rule"])
def test_a_waiver_covers_no_more_than_it_says(
    admitted: Admit, people: People, twice: Path, tmp_path: Path, what: str
) -> None:
    with pytest.raises(NotAdmitted) as refused:
        admitted(twice)
    found, store = duplicates(refused.value), tmp_path / "store"
    if what == "part":
        waive(people, store, found[:1])
    elif what == "untrusted":
        waive(people, store, found, signer=people.eve)
    elif what == "over":
        waive(people, store, found, days=-1, made=written(datetime.now(UTC) - timedelta(days=2)))
    else:
        waive(people, store, ["0" * 64])
    with pytest.raises(NotAdmitted, match="exact_duplicates failed"):
        admitted(twice)
    assert not list(store.glob("objects/*/*"))


# Refs and statements


def test_admitting_again_is_the_same_snapshot_and_a_new_statement(admitted: Admit, people: People, data: Path) -> None:
    first = admitted(data)
    assert first.number == 1
    assert not first.again
    approve(first, people)
    second = admitted(data)
    assert (second.snapshot, second.number, second.again) == (first.snapshot, 2, True)
    assert second.statement.digest != first.statement.digest
    assert second.sealed.written == 0
    assert second.statement.previous == first.statement.digest
    assert (second.standing.status, second.exit_code) == ("approved", 0)
    assert Store(first.store).refs() == {"harbour": [1, 2]}
    ref = Ledger(Store(first.store)).ref("harbour").about
    assert isinstance(ref, Ref)
    assert ref.statement == second.statement.digest


def test_where_no_approval_is_demanded_it_is_approved_at_once(
    admitted: Admit, people: People, data: Path, tmp_path: Path
) -> None:
    lax = tmp_path / "lax.yaml"
    lax.write_text(people.trust_file.read_text() + "approvals:\n  snapshot: {count: 0}\n")
    assert admitted(data, trust=lax).exit_code == 0


def test_a_store_is_found_upwards_of_the_data(
    admitted: Admit, people: People, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATE_STORE", raising=False)
    (tmp_path / ".git").mkdir()
    assert admitted(data, store=None).store == tmp_path / ".gate"
    monkeypatch.setenv("GATE_STORE", str(tmp_path / "elsewhere"))
    assert admitted(data, store=None).store == tmp_path / "elsewhere"


def test_what_an_earlier_run_kept_is_not_looked_at(
    admitted: Admit, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("GATE_CACHE", str(cache))
    admitted(data)
    assert not cache.exists()


def test_snapshot_rules_that_say_nothing_are_told_before_anything_is_read(admitted: Admit, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "repository" / "data")
    (tmp_path / "repository" / "gate.yaml").write_text("version: 1\n")
    write_rows(tmp_path / "repository" / "rules" / "x.jsonl", [])
    (tmp_path / "repository" / "rules" / "snapshot.yaml").write_text("version: 1\nsplit: {sede: 1}\n")
    (folder / "train.jsonl").write_text("what is never read")
    with pytest.raises(PolicyError, match="sede"):
        admitted(folder)


# Splits


def test_where_the_data_brings_no_splits_the_rules_divide_it(admitted: Admit, tmp_path: Path) -> None:
    write_rows(tmp_path / "data" / "rows.jsonl", chats(5, 400))
    one = admitted(tmp_path / "data")
    assert not one.division.given
    assert one.admission.splits == {"train": 200, "validation": 100, "test": 100}
    document = json.loads(Store(one.store).read(one.admission.policy, "json"))
    assert document["splits"]["split"]["seed"] == 0
    again = admitted(write_rows(tmp_path / "other" / "named.jsonl", reversed(chats(5, 400))).parent)
    assert again.snapshot == one.snapshot


def test_splits_that_the_data_brings_are_kept_and_what_is_short_is_told(admitted: Admit, data: Path) -> None:
    outcome = admitted(data)
    assert outcome.division.given
    assert {note.code for note in outcome.division.notes} <= {"no_split", "too_few"}
    short = {split for split, count in outcome.sealed.splits.items() if count < 100} - {"train"}
    assert short
    assert all(any(split in note.message for note in outcome.division.notes) for split in short)


def test_one_file_of_fifty_that_changed_writes_little(admitted: Admit, people: People, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for number in range(50):
        write_rows(folder / "train" / f"{number:02}.jsonl", chats(number, 120, words=60))
    write_rows(folder / "test.jsonl", chats(60, 20))
    one = admitted(folder, report=True)
    size = sum(path.stat().st_size for path in one.store.rglob("*") if path.is_file())
    rows = chats(7, 120, words=60)
    write_rows(folder / "train" / "07.jsonl", [*chats(1007, 60, words=60), *rows[60:]])
    two = admitted(folder, report=True)
    grown = sum(path.stat().st_size for path in one.store.rglob("*") if path.is_file()) - size
    assert two.snapshot != one.snapshot
    assert grown <= 0.05 * size
    assert two.sealed.written <= grown


# What people said before


def test_what_was_erased_does_not_come_back(admitted: Admit, people: People, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    one = admitted(folder)
    gone = one.result.dataset.examples.filter(pl.col("file") == "test.jsonl")["id"].to_list()[:2]
    erase(gone[:1], store=one.store, trust=people.trust_file, signer=people.ana, why="asked to be forgotten")
    with pytest.raises(NotAdmitted, match=r"1 of the examples were erased[\s\S]*test\.jsonl:1$") as refused:
        admitted(folder)
    assert refused.value.exit_code == 1
    write_rows(folder / "test.jsonl", chats(2, 20)[1:])
    assert admitted(folder).admission.admitted == 99


def test_an_erasure_by_somebody_else_keeps_nobody_out(admitted: Admit, people: People, tmp_path: Path) -> None:
    folder = write_splits(tmp_path / "data")
    one = admitted(folder)
    gone = one.result.dataset.examples["id"].to_list()[:1]
    Ledger(Store(one.store)).say(Erasure(examples=gone, objects={}, snapshots=[], why="a joke"), people.eve)
    assert admitted(folder).snapshot == one.snapshot


def test_what_trusted_people_said_of_a_sample_is_judged_and_named(
    admitted: Admit, people: People, policy: Path, tmp_path: Path
) -> None:
    folder = write_splits(tmp_path / "data")
    demanding = policy.with_name("demanding.yaml")
    demanding.write_text(
        policy.read_text() + "  - {id: spot_check, check: spot_check, severity: error, tolerate: 0.9, remedy: drop, "
        "why: x, with: {sample: 5, good: 0.3, level: 0.95}}\n"
    )
    store = Store.create(tmp_path / "store")
    ids = admitted(folder, store=tmp_path / "other").result.dataset.examples["id"].sort()
    columns = {"id": ids, "verdict": ["bad", *["good"] * 99], "reason": None, "at": written(datetime.now(UTC))}
    verdicts = pl.DataFrame(columns, schema=VERDICTS)
    said(Ledger(store), verdicts, people.eve, seed=0, sampled=100)
    with pytest.raises(NotAdmitted, match="spot_check failed"):
        admitted(folder, policy=demanding)
    review = said(Ledger(store), verdicts, people.ben, seed=0, sampled=100)
    one = admitted(folder, policy=demanding)
    assert one.admission.rules["spot_check"] == "passed"
    assert excluded(one).select("id", "rules").rows() == [(ids[0], ["spot_check"])]
    assert one.admission.reviews == [review.digest]
    assert review.digest in one.statement.parents
