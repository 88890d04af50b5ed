"""`gate train --resume`: from the last whole checkpoint, through the lock again, to the very same candidate."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gate.errors import UsageError
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Revocation, Training
from gate.snapshots.open import NotApproved
from gate.training.checkpoints import CLOSING, last_whole
from gate.training.events import Event
from gate.training.history import read_history
from gate.training.mishaps import TrainingFailed
from gate.training.outcome import Interrupted, Trained, Watching
from gate.training.runs import Busy, find_run, holding
from tests.training.made import Approved, additions
from tests.training.ran import resume, run_gate_train, run_of_stand_in

QUICK = ["lr=5e-3", "max_steps=40", "evaluate_every=10", "log_every=1", "samples=1", "max_new_tokens=8",
         "device_batch=16"]  # fmt: skip


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:
    rows = additions(20, 40)
    return seal(rows[:160], rows[160:180], rows[180:200], name="resumed")


def model_of(trained: Trained) -> str:
    assert isinstance(trained.statement.about, Training)
    return trained.statement.about.model


def at_step(step: int, act: Callable[[], object]) -> Watching:
    """Does something once the trainer has told of a step."""

    def look(event: Event) -> None:
        if event.kind == "step" and event.fields["step"] == step:
            act()

    return Watching(on_event=look)


def trainers(name: str) -> list[psutil.Process]:
    """The processes of a run, its launcher not among them."""
    every = psutil.Process().children(recursive=True)
    mine = [each for each in every if any(name in part for part in each.cmdline())]
    return [each for each in mine if not any("accelerate" in part for part in each.cmdline())]


def end(name: str, number: int) -> None:
    for each in trainers(name):
        each.send_signal(number)


# --- With the real trainer ---


@pytest.fixture(scope="module")
def whole(own: Approved, tiny_base: Path) -> Trained:
    """A run that nothing interrupted."""
    return run_gate_train(own, tiny_base, overrides=QUICK, name="whole")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_model_bit_by_bit(own: Approved, tiny_base: Path, whole: Trained) -> None:
    kill = at_step(13, lambda: end("killed", signal.SIGKILL))
    with pytest.raises(TrainingFailed, match="killed") as failed:
        run_gate_train(own, tiny_base, overrides=QUICK, name="killed", watching=kill)
    assert failed.value.exit_code == 4
    assert "--resume killed" in str(failed.value)
    assert find_run(own.store.root, "killed").stands == "interrupted"

    begun: list[int] = []
    again = resume(own, "killed", Watching(on_prepared=lambda run, step: begun.append(step)))

    assert begun[0] in (10, 20, 30)  # a step takes some hundredths of a second: how soon it was told of is chance
    assert model_of(again) == model_of(whole)
    assert again.statement.about.snapshots == whole.statement.about.snapshots  # type: ignore[attr-defined]
    history = read_history(again.run.place)
    assert [step for step, _ in history.series("loss")] == list(range(1, 41))
    assert history.series("loss") == read_history(whole.run.place).series("loss")


@pytest.mark.slow
def test_the_same_run_twice_gives_the_same_model(own: Approved, tiny_base: Path, whole: Trained) -> None:
    assert model_of(run_gate_train(own, tiny_base, overrides=QUICK)) == model_of(whole)


@pytest.mark.slow
def test_told_to_end_mid_step_it_finishes_the_step_and_goes_on_to_the_same_model(
    own: Approved, tiny_base: Path, whole: Trained
) -> None:
    ask = at_step(12, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted, match="SIGTERM") as told:
        run_gate_train(own, tiny_base, overrides=QUICK, name="told", watching=ask)
    assert told.value.exit_code == 143
    state = find_run(own.store.root, "told")
    assert state.stands == "interrupted"
    assert last_whole(state.folder / "checkpoints").step >= 12
    assert model_of(resume(own, "told")) == model_of(whole)


# --- With the stand-in ---


@pytest.fixture
def killed(own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a run that was killed at step 5; checkpoints 2 and 4 are whole."""
    monkeypatch.setenv("STAND_IN", "kill:5")
    with pytest.raises(TrainingFailed) as failed:
        run_of_stand_in(own, tiny_base)
    monkeypatch.delenv("STAND_IN")
    assert failed.value.where is not None
    return failed.value.where


@pytest.fixture(scope="module")
def uninterrupted(own: Approved, tiny_base: Path) -> Trained:
    return run_of_stand_in(own, tiny_base, name="uninterrupted")


def test_a_damaged_checkpoint_is_passed_over(own: Approved, killed: str, uninterrupted: Trained) -> None:
    checkpoints = find_run(own.store.root, killed).folder / "checkpoints"
    (checkpoints / "checkpoint-4" / "weights").write_bytes(bytes(999) + b"x")
    notes: list[str] = []
    again = resume(own, killed, Watching(on_note=notes.append))
    assert notes == ["checkpoint-4 is passed over: weights was changed"]
    assert again.passed_over == tuple(notes)
    assert model_of(again) == model_of(uninterrupted)


def test_without_a_whole_checkpoint_it_begins_anew(own: Approved, killed: str, uninterrupted: Trained) -> None:
    checkpoints = find_run(own.store.root, killed).folder / "checkpoints"
    (checkpoints / "checkpoint-4" / CLOSING).unlink()
    (checkpoints / "checkpoint-2" / "weights").unlink()
    notes: list[str] = []
    again = resume(own, killed, Watching(on_note=notes.append))
    assert notes == [
        "checkpoint-4 is passed over: it is there in part only",
        "checkpoint-2 is passed over: weights is missing",
    ]
    assert model_of(again) == model_of(uninterrupted)


def test_the_lock_is_passed_again(own: Approved, killed: str) -> None:
    # Its own copy of the store would be another folder for the run: the revocation is taken back by hand instead.
    said = Ledger(own.store).say(Revocation(snapshot=own.id, why="found wanting"), own.people.ana)
    try:
        with pytest.raises(NotApproved, match="found wanting"):
            resume(own, killed)
    finally:
        own.store.statement_path(said.digest).unlink()


def test_another_base_is_refused(
    own: Approved, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    monkeypatch.setenv("STAND_IN", "kill:5")
    with pytest.raises(TrainingFailed) as failed:
        run_of_stand_in(own, base)
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    with pytest.raises(UsageError, match="the base is another"):
        resume(own, str(failed.value.where))


def test_a_changed_recipe_is_refused(own: Approved, killed: str) -> None:
    path = find_run(own.store.root, killed).folder / "run.json"
    text = path.read_text()
    assert '"lr": 0.0002' in text
    path.write_text(text.replace('"lr": 0.0002', '"lr": 0.0003'))
    with pytest.raises(UsageError, match="its recipe is another"):
        resume(own, killed)


def test_another_script_is_refused(
    own: Approved, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "mine.py"
    shutil.copy(Path(__file__).with_name("stand_in.py"), script)
    monkeypatch.setenv("STAND_IN", "kill:5")
    with pytest.raises(TrainingFailed) as failed:
        run_of_stand_in(own, tiny_base, script=script)
    script.write_text(script.read_text() + "\n")
    with pytest.raises(UsageError, match="the script is another"):
        resume(own, str(failed.value.where))


def test_a_finished_run_has_nothing_to_go_on_with(own: Approved, uninterrupted: Trained) -> None:
    with pytest.raises(UsageError, match="is finished"):
        resume(own, uninterrupted.run.name)


def test_a_run_that_is_going_on_is_left_alone(own: Approved, killed: str) -> None:
    with holding(find_run(own.store.root, killed).folder), pytest.raises(Busy, match="a process holds it"):
        resume(own, killed)


def test_a_trainer_that_ended_unwatched_is_recorded_without_training_again(
    own: Approved, tiny_base: Path, uninterrupted: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN", "killed_after")
    with pytest.raises(TrainingFailed) as failed:
        run_of_stand_in(own, tiny_base)
    notes: list[str] = []
    started: list[int] = []
    watching = Watching(on_note=notes.append, on_prepared=lambda run, step: started.append(step))
    again = resume(own, str(failed.value.where), watching)
    assert (started, notes) == ([], ["the trainer had ended already, and is only recorded"])
    assert model_of(again) == model_of(uninterrupted)


def test_interrupted_it_says_how_to_go_on(own: Approved, tiny_base: Path, uninterrupted: Trained) -> None:
    os.environ["STAND_IN_SECONDS"] = "0.2"
    before = signal.getsignal(signal.SIGINT)
    ask = at_step(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(Interrupted, match=r"\(SIGINT\), and ended at step [345]") as told:
            run_of_stand_in(own, tiny_base, name="stopped", watching=ask)
    finally:
        del os.environ["STAND_IN_SECONDS"]
    assert told.value.exit_code == 130
    assert "gate train --resume stopped" in str(told.value)
    assert signal.getsignal(signal.SIGINT) is before
    assert model_of(resume(own, "stopped")) == model_of(uninterrupted)


def test_asked_twice_it_ends_at_once(own: Approved, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_SECONDS", "30")
    asked = [threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)) for seconds in (0.1, 1.5)]
    ask = Watching(
        on_event=lambda event: [each.start() for each in asked] if event.fields.get("name") == "training" else None
    )
    with pytest.raises(Interrupted, match="before its first checkpoint"):
        run_of_stand_in(own, tiny_base, name="twice", watching=ask)
    assert trainers("twice") == []
