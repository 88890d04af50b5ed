"""What is verified, what is not, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.provenance.statements import Admission, Approval, Rejection, Revocation
from gate.provenance.trust import Demand, Trust
from gate.snapshots.chain import Link
from gate.store.objects import Damaged
from gate.verbs.admit import admit
from gate.verbs.verify import verify
from tests.snapshots.made import People, write_splits
from tests.snapshots.whole_store import Whole, make_whole


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, people: People, policy: Path) -> Whole:
    return make_whole(tmp_path_factory.mktemp("whole"), people, policy)


@pytest.fixture
def whole(original: Whole, tmp_path: Path) -> Whole:
    return original.copy(tmp_path)


def links(found: Link, what: str) -> list[Link]:
    return [link for link in found.every() if link.what == what]


def digest_of(whole: Whole, part: str) -> str:
    return Path(whole.parts[part]).stem


# What can be asked for


@pytest.mark.parametrize("name", ["harbour", "id", "prefix", "sha256"])
def test_a_snapshot_goes_by_name_id_or_prefix(original: Whole, name: str) -> None:
    names = {"harbour": "harbour", "id": original.snapshot, "prefix": original.snapshot[:8]}
    found = original.verify(names.get(name, f"sha256:{original.snapshot}"))
    assert (found.verdict, found.exit_code, found.broken) == ("approved", 0, [])
    assert found.chain.name == original.snapshot
    assert found.objects == 13


def test_the_chain_goes_from_the_approval_to_the_sources(original: Whole) -> None:
    chain = original.verify("harbour").chain
    (approval,) = links(chain, "approval")
    admission = next(link for link in approval.children if link.what == "admission")
    below = {link.what for link in admission.every()}
    assert {"policy", "descriptor", "rows", "id", "splits", "findings", "excluded", "malformed", "report"} <= below
    assert {"counts", "files", "exclusions", "waived", "waiver", "review", "verdicts", "sources", "source"} <= below
    assert sorted(link.name for link in links(chain, "source")) == ["test.jsonl", "train.jsonl", "validation.jsonl"]


@pytest.mark.parametrize("part", ["approval", "admission", "waiver", "review"])
def test_a_statement_is_verified_with_what_it_rests_on(original: Whole, part: str) -> None:
    found = original.verify(digest_of(original, part)[:10])
    assert found.exit_code == 0
    assert found.statements == {"approval": 4, "admission": 4, "waiver": 1, "review": 1}[part]
    assert found.objects == {"approval": 13, "admission": 13, "waiver": 0, "review": 1}[part]


def test_what_nothing_rests_on_is_only_looked_at_with_the_whole_store(whole: Whole) -> None:
    digest = whole.store.put(b"an orphan", "json")
    path = whole.store.path(digest, "json")
    path.write_bytes(b"another orphan")
    assert whole.verify("harbour").exit_code == 0
    found = whole.verify()
    assert (found.verdict, found.exit_code) == ("broken", 1)
    assert [link.name for link in found.broken] == [whole.store.name(path)]


def test_another_snapshot_that_is_damaged_is_nothing_to_this_one(whole: Whole, policy: Path, tmp_path: Path) -> None:
    people = whole.people
    data = write_splits(tmp_path / "other", seed=3)
    made = admit(data, name="other", signer=people.ana, trust=people.trust, policy=policy, store=whole.root)
    whole.store.path(made.admission.findings, "parquet").unlink()
    assert whole.verify("harbour").exit_code == 0
    assert whole.verify("other").verdict == "broken"
    assert whole.verify().verdict == "broken"


@pytest.mark.parametrize("what", ["harbor", "abcdef", "f" * 64, "deadbeef", "../x", "a b", ""])
def test_what_there_is_not(original: Whole, what: str) -> None:
    with pytest.raises(UsageError, match="there is no") as refused:
        original.verify(what)
    assert refused.value.exit_code == 2
    assert "harbour" in str(refused.value)


def test_a_model_has_no_training_statement_yet(original: Whole, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(Damaged, match="no training statement") as refused:
        original.verify(str(tmp_path / "model"))
    assert refused.value.exit_code == 1


def test_whom_to_trust_is_never_guessed(original: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATE_TRUST", raising=False)
    with pytest.raises(UsageError, match="trust"):
        verify("harbour", store=original.root)


# How a snapshot stands


def waiting(whole: Whole) -> None:
    whole.file("approval").unlink()


def rejected(whole: Whole) -> None:
    about = Rejection(statement=digest_of(whole, "admission"), why="licence unclear")
    whole.ledger.say(about, whole.people.ben)


def revoked(whole: Whole) -> None:
    whole.ledger.say(Revocation(snapshot=whole.snapshot, why="licence withdrawn"), whole.people.ana)


@pytest.mark.parametrize(
    ("change", "code", "said"), [(waiting, 3, "needed"), (rejected, 1, "unclear"), (revoked, 1, "withdrawn")]
)
def test_not_approved_is_not_broken(whole: Whole, change: object, code: int, said: str) -> None:
    change(whole)  # type: ignore[operator]
    found = whole.verify("harbour")
    assert (found.verdict, found.exit_code, found.broken) == (change.__name__, code, [])  # type: ignore[attr-defined]
    assert said in "; ".join(found.standings[0].reasons)
    assert whole.verify(digest_of(whole, "admission")).exit_code == code
    assert whole.verify().exit_code == 0  # the store is whole, whatever is said in it


def test_more_approvals_are_demanded_by_another_trust_file(original: Whole) -> None:
    trust = original.people.trust
    two = Trust(trust.origin, trust.digest, trust.keys, {"snapshot": Demand(2, ("reviewer",), False)})
    found = verify("harbour", store=original.root, trust=two)
    assert (found.verdict, found.exit_code) == ("waiting", 3)


def test_a_key_that_nobody_trusts_any_more_breaks_the_chain(original: Whole) -> None:
    trust = original.people.trust
    others = {keyid: key for keyid, key in trust.keys.items() if key.name != "ana"}
    found = verify("harbour", store=original.root, trust=Trust(trust.origin, trust.digest, others))
    assert (found.verdict, found.exit_code) == ("broken", 1)


def test_what_does_not_count_is_listed_and_why(whole: Whole) -> None:
    whole.ledger.say(Approval(statement=digest_of(whole, "admission")), whole.people.eve)
    found = whole.verify("harbour")
    (ignored,) = [link for link in found.chain.every() if link.state == "ignored"]
    assert "does not count" in ignored.said
    assert found.exit_code == 0


# Heads


def test_heads_are_told_and_can_be_pinned(original: Whole) -> None:
    found = original.verify()
    assert {head.author for head in found.heads} == {"ana", "ben"}
    assert original.verify("harbour", heads=[head.digest for head in found.heads]).exit_code == 0
    gone = original.verify("harbour", heads=["f" * 64])
    assert (gone.verdict, gone.exit_code) == ("broken", 1)


@pytest.mark.parametrize("head", ["abcdef12", "", "F" * 64, "../x"])
def test_a_head_is_all_of_a_digest(original: Whole, head: str) -> None:
    with pytest.raises(UsageError, match="no head"):
        original.verify("harbour", heads=[head])


# The data itself


def test_the_source_files_are_the_same(original: Whole) -> None:
    found = original.verify("harbour", data=original.data)
    assert found.exit_code == 0
    assert {link.said.split(", ")[1] for link in links(found.chain, "source")} == {"the same file"}


def changed(data: Path) -> None:
    (data / "test.jsonl").write_text("{}\n")


def gone(data: Path) -> None:
    (data / "test.jsonl").unlink()


def a_link_out(data: Path) -> None:
    outside = data.parent / "outside.jsonl"
    (data / "test.jsonl").rename(outside)
    (data / "test.jsonl").symlink_to(outside)


@pytest.mark.parametrize(("change", "said"), [(changed, "not the file"), (gone, "missing"), (a_link_out, "leads out")])
def test_a_source_file_that_is_another(whole: Whole, tmp_path: Path, change: object, said: str) -> None:
    data = write_splits(tmp_path / "copy" / "data")
    for path in whole.data.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    assert whole.verify("harbour", data=data).exit_code == 0
    change(data)  # type: ignore[operator]
    found = whole.verify("harbour", data=data)
    assert found.exit_code == 1
    assert [(link.name, said in link.said) for link in found.broken] == [("test.jsonl", True)]


def test_a_single_file_is_compared_with_itself(whole: Whole, policy: Path, tmp_path: Path) -> None:
    people, data = whole.people, write_splits(tmp_path / "one") / "train.jsonl"
    admit(data, name="one", signer=people.ana, trust=people.trust, policy=policy, store=whole.root)
    assert whole.verify("one", data=data).exit_code == 3
    assert whole.verify("one", data=data.parent).exit_code == 3


def test_data_that_is_not_there(original: Whole, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        original.verify("harbour", data=tmp_path / "nowhere")


# Many


def test_shared_objects_are_counted_once(whole: Whole, policy: Path) -> None:
    """The same data admitted by two owners, and once more with one file changed."""
    people = whole.people
    admit(whole.data, name="again", signer=people.olga, trust=people.trust, policy=policy, store=whole.root)
    found = whole.verify()
    assert found.exit_code == 0
    assert found.objects == sum(1 for _ in whole.store.objects())
    assert found.bytes == sum(each.bytes for each in whole.store.objects())


def test_everything_is_hashed_and_progress_says_so(original: Whole) -> None:
    seen: list[tuple[int, int]] = []
    found = original.verify(on_stage=lambda stage, done, total: seen.append((done, total)))
    assert seen
    assert all(done <= total == found.bytes for done, total in seen)


def test_an_admission_that_counts_wrongly_is_an_admission(original: Whole) -> None:
    """The tests of tampering rest on what an honest one says."""
    about = original.about
    assert isinstance(about, Admission)
    assert (about.rows, about.examples, about.malformed, about.admitted, about.excluded) == (104, 103, 1, 101, 2)
