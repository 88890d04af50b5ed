"""Erasing: what examples say is gone from every file, and verification closes over what is left."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from gate.errors import GateError, UsageError
from gate.provenance.statements import Erasure
from gate.provenance.trust import Untrusted
from gate.snapshots.erased_rows import CONTENT, content_ids, kind_of, without_content
from gate.snapshots.erasure import carry_out
from gate.snapshots.erasure_plan import ERASED_REPORT, plan
from gate.snapshots.layout import ADMITTED, VERDICTS
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.snapshots.verdicts import reviews
from gate.store.objects import Damaged, Store
from gate.verbs.admit import NotAdmitted, admit
from gate.verbs.erase import Erased, erase
from gate.verbs.snapshot import open_snapshot
from gate.verbs.verify import verify
from tests.snapshots.made import People, approve, chats, write_rows
from tests.snapshots.whole_store import Whole, make_whole, rows_of

WHY = "request 2026-118"
ENCODING = """
  - id: encoding
    check: encoding
    severity: error
    tolerate: 0.2
    remedy: fix
    why: Letters that broke on the way are learnt as they stand.
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, people: People, policy: Path) -> Whole:
    return make_whole(tmp_path_factory.mktemp("whole"), people, policy)


@pytest.fixture
def whole(original: Whole, tmp_path: Path) -> Whole:
    return original.copy(tmp_path)


def erased(whole: Whole, *ids: str, yes: bool = True) -> Erased:
    signer = whole.people.ana if yes else None
    return erase(ids, why=WHY, signer=signer, store=whole.root, trust=whole.people.trust)


def example(whole: Whole, number: int = 5, shard: int = 0) -> tuple[str, str]:
    """The id of an example, and words that only it says."""
    row = rows_of(whole, shard).row(number, named=True)
    return row["id"], row["messages"][-1]["content"]


def everything(root: Path) -> bytes:
    """All bytes of a store, Parquet unpacked."""
    parts = []
    for path in sorted(root.rglob("*")):
        if path.suffix == ".parquet":
            parts.append(str(pl.read_parquet(path).to_dicts()).encode())
        elif path.is_file():
            parts.append(path.read_bytes())
    return b"\n".join(parts)


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(whole: Whole) -> None:
    before = {path: path.read_bytes() for path in whole.root.rglob("*") if path.is_file()}
    example_id, _ = example(whole)
    found = erased(whole, example_id, yes=False)
    assert found.dry
    assert {cut.holds for cut in found.plan.cuts} == {"examples", "report"}
    assert found.plan.snapshots == (whole.snapshot,)
    assert found.plan.names == ("harbour",)
    assert [(each.file, each.row) for each in found.plan.origins] == [
        tuple(rows_of(whole, 0)[5, ["file", "row"]].row(0))
    ]
    assert {path: path.read_bytes() for path in whole.root.rglob("*") if path.is_file()} == before


def test_what_it_says_is_in_no_file_afterwards(whole: Whole) -> None:
    example_id, words = example(whole)
    assert words.encode() in everything(whole.root)
    erased(whole, example_id[:10])
    assert words.encode() not in everything(whole.root)
    assert example_id.encode() in everything(whole.root)


def test_the_row_stays_with_its_ids_and_place_and_no_other_row_changes(whole: Whole) -> None:
    example_id, _ = example(whole)
    before = rows_of(whole, 0)
    found = erased(whole, example_id)
    (cut,) = [cut for cut in found.plan.cuts if cut.holds == "examples"]
    about = whole.ledger.statement(found.statements[0]).about
    assert isinstance(about, Erasure)
    after = from_parquet(whole.store.read(about.objects[cut.digest], "parquet"), ADMITTED, "rows")
    here = after["id"] == example_id
    assert after.filter(~here).equals(before.filter(~here))
    assert after.filter(here).select(CONTENT).null_count().row(0) == (1,) * len(CONTENT)
    kept = [name for name in ADMITTED if name not in CONTENT]
    assert after.select(kept).equals(before.select(kept))
    assert not whole.store.path(cut.digest, "parquet").exists()


def test_verification_closes_and_says_who_erased_when_and_why(whole: Whole) -> None:
    erased(whole, example(whole)[0])
    found = whole.verify("harbour")
    assert (found.verdict, found.exit_code, found.broken) == ("erased", 1, [])
    assert any("ana" in reason and WHY in reason for reason in found.standings[0].reasons)
    cut = {link.what: link.said for link in found.chain.every() if link.state == "erased"}
    assert "ana" in cut["shard"]
    assert WHY in cut["tombstone"]
    assert whole.verify().exit_code == 0


def test_nobody_trains_on_what_was_erased_from(whole: Whole) -> None:
    assert open_snapshot("harbour", store=whole.root, trust=whole.people.trust).counts
    erased(whole, example(whole)[0])
    with pytest.raises(GateError, match="erased") as refused:
        open_snapshot("harbour", store=whole.root, trust=whole.people.trust)
    assert refused.value.exit_code == 1


def test_a_report_gives_way_to_a_page_that_says_so(whole: Whole) -> None:
    old = whole.about.report or ""
    found = erased(whole, example(whole)[0])
    about = whole.ledger.statement(found.statements[0]).about
    assert isinstance(about, Erasure)
    assert whole.store.read(about.objects[old], "html") == ERASED_REPORT
    assert not whole.store.path(old, "html").exists()


def test_reasons_that_reviewers_gave_go_too_and_their_verdicts_stay(whole: Whole) -> None:
    (said,) = (one for one in whole.ledger.all() if one.kind == "review")
    verdicts = from_parquet(whole.store.read(said.about.verdicts, "parquet"), VERDICTS, "v")  # type: ignore[attr-defined]
    bad = verdicts.filter(pl.col("verdict") == "bad")["id"][0]
    assert b"too curt" in everything(whole.root)
    assert {cut.holds for cut in erased(whole, bad).plan.cuts} == {"examples", "verdicts", "report"}
    assert b"too curt" not in everything(whole.root)
    (counted,) = reviews(whole.ledger, whole.people.trust).counted
    assert counted[1].filter(pl.col("id") == bad).select("verdict", "reason").row(0) == ("bad", None)
    assert whole.verify().exit_code == 0


def test_evidence_on_an_example_that_was_left_out_goes_and_the_snapshot_stays(
    people: People, policy: Path, tmp_path: Path
) -> None:
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(policy.read_text() + ENCODING)
    rows = [*chats(4, 40), {"instruction": "Where to?", "output": "To the cafÃ© of Renate HÃ¤berle."}]
    write_rows(tmp_path / "data" / "train.jsonl", rows)
    store = Store.create(tmp_path / "store")
    made = admit(
        tmp_path / "data", name="mail", signer=people.ana, trust=people.trust, policy=stricter, store=store.root
    )
    approve(made, people)
    out = made.sealed.excluded["id"].to_list()
    assert len(out) == 1
    assert "Ã" in everything(store.root).decode()
    found = erase(out, why=WHY, signer=people.ana, store=store, trust=people.trust)
    assert {cut.holds for cut in found.plan.cuts} == {"findings", "report"}
    assert found.plan.snapshots == ()
    assert "Ã" not in everything(store.root).decode()
    checked = verify("mail", store=store, trust=people.trust)
    assert (checked.verdict, checked.broken) == ("approved", [])
    assert open_snapshot("mail", store=store, trust=people.trust).counts == {"train": 40}


def test_it_can_be_done_again_and_finds_nothing_left(whole: Whole) -> None:
    example_id, _ = example(whole)
    erased(whole, example_id)
    before = len(whole.store.statements())
    again = erased(whole, example_id)
    assert again.plan.empty
    assert not again.statements
    assert len(whole.store.statements()) == before


def test_a_second_example_of_the_same_objects(whole: Whole) -> None:
    first, second = example(whole, 5), example(whole, 6)
    erased(whole, first[0])
    erased(whole, second[0])
    assert second[1].encode() not in everything(whole.root)
    found = whole.verify("harbour")
    assert (found.verdict, found.broken) == ("erased", [])
    assert whole.verify().exit_code == 0


def test_several_at_once_from_several_shards(whole: Whole) -> None:
    wanted = [example(whole, 1, 0), example(whole, 2, 1), example(whole, 3, 2)]
    found = erased(whole, *(each for each, _ in wanted))
    assert len(found.statements) == 1
    assert all(words.encode() not in everything(whole.root) for _, words in wanted)
    assert whole.verify("harbour").broken == []


# Interrupted


class Killed(BaseException):
    pass


@pytest.mark.parametrize("removed", [0, 1])
def test_a_run_that_was_killed_is_said_and_finished_by_the_next(
    whole: Whole, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the statement and the removal of the first, and of the last object."""
    example_id, words = example(whole)
    unlink, done = Path.unlink, []

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.suffix in (".parquet", ".html"):
            if len(done) == removed:
                raise Killed
            done.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(Killed):
        erased(whole, example_id)
    monkeypatch.undo()
    assert any("still" in link.said and "erase" in (link.remedy or "") for link in whole.verify().broken)
    found = erased(whole, example_id)
    assert found.plan.left
    assert not found.statements
    assert words.encode() not in everything(whole.root)
    assert whole.verify().exit_code == 0
    assert whole.verify("harbour").verdict == "erased"


def test_killed_before_the_statement_nothing_has_happened(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    from gate.provenance.ledger import Ledger

    def killed(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(Ledger, "say", killed)
    with pytest.raises(Killed):
        erased(whole, example(whole)[0])
    monkeypatch.undo()
    assert whole.verify("harbour").verdict == "approved"
    assert open_snapshot("harbour", store=whole.root, trust=whole.people.trust).counts


def test_what_comes_back_is_noticed_and_removed_again(whole: Whole, tmp_path: Path) -> None:
    """As a pull from a store does that nobody told of the erasure."""
    copy = whole.copy(tmp_path / "elsewhere")
    example_id, words = example(whole)
    (cut,) = [cut for cut in erased(whole, example_id).plan.cuts if cut.holds == "examples"]
    whole.store.put(copy.store.read(cut.digest, "parquet"), "parquet")
    assert any("again" in link.said for link in whole.verify("harbour").broken)
    erased(whole, example_id)
    assert words.encode() not in everything(whole.root)


def test_admitted_elsewhere_with_the_rows_still_there_it_is_marked_too(
    whole: Whole, policy: Path, tmp_path: Path
) -> None:
    """A snapshot of which the eraser did not know, and that arrives later; here it would not have been admitted."""
    people, data, other = whole.people, tmp_path / "data", whole.copy(tmp_path / "elsewhere")
    example_id, words = example(whole)
    erased(whole, example_id)
    shutil.copytree(whole.data, data)
    with (data / "validation.jsonl").open("a") as file:
        file.write(json.dumps({"instruction": "What is new?", "output": "This row is, and nothing else is."}) + "\n")
    settings = {"name": "harbour", "signer": people.olga, "trust": people.trust, "policy": policy}
    with pytest.raises(NotAdmitted, match="erased"):
        admit(data, store=whole.root, **settings)  # type: ignore[arg-type]
    made = admit(data, store=other.root, **settings)  # type: ignore[arg-type]
    assert made.snapshot != whole.snapshot
    shutil.copytree(other.root, whole.root, dirs_exist_ok=True)
    assert whole.verify("harbour").verdict == "broken"
    again = erased(whole, example_id)
    assert made.snapshot in again.plan.snapshots
    assert words.encode() not in everything(whole.root)
    found = whole.verify("harbour")
    assert (found.verdict, found.broken) == ("erased", [])


# Who may, and what is refused


def test_only_an_owner_erases(whole: Whole) -> None:
    for signer in (whole.people.ben, whole.people.eve):
        with pytest.raises(Untrusted):
            erase([example(whole)[0]], why=WHY, signer=signer, store=whole.root, trust=whole.people.trust)
    assert whole.verify("harbour").verdict == "approved"


@pytest.mark.parametrize(
    ("ids", "said"),
    [(["abcd"], "at least eight"), (["jane@example.com"], "no id"), (["f" * 64], "no example"), (["../../x"], "no id")],
)
def test_ids_that_are_none(whole: Whole, ids: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        erased(whole, *ids)


@pytest.mark.parametrize("why", ["", "  ", "x" * 2001])
def test_a_reason_is_needed(whole: Whole, why: str) -> None:
    with pytest.raises(UsageError, match="reason"):
        erase([example(whole)[0]], why=why, signer=None, store=whole.root, trust=whole.people.trust)


def test_nothing_is_cut_from_what_is_damaged(whole: Whole) -> None:
    path = whole.file("rows-1")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match=path.name):
        erased(whole, example(whole)[0])
    assert len(whole.store.statements()) == 4


def test_objects_that_nothing_refers_to_are_looked_into(whole: Whole) -> None:
    example_id, words = example(whole)
    orphan = rows_of(whole, 0)[4:7]
    whole.store.put(to_parquet(orphan, ADMITTED), "parquet")
    erased(whole, example_id)
    assert words.encode() not in everything(whole.root)


# Tombstones that lie


def say(whole: Whole, **changes: object) -> str:
    about = Erasure(examples=["a" * 64], objects={}, snapshots=[], why=WHY).model_copy(update=changes)
    return whole.say(about, whole.people.olga)


def test_an_erasure_that_nobody_trusts_takes_nothing_away(whole: Whole) -> None:
    digest = whole.store.path(whole.about.findings, "parquet").stem
    about = Erasure(examples=["a" * 64], objects={digest: "b" * 64}, snapshots=[whole.snapshot], why=WHY)
    whole.say(about, whole.people.eve)
    assert whole.verify("harbour").verdict == "approved"
    assert open_snapshot("harbour", store=whole.root, trust=whole.people.trust).counts


def test_an_erasure_that_hides_other_rows_is_found(whole: Whole) -> None:
    """An owner who puts other content in the place of rows, under the same ids."""
    rows, shard = rows_of(whole, 0), whole.descriptor.shards[0]
    texts = pl.lit("poison")
    for name, changed in {
        "text": rows.with_columns(text=texts),
        "hidden": without_content(rows, rows["id"][3:4]),
    }.items():
        new = whole.store.put(to_parquet(changed, ADMITTED), "parquet")
        whole.store.path(shard.examples, "parquet").unlink(missing_ok=True)
        digest = say(whole, objects={shard.examples: new}, snapshots=[whole.snapshot])
        assert whole.verify(digest).verdict == "broken", name
        assert whole.verify("harbour").verdict == "broken", name


def test_an_erasure_that_does_not_name_the_snapshot_is_found(whole: Whole) -> None:
    rows, shard = rows_of(whole, 0), whole.descriptor.shards[0]
    new = whole.store.put(to_parquet(rows.with_columns(meta=pl.lit("{}")), ADMITTED), "parquet")
    whole.store.path(shard.examples, "parquet").unlink()
    say(whole, objects={shard.examples: new})
    assert any("does not say so" in link.said for link in whole.verify("harbour").broken)
    with pytest.raises(GateError):
        open_snapshot("harbour", store=whole.root, trust=whole.people.trust)


@pytest.mark.parametrize("part", ["splits-0", "excluded", "malformed", "policy", "descriptor"])
def test_an_erasure_of_what_holds_no_content_is_found(whole: Whole, part: str) -> None:
    path = whole.file(part)
    path.unlink()
    say(whole, objects={path.stem: "c" * 64}, snapshots=[whole.snapshot])
    (link, *_) = [link for link in whole.verify("harbour").broken if link.name == whole.parts[part]]
    assert "nothing in such an object to erase" in link.said


def test_erasures_in_a_circle_are_found(whole: Whole) -> None:
    digest = whole.about.findings
    say(whole, objects={digest: "c" * 64})
    say(whole, objects={"c" * 64: digest})
    whole.file("findings").unlink()
    assert any("circle" in link.said for link in whole.verify("harbour").broken)


# Content ids


def test_content_ids_are_computed_from_what_rows_say(whole: Whole) -> None:
    for number in range(3):
        rows = rows_of(whole, number)
        assert content_ids(rows).equals(rows["id"])


def test_content_ids_of_every_kind_of_example(tmp_path: Path) -> None:
    from gate.verbs.check import check

    write_rows(tmp_path / "p.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c", "tag": 1}])
    write_rows(tmp_path / "f.jsonl", [{"prompt": "a", "completion": "b", "label": True}])
    write_rows(tmp_path / "t.jsonl", [{"text": "some text of a book"}])
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}
    talk = [
        {"role": "user", "content": "hi"},
        call,
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "so"},
    ]
    write_rows(tmp_path / "c.jsonl", [{"messages": talk, "tools": [{"name": "f", "b": 1, "a": 2}]}])
    rows = check(tmp_path, cache=False, select="structure").dataset.examples
    assert sorted(set(rows["kind"].cast(pl.String))) == ["chat", "feedback", "preference", "text"]
    assert content_ids(rows).equals(rows["id"])


def test_what_an_object_holds_is_told_by_its_columns(whole: Whole) -> None:
    kinds = {part: kind_of(whole.file(part).read_bytes()) for part in ("rows-0", "findings", "verdicts", "splits-0")}
    assert kinds == {"rows-0": "examples", "findings": "findings", "verdicts": "verdicts", "splits-0": None}


def test_rounds_end(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who seals the same rows again and again is told to stop."""
    import gate.snapshots.erasure as module

    example_id, _ = example(whole)
    planned = plan(whole.ledger, [example_id], whole.people.trust)
    monkeypatch.setattr(module, "plan", lambda *_: dataclasses.replace(planned, cuts=(), left=()))
    with pytest.raises(Damaged, match="come back"):
        carry_out(whole.ledger, planned, whole.people.ana, WHY, whole.people.trust)
