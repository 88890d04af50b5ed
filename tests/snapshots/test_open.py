"""A snapshot is opened only where everything in it is what trusted people admitted and approved; each way in which it
may not be is refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

import gate
from gate.data.frame import EXAMPLES
from gate.errors import GateError, UsageError
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Rejection, Revocation, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.layout import ADMITTED, ASSIGNED, Descriptor
from gate.snapshots.open import NotApproved, Snapshot
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.store.objects import Damaged, Store
from gate.verbs.admit import Admitted
from tests.snapshots.made import Admit, People, approve, chats, write_rows, write_splits


@pytest.fixture
def sealed(admitted: Admit, people: People, tmp_path: Path) -> Admitted:
    """An approved snapshot of four files."""
    folder = write_splits(tmp_path / "data")
    write_rows(folder / "train" / "more.jsonl", chats(9, 30))
    one = admitted(folder)
    approve(one, people)
    return one


@pytest.fixture
def opening(people: People, tmp_path: Path) -> Callable[..., Snapshot]:
    def run(what: str = "harbour", **options: object) -> Snapshot:
        return gate.open_snapshot(what, **{"store": tmp_path / "store", "trust": people.trust} | options)  # type: ignore[arg-type]

    return run


Opening = Callable[..., Snapshot]


def descriptor_of(one: Admitted) -> Descriptor:
    return Descriptor.model_validate_json(Store(one.store).read(one.admission.descriptor, "json"))


# What is handed out


def test_rows_come_as_they_were_admitted(sealed: Admitted, opening: Opening) -> None:
    opened = opening()
    assert opened.id == sealed.snapshot
    assert opened.statement.digest == sealed.statement.digest
    assert opened.counts == {"train": 90, "validation": 20, "test": 20}
    parts = list(opened.examples())
    assert all(part.schema == EXAMPLES for part in parts)
    assert len(parts) == 4
    every = pl.concat(parts)
    assert every.height == 130
    assert every["file"].unique(maintain_order=True).to_list() == sorted(every["file"].unique())
    assert opened.frame("train").height == 90
    assert set(opened.frame("test")["split"].cast(pl.String)) == {"test"}
    original = sealed.result.dataset.examples.sort("file", "row")
    assert every.sort("file", "row").equals(original)


@pytest.mark.parametrize("digits", [8, 12, 64])
def test_a_snapshot_is_found_by_its_digits(sealed: Admitted, opening: Opening, digits: int) -> None:
    assert opening(sealed.snapshot[:digits]).id == sealed.snapshot


@pytest.mark.parametrize("what", ["nothing", "", "abc", "../harbour", "0" * 64, "harbour\n"])
def test_a_snapshot_that_is_not_there(sealed: Admitted, opening: Opening, what: str) -> None:
    with pytest.raises(UsageError, match="no snapshot"):
        opening(what)


def test_a_split_that_is_none(sealed: Admitted, opening: Opening) -> None:
    with pytest.raises(UsageError, match="no split"):
        list(opening().examples("dev"))
    with pytest.raises(UsageError, match="no column"):
        list(opening().examples("test", ["answer"]))
    assert opening().frame("test").height == 20
    assert next(opening().examples("test", ["split", "id"])).columns == ["split", "id"]


def test_a_name_stands_for_its_newest_snapshot(
    sealed: Admitted, admitted: Admit, people: People, opening: Opening, tmp_path: Path
) -> None:
    two = admitted(write_splits(tmp_path / "later", seed=4))
    with pytest.raises(NotApproved):
        opening()
    approve(two, people)
    assert opening().id == two.snapshot
    assert opening(sealed.snapshot).id == sealed.snapshot


# Trust


def test_whom_to_trust_has_to_be_said(
    sealed: Admitted, opening: Opening, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATE_TRUST", raising=False)
    with pytest.raises(UsageError, match="trust"):
        opening(trust=None)
    monkeypatch.setenv("GATE_TRUST", str(people.trust_file))
    assert opening(trust=None).id == sealed.snapshot


def test_what_waits_is_not_opened(admitted: Admit, opening: Opening, tmp_path: Path) -> None:
    one = admitted(write_splits(tmp_path / "data"))
    with pytest.raises(NotApproved, match="approval by a reviewer") as refused:
        opening()
    assert refused.value.exit_code == 1
    assert f"gate approve {one.statement.digest[:12]}" in str(refused.value)


def test_the_admitters_own_approval_does_not_count(
    admitted: Admit, opening: Opening, people: People, tmp_path: Path
) -> None:
    from gate.provenance.statements import Approval

    one = admitted(write_splits(tmp_path / "data"))
    for who in (people.ana, people.eve, people.olga):
        Ledger(Store(one.store)).say(Approval(statement=one.statement.digest), who)
    with pytest.raises(NotApproved):
        opening()


@pytest.mark.parametrize("word", ["rejected", "revoked"])
def test_what_was_taken_back_is_not_opened(sealed: Admitted, opening: Opening, people: People, word: str) -> None:
    about = (
        Rejection(statement=sealed.statement.digest, why="wrong answers")
        if word == "rejected"
        else Revocation(snapshot=sealed.snapshot, why="wrong answers")
    )
    Ledger(Store(sealed.store)).say(about, people.ben)
    with pytest.raises(NotApproved, match="wrong answers"):
        opening()


def test_an_admission_by_nobody_who_is_trusted(sealed: Admitted, opening: Opening, people: People) -> None:
    trust = people.trust
    less = Trust(trust.origin, trust.digest, {people.ben.keyid: trust.keys[people.ben.keyid]})
    with pytest.raises(Untrusted):
        opening(trust=less)
    with pytest.raises(Untrusted):
        opening(sealed.snapshot, trust=less)


def test_a_ref_by_somebody_else_leads_nowhere(
    sealed: Admitted, admitted: Admit, opening: Opening, people: People, tmp_path: Path
) -> None:
    other = admitted(write_splits(tmp_path / "later", seed=4), name="other")
    approve(other, people)
    Ledger(Store(sealed.store)).refer("harbour", other.snapshot, other.statement.digest, people.eve)
    with pytest.raises(Untrusted, match="eve"):
        opening()


# Bytes

PARTS = ["examples", "splits", "excluded", "malformed", "policy", "findings", "descriptor", "report"]


def part(one: Admitted, what: str) -> Path:
    store, descriptor, about = Store(one.store), descriptor_of(one), one.admission
    digest, kind = {
        "examples": (descriptor.shards[1].examples, "parquet"),
        "splits": (descriptor.shards[2].splits, "parquet"),
        "excluded": (descriptor.excluded, "parquet"),
        "malformed": (descriptor.malformed, "parquet"),
        "policy": (about.policy, "json"),
        "findings": (about.findings, "parquet"),
        "descriptor": (about.descriptor, "json"),
        "report": (about.report, "html"),
    }[what]
    assert digest is not None
    return store.path(digest, kind)


@pytest.fixture
def reported(admitted: Admit, people: People, tmp_path: Path) -> Admitted:
    one = admitted(write_splits(tmp_path / "data"), report=True)
    approve(one, people)
    return one


@pytest.mark.parametrize("what", PARTS)
@pytest.mark.parametrize("how", ["flipped", "truncated", "longer", "empty", "missing", "link", "folder", "pipe"])
def test_an_object_that_is_not_what_it_was_is_named(
    reported: Admitted, opening: Opening, tmp_path: Path, what: str, how: str
) -> None:
    path = part(reported, what)
    content = path.read_bytes()
    path.unlink()
    if how == "flipped":
        path.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
    elif how == "truncated":
        path.write_bytes(content[:-9])
    elif how == "longer":
        path.write_bytes(content + b"\0")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    with pytest.raises(Damaged) as refused:
        opening()
    assert path.stem in str(refused.value)
    assert refused.value.exit_code == 1


def test_what_was_swapped_after_opening_is_not_handed_out(sealed: Admitted, opening: Opening) -> None:
    opened = opening()
    store, shards = Store(sealed.store), descriptor_of(sealed).shards
    # Of as many rows each, and the smaller in the place of the larger: only the hash tells.
    smaller, larger = sorted((shards[0], shards[3]), key=lambda shard: shard.bytes)
    assert smaller.rows == larger.rows
    path = store.path(larger.examples, "parquet")
    path.unlink()
    path.write_bytes(store.read(smaller.examples, "parquet"))
    got: list[pl.DataFrame] = []
    with pytest.raises(Damaged, match=path.stem):
        got.extend(opened.examples())
    assert pl.concat([pl.DataFrame(schema=EXAMPLES), *got])["id"].is_unique().all()


def test_what_grew_beyond_measure_is_not_read_into_memory(sealed: Admitted, opening: Opening) -> None:
    opened = opening()
    path = part(sealed, "examples")
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room
    with pytest.raises(Damaged, match=path.stem):
        list(opened.examples())


# A descriptor or an object that an owner signed, and that is wrong all the same


def resealed(
    one: Admitted, people: People, change: Callable[[dict[str, object]], None], about: dict[str, object] | None = None
) -> Statement:
    """The same admission with another descriptor, signed by an owner and approved."""
    store, ledger = Store(one.store), Ledger(Store(one.store))
    document = descriptor_of(one).model_dump(mode="json")
    change(document)
    digest = store.put(canonical(document), "json")
    fields = one.admission.model_dump() | {"descriptor": digest} | (about or {})
    said = ledger.say(Admission.model_validate(fields), people.olga)
    ledger.say(Revocation(snapshot="0" * 64, why="nothing"), people.ben)
    from gate.provenance.statements import Approval

    ledger.say(Approval(statement=said.digest), people.ben)
    return said


def shards_of(document: dict[str, object]) -> list[dict[str, object]]:
    shards = document["shards"]
    assert isinstance(shards, list)
    return shards


def test_what_resealed_makes_is_sound_where_nothing_changes(
    admitted: Admit, people: People, opening: Opening, tmp_path: Path
) -> None:
    resealed(admitted(write_splits(tmp_path / "data")), people, lambda document: None)
    assert opening().counts["train"] == 60


def put_shard(one: Admitted, document: dict[str, object], number: int, examples: bytes, splits: bytes) -> None:
    store, shard = Store(one.store), shards_of(document)[number]
    shard["examples"], shard["splits"] = store.put(examples, "parquet"), store.put(splits, "parquet")
    shard["bytes"] = len(examples) + len(splits)


def broken_descriptors() -> dict[str, Callable[[Admitted, dict[str, object]], None]]:
    def frames(one: Admitted, number: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
        store, shard = Store(one.store), descriptor_of(one).shards[number]
        examples = from_parquet(store.read(shard.examples, "parquet"), ADMITTED, "x")
        return examples, from_parquet(store.read(shard.splits, "parquet"), ASSIGNED, "x")

    def another_split(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        flipped = splits.with_columns(split=pl.lit("test", dtype=ASSIGNED["split"]))
        put_shard(one, document, 1, to_parquet(examples, ADMITTED), to_parquet(flipped, ASSIGNED))

    def no_split(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        none = splits.with_columns(split=pl.lit(None, dtype=ASSIGNED["split"]))
        put_shard(one, document, 1, to_parquet(examples, ADMITTED), to_parquet(none, ASSIGNED))

    def another_text(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        other = examples.with_columns(id=pl.col("id").str.replace("^.", "0"))
        put_shard(one, document, 1, to_parquet(other, ADMITTED), to_parquet(splits, ASSIGNED))

    def another_row_twice(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        twice = pl.concat([examples[:-1], examples[:1]])
        put_shard(one, document, 1, to_parquet(twice, ADMITTED), to_parquet(splits, ASSIGNED))

    def another_column(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        more = examples.with_columns(extra=pl.lit("x"))
        put_shard(one, document, 1, to_parquet(more, more.schema), to_parquet(splits, ASSIGNED))

    def truncated(one: Admitted, document: dict[str, object]) -> None:
        examples, splits = frames(one)
        put_shard(one, document, 1, to_parquet(examples, ADMITTED)[:-40], to_parquet(splits, ASSIGNED))

    def no_parquet(one: Admitted, document: dict[str, object]) -> None:
        put_shard(one, document, 1, b"PAR1 and nothing more PAR1", to_parquet(frames(one)[1], ASSIGNED))

    def shard_left_out(one: Admitted, document: dict[str, object]) -> None:
        shards_of(document).pop()

    def shard_twice(one: Admitted, document: dict[str, object]) -> None:
        shards = shards_of(document)
        shards[1] = shards[0]

    def rows_that_do_not_add_up(one: Admitted, document: dict[str, object]) -> None:
        shard = shards_of(document)[0]
        shard["rows"] = 10**9

    def shards_of_nothing(one: Admitted, document: dict[str, object]) -> None:
        shards_of(document).extend([shards_of(document)[0] | {"rows": 0}] * 10_000)

    def another_size(one: Admitted, document: dict[str, object]) -> None:
        shards_of(document)[0]["bytes"] = 10**15

    def outside(one: Admitted, document: dict[str, object]) -> None:
        shards_of(document)[0]["examples"] = "../../../etc/passwd"

    def other_key(one: Admitted, document: dict[str, object]) -> None:
        document["more"] = "than it should say"

    def other_policy(one: Admitted, document: dict[str, object]) -> None:
        document["policy"] = hashlib.sha256(b"another").hexdigest()

    def other_major(one: Admitted, document: dict[str, object]) -> None:
        document["major"] = "7"

    def nothing_excluded(one: Admitted, document: dict[str, object]) -> None:
        document["excluded"] = document["malformed"]

    every = [
        another_split, no_split, another_text, another_row_twice, another_column, truncated, no_parquet,
        shard_left_out, shard_twice, rows_that_do_not_add_up, shards_of_nothing, another_size, outside, other_key,
        other_policy, other_major, nothing_excluded,
    ]  # fmt: skip
    return {each.__name__: each for each in every}


@pytest.mark.parametrize("how", broken_descriptors())
def test_what_an_owner_signed_wrongly_is_not_opened(
    admitted: Admit, people: People, opening: Opening, tmp_path: Path, how: str
) -> None:
    one = admitted(write_splits(tmp_path / "data"))
    resealed(one, people, lambda document: broken_descriptors()[how](one, document))
    with pytest.raises(GateError) as refused:
        opening()
    assert isinstance(refused.value, Damaged)
    assert refused.value.exit_code == 1


@pytest.mark.parametrize(
    "about",
    [
        {"admitted": 99},
        {"excluded": 1},
        {"rows": 10**9},
        {"splits": {"train": 59, "validation": 21, "test": 20}},
        {"splits": {"train": 100}},
        {"malformed": 1, "rows": 101},
        {"sources": []},
    ],
)
def test_counts_that_do_not_close_are_not_opened(
    admitted: Admit, people: People, opening: Opening, tmp_path: Path, about: dict[str, object]
) -> None:
    resealed(admitted(write_splits(tmp_path / "data")), people, lambda document: None, about)
    with pytest.raises(Damaged):
        opening()


def test_a_descriptor_that_is_no_json(admitted: Admit, people: People, opening: Opening, tmp_path: Path) -> None:
    one = admitted(write_splits(tmp_path / "data"))
    for content in (b"[" * 100_000, b"{}", b"\xff", orjson.dumps(descriptor_of(one).model_dump(mode="json")) + b" "):
        digest = Store(one.store).put(content, "json")
        said = resealed(one, people, lambda document: None, {"descriptor": digest})
        with pytest.raises(Damaged, match=digest):
            opening()
        Ledger(Store(one.store)).say(Rejection(statement=said.digest, why="wrong"), people.ben)
