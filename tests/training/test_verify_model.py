"""`gate verify` of a model: from its files through its training statement to every row, and what breaks that."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Revocation, Statement, Training
from gate.snapshots.reach import reach
from gate.snapshots.verification import Verification
from gate.store.objects import Damaged, Store
from gate.training.record import NotRecorded
from gate.verbs.trace import trace
from gate.verbs.verify import verify
from tests.training.made import Approved, additions
from tests.training.ran import run_of_stand_in


@pytest.fixture(scope="module")
def original(seal: Callable[..., Approved], tiny_base: Path) -> Approved:
    """A store with a snapshot and a model that was trained on it."""
    rows = additions(20, 40)
    own = seal(rows[:120], rows[120:140], rows[140:160], name="verified")
    run_of_stand_in(own, tiny_base, name="first")
    return own


@pytest.fixture
def own(original: Approved, tmp_path: Path) -> Approved:
    """A copy of it, to be spoiled."""
    shutil.copytree(original.store.root, tmp_path / ".gate")
    return changed(original, store=Store(tmp_path / ".gate"))


def candidate(own: Approved) -> Path:
    return own.store.root / "runs" / "first" / "candidate"


def training(own: Approved) -> tuple[Statement, Training]:
    one = next(each for each in Ledger(own.store).all() if isinstance(each.about, Training))
    assert isinstance(one.about, Training)
    return one, one.about


def verified(own: Approved, what: str | None = "first") -> Verification:
    return verify(what, store=own.store, trust=own.people.trust_file)


def said(found: Verification) -> str:
    return "; ".join(f"{link.name}: {link.said}" for link in found.broken)


def test_a_model_is_whole_by_run_digest_folder_and_statement(own: Approved, tmp_path: Path) -> None:
    one, about = training(own)
    elsewhere = shutil.copytree(candidate(own), tmp_path / "copy")
    for what in ("first", about.model, about.model[:10], one.digest[:12], str(elsewhere)):
        found = verified(own, what)
        assert (found.verdict, found.exit_code) == ("whole", 0), what
        kinds = {link.what for link in found.chain.every()}
        assert {"model", "training", "accounting", "recipe", "admission", "rows", "approval", "sources"} <= kinds
    assert "files" in {link.what for link in verified(own).chain.every()}


def test_the_whole_store_is_whole(own: Approved) -> None:
    assert verified(own, None).verdict == "whole"


def test_a_file_changed_missing_or_more_is_named(own: Approved) -> None:
    weights = candidate(own) / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert "model.safetensors: its bytes are not those that were sealed" in said(verified(own))
    weights.unlink()
    assert "model.safetensors: it is missing" in said(verified(own))
    weights.write_bytes(content)
    (candidate(own) / "more.py").write_text("print()")
    found = verified(own)
    assert "more.py: it is no part of the model" in said(found)
    assert found.exit_code == 1


def test_a_folder_of_no_model_that_was_trained_is_refused(own: Approved, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(Damaged, match="no training statement") as refused:
        verified(own, str(tmp_path / "other"))
    assert refused.value.exit_code == 1
    with pytest.raises(UsageError, match="no snapshot, statement, run, model or name"):
        verified(own, "second")


@pytest.mark.parametrize(
    ("part", "kind"), [("recipe", "json"), ("environment", "json"), ("curves", "jsonl"), ("accounting", "parquet")]
)
def test_what_the_statement_names_is_hashed(own: Approved, part: str, kind: str) -> None:
    path = own.store.path(getattr(training(own)[1], part), kind)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = verified(own)
    assert found.exit_code == 1
    assert path.name in said(found)
    path.unlink()
    assert "missing" in said(verified(own))
    assert verified(own, None).exit_code == 1


def test_a_snapshot_revoked_later_is_shown_and_fails(own: Approved) -> None:
    Ledger(own.store).say(Revocation(snapshot=own.id, why="it held addresses"), own.people.ana)
    found = verified(own)
    assert (found.verdict, found.exit_code, found.broken) == ("revoked", 1, [])
    assert "revoked" in found.chain.said
    assert any("it held addresses" in reason for reason in found.standings[0].reasons)


def again(own: Approved, signer: str = "ana", **lies: object) -> Verification:
    """The same statement once more with something else in it, and the first one taken away."""
    _, about = training(own)
    ledger = Ledger(own.store)
    told = ledger.say(about.model_copy(update=lies), getattr(own.people, signer))
    return verified(own, told.digest)


def test_a_statement_by_a_stranger_is_broken(own: Approved) -> None:
    assert "does not trust" in said(again(own, "eve", name="lie"))


def test_a_statement_whose_sums_are_not_the_books_is_broken(own: Approved) -> None:
    _, about = training(own)
    (on,) = about.snapshots
    found = again(own, snapshots=[on.model_copy(update={"trained": 119, "dropped": 1})])
    assert "its sums for verified are not those of the statement" in said(found)
    assert found.exit_code == 1


def test_a_statement_about_another_digest_than_its_files_is_broken(own: Approved) -> None:
    assert "is not that of the files" in said(again(own, model="0" * 64))


def test_a_statement_about_a_snapshot_that_its_admission_does_not_admit_is_broken(own: Approved) -> None:
    _, about = training(own)
    (on,) = about.snapshots
    assert "it does not admit" in said(again(own, snapshots=[on.model_copy(update={"snapshot": "1" * 64})]))


def test_a_model_trained_before_the_snapshot_was_approved_is_broken(own: Approved) -> None:
    approval = next(each for each in Ledger(own.store).all() if each.kind == "approval")
    own.store.statement_path(approval.digest).unlink()
    assert "it was not approved when it was trained on" in said(verified(own))


def test_what_a_training_statement_names_is_not_thrown_away(own: Approved) -> None:
    ledger = Ledger(own.store)
    _, about = training(own)
    kept = {each.digest for each in reach(own.store, ledger.all()).objects}
    assert {about.recipe, about.environment, about.curves, about.accounting} <= kept


def test_trace_tells_which_runs_learned_from_an_example(own: Approved) -> None:
    _, about = training(own)
    trained = own.opened.frame("train")["id"][0]
    held_out = own.opened.frame("test")["id"][0]
    (life,) = trace(trained, store=own.store, trust=own.people.trust_file).lives
    (run,) = life.runs
    assert (run.run, run.fate, run.times, run.trusted) == ("first", "trained", 1, True)
    assert life.models == (about.model,)
    (other,) = trace(held_out, store=own.store).lives
    assert (other.runs, other.models) == ((), ())


def test_what_samples_say_is_not_sealed(own: Approved) -> None:
    from gate.training.record import without_samples

    events = b'{"event": "step", "time": 1, "step": 1}\n{"event": "samples", "time": 2, "answers": [{"prompt": "x"}]}\n'
    assert without_samples(events) == b'{"event": "step", "time": 1, "step": 1}\n'


def test_a_run_that_was_not_recorded_is_no_model_though_its_files_are_those_of_one(
    own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "lost_rows")
    with pytest.raises(NotRecorded):
        run_of_stand_in(own, tiny_base, name="lost")
    with pytest.raises(Damaged, match="is failed, and there is no training statement of it") as refused:
        verified(own, "lost")
    assert refused.value.exit_code == 1
