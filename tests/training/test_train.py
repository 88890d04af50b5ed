"""`gate train`: the lock comes first, nothing is left behind by what is refused, and the record says all of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from gate.errors import GateError, PolicyError, UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Admission, Revocation, Training
from gate.provenance.trust import Untrusted
from gate.snapshots.open import NotApproved
from gate.store.objects import Damaged, Store, StoreError
from gate.training.events import Event
from gate.training.model_files import hashed_files, model_digest
from gate.training.outcome import Trained
from gate.training.record import NotRecorded
from gate.training.runs import find_candidate, find_run
from gate.verbs import train as verb
from tests.training.made import Approved, additions
from tests.training.ran import STAND_IN, run_of_stand_in


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:
    """A snapshot in a store of this file's own."""
    rows = additions(20, 40)
    return seal(rows[:120], rows[120:140], rows[140:160], name="own")


@pytest.fixture(scope="module")
def trained(own: Approved, tiny_base: Path) -> Trained:
    return run_of_stand_in(own, tiny_base, overrides=["seed=7"])


def runs_of(approved: Approved) -> list[str]:
    return sorted(each.name for each in (approved.store.root / "runs").glob("*"))


def moved(approved: Approved, folder: Path) -> Approved:
    """The same in a copy of its store, to be spoiled."""
    shutil.copytree(approved.store.root, folder / ".gate", ignore=shutil.ignore_patterns("runs"))
    return Approved(approved.name, approved.id, Store(folder / ".gate"), approved.people)


# --- What came of it ---


def test_the_statement_says_what_was_trained_on_what(trained: Trained, own: Approved) -> None:
    about = trained.statement.about
    assert isinstance(about, Training)
    assert own.people.trust.vouched(trained.statement).name == "ana"
    (on,) = about.snapshots
    assert (on.snapshot, on.rows, on.trained, on.dropped, on.unseen) == (own.id, 120, 120, 0, 0)
    assert trained.statement.parents == (own.opened.statement.digest,)
    assert (about.base, about.seed, about.method, about.ended) == (trained.run.base.digest, 7, "lora", "finished")
    assert (about.steps, about.seconds, about.tokens) == (8, 3, 800)
    assert about.model == model_digest(hashed_files(trained.run.candidate))
    assert "/" not in about.base_name


def test_what_the_statement_names_is_in_the_store(trained: Trained, own: Approved) -> None:
    about = trained.statement.about
    assert isinstance(about, Training)
    recipe = json.loads(own.store.read(about.recipe, "json"))
    assert (recipe["seed"], recipe["method"]) == (7, "lora")
    environment = own.store.read(about.environment, "json")
    assert json.loads(environment)["packages"]["transformers"]
    assert own.store.read(about.curves, "jsonl").count(b'"event": "step"') == 8
    assert own.store.verified(about.accounting, "parquet")
    assert (trained.run.place / "statement.json").read_bytes() == own.store.statement(trained.statement.digest)


def test_the_environment_names_neither_machine_nor_person_nor_place(trained: Trained, own: Approved) -> None:
    import getpass
    import socket

    assert isinstance(trained.statement.about, Training)
    text = own.store.read(trained.statement.about.environment, "json").decode()
    assert socket.gethostname() not in text
    assert str(Path.home()) not in text
    assert str(Path(sys.prefix)) not in text
    assert f'"{getpass.getuser()}"' not in text


def test_the_same_run_twice_gives_the_same_model_and_another_name(
    trained: Trained, own: Approved, tiny_base: Path
) -> None:
    again = run_of_stand_in(own, tiny_base, overrides=["seed=7"])
    assert isinstance(again.statement.about, Training)
    assert isinstance(trained.statement.about, Training)
    assert again.statement.about.model == trained.statement.about.model
    assert (trained.run.name, again.run.name) == ("own-lora-1", "own-lora-2")


def test_a_candidate_is_found_by_run_by_digest_and_by_folder(trained: Trained, own: Approved, tmp_path: Path) -> None:
    assert isinstance(trained.statement.about, Training)
    elsewhere = shutil.copytree(trained.run.candidate, tmp_path / "copy")
    ledger = Ledger(own.store)
    for what in (trained.run.name, trained.statement.about.model[:12], str(elsewhere)):
        found = find_candidate(what, ledger)
        assert found.statement is not None
        assert found.digest == trained.statement.about.model
    (elsewhere / "model.safetensors").write_bytes(b"another")
    assert find_candidate(str(elsewhere), ledger).statement is None
    with pytest.raises(UsageError, match="no run, model or folder"):
        find_candidate("nothing", ledger)


def test_gates_own_process_imports_no_torch(own: Approved, tiny_base: Path) -> None:
    script = (
        "import sys; from tests.training.ran import *; import gate.cli.train, gate.reporting.train_terminal\n"
        "from gate.verbs.train import prepare\n"
        f"prepare({own.name!r}, base={str(tiny_base)!r}, recipe='lora', store={str(own.store.root)!r},"
        f" trust={str(own.people.trust_file)!r})\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'peft', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


# --- The lock ---


def test_a_snapshot_that_waits_is_refused(seal: Callable[..., Approved], tiny_base: Path) -> None:
    waiting = seal(additions(20, 31)[:110], name="waiting", approved=False)
    with pytest.raises(NotApproved, match="waiting"):
        run_of_stand_in(waiting, tiny_base)
    assert runs_of(waiting) == []


def test_a_snapshot_changed_by_one_byte_is_refused(own: Approved, tiny_base: Path, tmp_path: Path) -> None:
    spoiled = moved(own, tmp_path)
    path = next(each for each in (spoiled.store.root / "objects").rglob("*.parquet") if each.stat().st_size > 3000)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged) as refused:
        run_of_stand_in(spoiled, tiny_base)
    assert path.name in str(refused.value)
    assert refused.value.exit_code == 1
    assert runs_of(spoiled) == []


def test_a_revoked_snapshot_is_refused(own: Approved, tiny_base: Path, tmp_path: Path) -> None:
    spoiled = moved(own, tmp_path)
    Ledger(spoiled.store).say(Revocation(snapshot=own.id, why="it was wrong"), own.people.ana)
    with pytest.raises(NotApproved, match="it was wrong"):
        run_of_stand_in(spoiled, tiny_base)


def test_a_signature_nobody_trusts_is_refused(own: Approved, tiny_base: Path, tmp_path: Path) -> None:
    trust = own.people.trust_file.read_text()
    lines = [line for line in trust.splitlines(keepends=True) if "name: ana," not in line]
    (tmp_path / "trust.yaml").write_text("".join(lines))
    with pytest.raises(Untrusted, match="does not trust"):
        run_of_stand_in(own, tiny_base, trust=tmp_path / "trust.yaml", signer=own.people.olga)


def test_a_replay_snapshot_goes_through_the_same_lock(
    own: Approved, seal: Callable[..., Approved], tiny_base: Path, tmp_path: Path
) -> None:
    spoiled = moved(own, tmp_path)
    seal(additions(50, 61)[:110], name="general", approved=False, store=spoiled.store.root)
    with pytest.raises(NotApproved, match="waiting"):
        run_of_stand_in(spoiled, tiny_base, overrides=["replay.snapshot=general"])


def test_a_file_is_no_snapshot(own: Approved, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    for named in ("rows.jsonl", "./rows.jsonl", str(tmp_path / "rows.jsonl"), "folder", "missing.jsonl"):
        with pytest.raises(UsageError, match="no flag makes it read a file") as refused:
            verb.prepare(named, base=tiny_base, recipe="lora", store=own.store, trust=own.people.trust_file)
        assert "gate admit" in str(refused.value)


def test_a_snapshot_revoked_while_it_was_trained_on_is_not_recorded(
    own: Approved, tiny_base: Path, tmp_path: Path
) -> None:
    spoiled = moved(own, tmp_path)

    def revoke(event: Event) -> None:
        if event.fields.get("step") == 1:
            Ledger(spoiled.store).say(Revocation(snapshot=own.id, why="too late"), own.people.ana)

    with pytest.raises(NotApproved, match="too late"):
        run_of_stand_in(spoiled, tiny_base, watching=verb.Watching(on_event=revoke))
    run = find_run(spoiled.store.root, "own-lora-1")
    assert (run.stands, run.state.statement) == ("failed", None)


def test_who_signs_is_asked_before_anything_is_trained(own: Approved, tiny_base: Path) -> None:
    before = runs_of(own)
    with pytest.raises(Untrusted, match="does not trust the key of 'eve'"):
        run_of_stand_in(own, tiny_base, signer=own.people.eve)
    assert runs_of(own) == before


# --- What is named wrongly ---


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"recipe": "lroa"}, PolicyError, "did you mean 'lora'"),
        ({"overrides": ["learning_rat=1"]}, PolicyError, "learning_rat"),
        ({"overrides": ["lr=fast"]}, PolicyError, "lr"),
        ({"launch": "two"}, PolicyError, "no configuration 'two'"),
        ({"script": "missing.py"}, UsageError, "no such script"),
        ({"recipe": "dpo"}, UsageError, "of kind chat, and dpo learns from preference"),
        ({"name": "No Name"}, UsageError, "no name"),
        ({"overrides": ["mixture={others: 2}"]}, UsageError, "mixture names others"),
    ],
)
def test_what_is_named_wrongly_is_told_and_nothing_is_started(
    own: Approved, tiny_base: Path, options: dict[str, object], error: type[GateError], said: str
) -> None:
    before = runs_of(own)
    with pytest.raises(error, match=said) as refused:
        run_of_stand_in(own, tiny_base, **options)
    assert refused.value.exit_code == 2
    assert runs_of(own) == before


@pytest.mark.parametrize("named", ["own=0", "own=-1", "own=nan", "own=much"])
def test_a_weight_is_a_number_above_zero(own: Approved, tiny_base: Path, named: str) -> None:
    with pytest.raises(UsageError, match="is no weight"):
        verb.prepare(named, base=tiny_base, recipe="lora", store=own.store, trust=own.people.trust_file)


def test_a_snapshot_is_named_once(own: Approved, tiny_base: Path) -> None:
    with pytest.raises(UsageError, match="named twice"):
        verb.prepare(["own", own.id[:10]], base=tiny_base, recipe="lora", store=own.store, trust=own.people.trust_file)


def test_a_taken_name_is_told(own: Approved, trained: Trained, tiny_base: Path) -> None:
    with pytest.raises(UsageError, match="there is a run own-lora-1 already"):
        run_of_stand_in(own, tiny_base, name="own-lora-1")


def test_too_little_room_is_told_before_anything_is_trained(
    own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = (tiny_base / "model.safetensors").stat().st_size
    free = SimpleNamespace(free=weights * 9)  # three checkpoints of weights and two moments, and the candidate: ten
    monkeypatch.setattr("gate.training.room.shutil.disk_usage", lambda path: free)
    before = runs_of(own)
    with pytest.raises(StoreError, match="GB are free") as refused:
        run_of_stand_in(own, tiny_base, recipe="full")
    assert "--set keep=1" in str(refused.value)
    assert runs_of(own) == before
    verb.prepare("own", base=tiny_base, recipe="lora", store=own.store, trust=own.people.trust_file)
    free.free = weights * 10
    verb.prepare("own", base=tiny_base, recipe="full", store=own.store, trust=own.people.trust_file)


def test_an_empty_train_split_is_told(seal: Callable[..., Approved], tiny_base: Path) -> None:
    rows = additions(20, 31)
    empty = seal([], rows[:110], name="empty")
    assert isinstance(empty.opened.statement.about, Admission)
    with pytest.raises(UsageError, match="train split is empty"):
        run_of_stand_in(empty, tiny_base)


# --- What cannot be vouched for ---


def test_books_that_do_not_close_are_not_sealed(
    own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "lost_rows")
    before = own.store.statements()
    with pytest.raises(NotRecorded, match="119 rows of own are accounted for, and its train split has 120"):
        run_of_stand_in(own, tiny_base)
    assert own.store.statements() == before


def test_a_base_that_changes_while_it_trains_is_not_sealed(own: Approved, tiny_base: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")

    def change(*_: object) -> None:
        (base / "config.json").write_text((base / "config.json").read_text() + " ")

    with pytest.raises(NotRecorded, match="the base changed"):
        run_of_stand_in(own, base, watching=verb.Watching(on_prepared=change))


def test_the_script_that_ran_is_the_one_recorded(trained: Trained) -> None:
    import hashlib

    assert isinstance(trained.statement.about, Training)
    assert trained.statement.about.script == hashlib.sha256(STAND_IN.read_bytes()).hexdigest()
