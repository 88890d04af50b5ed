"""Whatever is done to a store, `gate verify` notices it and names the file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from gate.errors import GateError
from gate.provenance.envelope import canonical, sign
from gate.provenance.statements import Approval, Ref, Revocation, Waiver, drafted, now
from gate.snapshots.layout import ADMITTED, ASSIGNED, EXCLUDED
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.store.objects import Damaged, StoreError
from gate.verbs.admit import admit
from gate.verbs.snapshot import open_snapshot
from tests.snapshots.made import People, approve, write_splits
from tests.snapshots.whole_store import Whole, make_whole, rows_of

OBJECTS = [
    "descriptor", "policy", "findings", "report", "excluded", "malformed", "verdicts",
    *(f"{what}-{number}" for what in ("rows", "splits") for number in range(3)),
]  # fmt: skip
STATEMENTS = ["admission", "approval", "waiver", "review"]
FILES = [*OBJECTS, *STATEMENTS, "ref"]

REACHED = [each for each in FILES if each != "ref"]
"""What a snapshot rests on, when it is asked for by its id."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, people: People, policy: Path) -> Whole:
    return make_whole(tmp_path_factory.mktemp("whole"), people, policy)


@pytest.fixture
def whole(original: Whole, tmp_path: Path) -> Whole:
    return original.copy(tmp_path)


def named(whole: Whole, what: str | None = None, **options: object) -> list[str]:
    """The files that are broken, the first first; the verdict and the exit code say so too."""
    found = whole.verify(what, **options)
    assert found.verdict == "broken"
    assert found.exit_code == 1
    return [link.name for link in found.broken]


def flipped(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x01
    path.write_bytes(content)


# Every file


def test_every_file_of_the_store_is_looked_at_here(original: Whole) -> None:
    files = {path.relative_to(original.root).as_posix() for path in original.root.rglob("*") if path.is_file()}
    assert files == {original.parts[each] for each in [*FILES, "format"]}
    found = original.verify()
    assert (found.verdict, found.exit_code, found.broken) == ("whole", 0, [])
    assert (found.statements, found.objects) == (5, len(OBJECTS))


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize("where", [0.0, 0.5, 0.999999])
def test_one_flipped_byte_names_the_file(whole: Whole, part: str, where: float) -> None:
    path = whole.file(part)
    flipped(path, int(path.stat().st_size * where))
    assert named(whole)[0] == whole.parts[part]


@pytest.mark.parametrize("part", REACHED)
def test_one_flipped_byte_is_found_from_the_snapshot_and_nothing_is_opened(whole: Whole, part: str) -> None:
    path = whole.file(part)
    flipped(path, path.stat().st_size // 3)
    assert whole.parts[part] in named(whole, whole.snapshot)
    if part != "verdicts":  # what people said is no training row
        with pytest.raises(GateError) as refused:
            open_snapshot(whole.snapshot, store=whole.root, trust=whole.people.trust)
        assert refused.value.exit_code == 1


@pytest.mark.parametrize("part", FILES)
@pytest.mark.parametrize("size", [0, 1, -1])
def test_a_truncated_file_is_named(whole: Whole, part: str, size: int) -> None:
    path = whole.file(part)
    path.write_bytes(path.read_bytes()[:size])
    assert named(whole)[0] == whole.parts[part]


@pytest.mark.parametrize("part", [*OBJECTS, "admission", "waiver", "review"])
def test_a_file_that_is_gone_is_named(whole: Whole, part: str) -> None:
    whole.file(part).unlink()
    assert whole.parts[part] in named(whole)


@pytest.mark.parametrize("part", ["approval", "ref"])
def test_what_nothing_rests_on_yet_is_missed_by_whoever_wrote_it_down(whole: Whole, part: str) -> None:
    digest = hashlib.sha256(whole.file(part).read_bytes()).hexdigest()
    assert whole.verify(heads=[digest]).exit_code == 0
    whole.file(part).unlink()
    assert whole.verify().exit_code == 0
    assert named(whole, heads=[digest]) == [f"statements/{digest}.json"]


@pytest.mark.parametrize("part", FILES)
def test_a_link_is_no_file_of_a_store(whole: Whole, part: str, tmp_path: Path) -> None:
    path = whole.file(part)
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert whole.parts[part] in named(whole)


@pytest.mark.parametrize("part", ["rows-0", "report", "admission", "ref"])
def test_a_pipe_or_a_folder_is_no_file_of_a_store(whole: Whole, part: str) -> None:
    path = whole.file(part)
    path.unlink()
    os.mkfifo(path)
    assert whole.parts[part] in named(whole)
    path.unlink()
    path.mkdir()
    assert whole.parts[part] in named(whole)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format":1}', b'{"format":1, "more":2}\n', b'{"format":"1"}\n', b"\0"]
)
def test_a_changed_format_is_named(whole: Whole, content: bytes) -> None:
    whole.file("format").write_bytes(content)
    with pytest.raises(Damaged, match=r"format\.json") as refused:
        whole.verify()
    assert refused.value.exit_code == 1


def test_without_a_format_there_is_no_store_to_verify(whole: Whole) -> None:
    whole.file("format").unlink()
    with pytest.raises(StoreError):
        whole.verify()


@pytest.mark.parametrize(("one", "other"), [("rows-0", "rows-1"), ("splits-0", "splits-1"), ("findings", "excluded")])
def test_objects_that_changed_places_are_both_named(whole: Whole, one: str, other: str) -> None:
    first, second = whole.file(one).read_bytes(), whole.file(other).read_bytes()
    whole.file(one).write_bytes(second)
    whole.file(other).write_bytes(first)
    assert {whole.parts[one], whole.parts[other]} <= set(named(whole, whole.snapshot))


# Statements


def edited(whole: Whole, part: str, edit: Callable[[dict[str, object]], None]) -> str:
    """A statement with another payload under the old signature, named as its bytes demand; returns its digest."""
    outer = json.loads(whole.file(part).read_bytes())
    payload = json.loads(base64.b64decode(outer["payload"]))
    edit(payload)
    outer["payload"] = base64.b64encode(canonical(payload)).decode()
    return whole.store.put_statement(canonical(outer))


def other_snapshot(whole: Whole, policy: Path, tmp_path: Path) -> str:
    data, trust = write_splits(tmp_path / "other", seed=9), whole.people.trust
    store = whole.root
    made = admit(data, name="other", signer=whole.people.olga, trust=trust, policy=policy, store=store, report=False)
    return made.statement.digest


def test_an_approval_of_one_snapshot_is_none_of_another(whole: Whole, policy: Path, tmp_path: Path) -> None:
    other = other_snapshot(whole, policy, tmp_path)
    assert whole.verify("other").verdict == "waiting"

    def repoint(payload: dict[str, object]) -> None:
        said = payload["predicate"]["gate"]  # type: ignore[index]
        said["about"]["statement"], said["parents"] = other, [other]
        payload["subject"] = [{"name": "statement", "digest": {"sha256": other}}]

    forged = edited(whole, "approval", repoint)
    assert named(whole, "other")[0] == f"statements/{forged}.json"
    assert whole.verify("harbour").exit_code == 1  # the chain of ben forks in a statement that is not his
    with pytest.raises(GateError, match="not approved"):
        open_snapshot("other", store=whole.root, trust=whole.people.trust)


def test_a_ref_that_names_another_snapshot_than_its_admission(whole: Whole) -> None:
    about = Ref(name="harbour", number=2, snapshot="a" * 64, statement=Path(whole.parts["admission"]).stem)
    ana = whole.people.ana
    whole.store.put_ref(
        "harbour", 2, sign(drafted(about, author="ana", keyid=ana.keyid, previous=None, made=now()), ana)
    )
    assert whole.parts["admission"] in named(whole)


@pytest.mark.parametrize("place", ["refs/harbour/000002.json", "refs/another/000001.json"])
def test_a_ref_under_another_name_or_number(whole: Whole, place: str) -> None:
    (whole.root / place).parent.mkdir(exist_ok=True)
    shutil.copy(whole.file("ref"), whole.root / place)
    assert named(whole)[0] == place


def test_a_number_that_is_missing(whole: Whole) -> None:
    whole.ledger.refer("harbour", whole.snapshot, Path(whole.parts["admission"]).stem, whole.people.ana)
    whole.file("ref").unlink()
    assert named(whole, "harbour") == ["refs/harbour/000001.json"]


def test_a_child_older_than_its_parent(whole: Whole) -> None:
    about = Approval(statement=Path(whole.parts["admission"]).stem)
    digest = whole.say(about, whole.people.ben, made="2020-01-01T00:00:00.000000Z", chained=False)
    (link,) = [link for link in whole.verify(whole.snapshot).broken if link.what == "approval"]
    assert link.name == f"statements/{digest}.json"
    assert "older than the admission" in link.said


def test_a_statement_of_the_future(whole: Whole) -> None:
    about = Approval(statement=Path(whole.parts["admission"]).stem)
    digest = whole.say(about, whole.people.ben, made="2999-01-01T00:00:00.000000Z")
    assert f"statements/{digest}.json" in named(whole, whole.snapshot)


def test_somebody_nobody_trusts_breaks_the_store_and_not_the_snapshot(whole: Whole) -> None:
    digest = whole.say(Approval(statement=Path(whole.parts["admission"]).stem), whole.people.eve)
    assert f"statements/{digest}.json" in named(whole)
    found = whole.verify(whole.snapshot)
    assert found.exit_code == 0
    assert [link.state for link in found.chain.every() if link.name == f"statements/{digest}.json"] == ["ignored"]


def test_a_forged_key_name(whole: Whole) -> None:
    """eve under the name of ben; eve's signature under ben's key; ben's key under the name of ana."""
    about, people = Approval(statement=Path(whole.parts["admission"]).stem), whole.people
    as_ben = whole.say(about, people.eve, name="ben")
    assert f"statements/{as_ben}.json" in named(whole)
    as_ana = whole.say(about, people.ben, name="ana")
    assert f"statements/{as_ana}.json" in named(whole, whole.snapshot)

    class Forger:
        keyid, name, sign = people.ben.keyid, "ben", staticmethod(people.eve.sign)

    forged = whole.store.put_statement(
        sign(drafted(about, author="ben", keyid=people.ben.keyid, previous=None, made=now()), Forger())
    )
    assert f"statements/{forged}.json" in named(whole, whole.snapshot)


@pytest.mark.parametrize(
    "edit",
    [
        lambda outer: outer | {"note": "nobody signed this"},
        lambda outer: outer | {"signatures": [outer["signatures"][0] | {"cert": "x"}]},
        lambda outer: outer | {"signatures": outer["signatures"] * 2},
    ],
    ids=["field", "signature field", "two signatures"],
)
def test_what_nobody_signed_has_no_place_in_an_envelope(
    whole: Whole, edit: Callable[[dict[str, object]], dict[str, object]]
) -> None:
    digest = whole.store.put_statement(canonical(edit(json.loads(whole.file("approval").read_bytes()))))
    assert named(whole, whole.snapshot)[0] == f"statements/{digest}.json"


def test_a_removed_revocation_is_missed_by_whoever_saw_it(whole: Whole) -> None:
    made = whole.ledger.say(Revocation(snapshot=whole.snapshot, why="wrong licence"), whole.people.ben)
    found = whole.verify("harbour")
    assert (found.verdict, found.exit_code) == ("revoked", 1)
    assert made.digest in [head.digest for head in found.heads]
    whole.store.statement_path(made.digest).unlink()
    assert whole.verify("harbour").verdict == "approved"
    assert named(whole, "harbour", heads=[made.digest]) == [f"statements/{made.digest}.json"]


def test_a_statement_taken_from_the_middle_is_missed_by_the_next(whole: Whole) -> None:
    first = whole.ledger.say(Revocation(snapshot="b" * 64, why="another one"), whole.people.ben)
    whole.ledger.say(Revocation(snapshot="c" * 64, why="one more"), whole.people.ben)
    whole.store.statement_path(first.digest).unlink()
    assert f"statements/{first.digest}.json" in named(whole, "harbour")


# An owner who lies: everything is signed and hashed as it should be


def lied(whole: Whole, **changes: object) -> str:
    """The admission once more with other content, signed by an owner; returns its digest."""
    about = whole.about.model_copy(update=changes)
    return whole.say(type(about).model_validate(about.model_dump()), whole.people.olga)


def described(whole: Whole, **changes: object) -> str:
    document = whole.descriptor.model_dump(mode="json") | changes
    return whole.store.put(canonical(document), "json")


def shards_with(whole: Whole, number: int, **changes: object) -> list[dict[str, object]]:
    shards = [shard.model_dump(mode="json") for shard in whole.descriptor.shards]
    shards[number] |= changes
    return shards


def resealed(whole: Whole, rows: bytes) -> str:
    """Other bytes as the rows of the first shard."""
    size = len(rows) + whole.file("splits-0").stat().st_size
    shards = shards_with(whole, 0, examples=whole.store.put(rows, "parquet"), bytes=size)
    return lied(whole, descriptor=described(whole, shards=shards))


def broken_by(whole: Whole, digest: str) -> str:
    """What is said of the first link that is broken, of a statement that was added."""
    found = whole.verify(digest)
    assert found.exit_code == 1
    assert found.verdict == "broken"
    return found.broken[0].said


def test_a_truncated_parquet_under_a_chain_that_is_right(whole: Whole) -> None:
    content = whole.file("rows-0").read_bytes()
    for size in (0, 4, len(content) // 2, len(content) - 1):
        assert "no whole Parquet" in broken_by(whole, resealed(whole, content[:size]))


def test_other_columns_under_a_chain_that_is_right(whole: Whole) -> None:
    frame = rows_of(whole, 0).drop("meta")
    assert "columns" in broken_by(whole, resealed(whole, to_parquet(frame, frame.schema)))


def test_rows_that_are_not_those_of_the_id(whole: Whole) -> None:
    rows = rows_of(whole, 0).with_columns(id=pl.col("id").shuffle(seed=1))
    assert "another snapshot" in broken_by(whole, resealed(whole, to_parquet(rows, ADMITTED)))


def test_rows_in_another_split(whole: Whole) -> None:
    shard = whole.descriptor.shards[0]
    moved = to_parquet(pl.DataFrame({"split": ["train"] * shard.rows}, schema=ASSIGNED), ASSIGNED)
    size = whole.file("rows-0").stat().st_size + len(moved)
    shards = shards_with(whole, 0, splits=whole.store.put(moved, "parquet"), bytes=size)
    assert "another snapshot" in broken_by(whole, lied(whole, descriptor=described(whole, shards=shards)))


def test_fewer_rows_than_are_said(whole: Whole) -> None:
    rows = rows_of(whole, 0)[:-1]
    assert "rows" in broken_by(whole, resealed(whole, to_parquet(rows, ADMITTED)))


@pytest.mark.parametrize(
    "digest", ["../../../etc/passwd", "/etc/passwd", "..", "a" * 63, "A" * 64, "a" * 64 + "\n", ""]
)
def test_a_descriptor_that_leads_out_of_the_store(whole: Whole, digest: str) -> None:
    for changes in ({"excluded": digest}, {"shards": shards_with(whole, 0, examples=digest)}):
        assert "no descriptor" in broken_by(whole, lied(whole, descriptor=described(whole, **changes)))


@pytest.mark.parametrize("path", ["../secret.jsonl", "/etc/passwd", "a/../../b", "..", "", "C:\\x", "a\\..\\..\\b"])
def test_a_source_that_leads_out_of_the_dataset(whole: Whole, path: str) -> None:
    sources = [whole.about.sources[0].model_copy(update={"path": path}), *whole.about.sources[1:]]
    digest = lied(whole, sources=sources)
    for data in (None, whole.data):
        said = [link.said for link in whole.verify(digest, data=data).broken]
        assert any("leads out" in each for each in said)


def test_a_source_that_is_named_twice(whole: Whole) -> None:
    one, two, three = whole.about.sources
    twice = [one.model_copy(update={"rows": 10}), one.model_copy(update={"rows": one.rows - 10}), two, three]
    assert any("named twice" in link.said for link in whole.verify(lied(whole, sources=twice)).broken)


def test_rows_that_are_said_to_be_of_another_file(whole: Whole) -> None:
    one, two, *rest = whole.about.sources
    moved = [one.model_copy(update={"rows": one.rows + 1}), two.model_copy(update={"rows": two.rows - 1}), *rest]
    assert "accounted for" in broken_by(whole, lied(whole, sources=moved))


def test_a_row_that_is_accounted_for_twice(whole: Whole) -> None:
    rows = rows_of(whole, 0).with_columns(row=pl.lit(1, pl.UInt32))
    assert "twice" in broken_by(whole, resealed(whole, to_parquet(rows, ADMITTED)))


def test_reasons_for_exclusion_that_no_finding_gives(whole: Whole) -> None:
    out = from_parquet(whole.file("excluded").read_bytes(), EXCLUDED, "excluded")
    other = out.with_columns(rules=pl.lit(["pii"], pl.List(pl.String)))
    new = whole.store.put(to_parquet(other, EXCLUDED), "parquet")
    assert "what the findings exclude" in broken_by(whole, lied(whole, descriptor=described(whole, excluded=new)))


def test_shards_of_another_size_than_is_said(whole: Whole) -> None:
    shards = shards_with(whole, 0, bytes=whole.descriptor.shards[0].bytes + 1)
    assert "as large" in broken_by(whole, lied(whole, descriptor=described(whole, shards=shards)))


def test_a_descriptor_that_is_written_otherwise(whole: Whole) -> None:
    spaced = json.dumps(whole.descriptor.model_dump(mode="json")).encode()
    assert "no descriptor" in broken_by(whole, lied(whole, descriptor=whole.store.put(spaced, "json")))


def test_a_review_that_counts_wrongly(whole: Whole) -> None:
    about = whole.ledger.statement(Path(whole.parts["review"]).stem).about
    digest = whole.say(about.model_copy(update={"good": 5, "bad": 0}), whole.people.ben)
    assert "its verdicts" in broken_by(whole, digest)


def test_a_parquet_that_unpacks_to_more_than_it_may(whole: Whole) -> None:
    """Twenty million rows of the same id in a few kilobytes; what is said of it is that, and it is not unpacked."""
    bomb = pl.DataFrame({"split": pl.repeat("train", 20_000_000, dtype=ASSIGNED["split"], eager=True)})
    content = to_parquet(bomb, ASSIGNED)
    assert len(content) < 1_000_000
    size = whole.file("rows-0").stat().st_size + len(content)
    shards = shards_with(whole, 0, splits=whole.store.put(content, "parquet"), bytes=size)
    assert "rows and not" in broken_by(whole, lied(whole, descriptor=described(whole, shards=shards)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": 103}, "close"),
        ({"examples": 104, "malformed": 0}, "close|rows and not"),
        ({"admitted": 102, "excluded": 1}, "shards"),
        ({"splits": {"train": 99, "test": 1, "validation": 1}}, "close|otherwise"),
        ({"snapshot": "d" * 64}, "describes another"),
        ({"policy": "e" * 64}, "missing"),
        ({"waivers": []}, "no waiver names"),
        ({"sources": []}, "close"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_an_admission_that_says_otherwise_than_its_objects(whole: Whole, changes: dict[str, object], said: str) -> None:
    assert re.search(said, broken_by(whole, lied(whole, **changes)))


def test_a_document_nested_too_deeply(whole: Whole) -> None:
    deep = whole.store.put(b"[" * 100_000 + b"]" * 100_000, "json")
    assert "no descriptor" in broken_by(whole, lied(whole, descriptor=deep))


def test_a_million_shards_that_are_not_there(whole: Whole) -> None:
    shard = whole.descriptor.shards[0].model_dump() | {"rows": 0}
    shards = [*shards_with(whole, 0), *[shard | {"examples": f"{number:064x}"} for number in range(20_000)]]
    assert "missing" in broken_by(whole, lied(whole, descriptor=described(whole, shards=shards)))


def test_an_example_let_in_that_findings_exclude(whole: Whole) -> None:
    nobody = to_parquet(pl.DataFrame(schema=EXCLUDED), EXCLUDED)
    digest = lied(whole, descriptor=described(whole, excluded=whole.store.put(nobody, "parquet")))
    assert "rows and not" in broken_by(whole, digest)


def test_a_waiver_that_was_over(whole: Whole) -> None:
    old = whole.ledger.statement(whole.about.waivers[0]).about
    assert isinstance(old, Waiver)
    over = whole.say(old.model_copy(update={"until": "2020-01-01T00:00:00.000000Z"}), whole.people.ben)
    found = whole.verify(lied(whole, waivers=[over]))
    assert any("was over" in link.said for link in found.broken)


def test_an_honest_second_admission_is_no_lie(whole: Whole) -> None:
    """What the tests above do to lie is no lie by itself."""
    assert whole.verify(lied(whole)).verdict == "approved"


def test_admitted_again_by_another_owner_the_store_is_whole(whole: Whole, policy: Path) -> None:
    people = whole.people
    again = admit(whole.data, name="harbour", signer=people.olga, trust=people.trust, policy=policy, store=whole.root)
    approve(again, people)
    assert again.snapshot == whole.snapshot
    assert whole.verify().exit_code == 0
    assert whole.verify("harbour").verdict == "approved"
