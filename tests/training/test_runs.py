"""Runs: a folder each, names that nobody else has, a lock as long as a process lives, and what is known of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from gate.errors import UsageError
from gate.reporting.runs_terminal import (
    comparison_json,
    render_comparison,
    render_run,
    render_runs,
    run_json,
    runs_json,
)
from gate.reporting.sparkline import sparkline
from gate.store.objects import StoreError
from gate.training.environment import differences, environment_document
from gate.training.events import Event, Events
from gate.training.history import history_of, read_history
from gate.training.mishaps import TrainingFailed
from gate.training.outcome import Trained
from gate.training.runs import Busy, RunState, find_run, holding, new_run, runs_folder
from gate.training.watch import end_of_events
from gate.verbs.runs import compare_runs, list_runs, show_run
from tests.training.made import Approved, additions
from tests.training.ran import run_of_stand_in

STATE = RunState(
    recipe="lora", recipe_digest="0" * 64, script="1" * 64, script_name="sft.py", script_path="/x/sft.py", launch="cpu",
    launch_path="/x/cpu.yaml",
)  # fmt: skip


# --- Names and folders ---


def test_names_are_numbered(tmp_path: Path) -> None:
    assert [new_run(tmp_path, None, "desk", "lora").name for _ in range(3)] == [
        "desk-lora-1",
        "desk-lora-2",
        "desk-lora-3",
    ]


def test_a_recipe_that_is_a_path_or_long_makes_a_name_all_the_same(tmp_path: Path) -> None:
    assert new_run(tmp_path, None, "desk", "My Recipe..v2/x").name == "desk-my-recipe.v2-x-1"
    assert len(new_run(tmp_path, None, "d" * 60, "r" * 60).name) <= 64


def test_many_at_once_never_share_a_folder(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(new_run(tmp_path, None, "a", "b").name)) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == sorted(f"a-b-{number}" for number in range(1, 17))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises((StoreError, OSError)):
        new_run(tmp_path, None, "a", "b")


def test_the_lock_is_held_as_long_as_a_process_that_inherited_it_lives(tmp_path: Path) -> None:
    folder = new_run(tmp_path, "mine", "a", "b")
    STATE.model_copy(update={"state": "running"}).write(folder)
    with holding(folder) as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    try:
        with pytest.raises(Busy), holding(folder):
            pass
        assert find_run(tmp_path, "mine").stands == "running"
    finally:
        child.communicate(b"\n")
    assert find_run(tmp_path, "mine").stands == "interrupted"  # nobody said how it ended


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "other"])
def test_a_run_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    STATE.write(new_run(tmp_path, "mine", "a", "b"))
    with pytest.raises(UsageError, match="there is no run"):
        find_run(tmp_path, name)


def test_a_state_that_is_none_is_told(tmp_path: Path) -> None:
    folder = new_run(tmp_path, "mine", "a", "b")
    (folder / "state.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        find_run(tmp_path, "mine")


# --- What events tell together ---


def step(number: int, loss: float) -> Event:
    return Event("step", 0.0, {"step": number, "steps": 9, "loss": loss})


def test_what_was_done_again_after_a_resume_counts_once() -> None:
    events = [step(1, 3.0), step(2, 2.0), step(3, 1.5), Event("end", 0, {"reason": "interrupted"}),
              Event("stage", 0, {"name": "resumed", "step": 1}), step(2, 2.0), step(3, 1.5), step(4, 1.0)]  # fmt: skip
    history = history_of(events)
    assert history.series("loss") == [(1, 3.0), (2, 2.0), (3, 1.5), (4, 1.0)]
    assert history.end is None
    assert (history.step, history.steps) == (4, 9)


def test_events_of_a_later_gate_and_odd_values_are_passed_over() -> None:
    history = history_of(
        [Event("prophecy", 0, {}), Event("step", 0, {"step": "x", "loss": None}), step(1, float("nan"))]
    )
    assert history.series("loss") == []


def test_half_a_line_of_a_killed_trainer_is_cut_off(tmp_path: Path) -> None:
    Events(tmp_path).say("step", step=1, loss=2.0)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "ti')
    assert end_of_events(tmp_path) == (tmp_path / "events.jsonl").stat().st_size
    Events(tmp_path).say("step", step=2, loss=1.0)
    assert read_history(tmp_path).series("loss") == [(1, 2.0), (2, 1.0)]


def test_a_sparkline_follows_its_curve() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 1, 1]) == "▁▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)), 40)) == 40


# --- The environment ---


def test_the_environment_has_versions_and_settings_and_no_secrets() -> None:
    document = environment_document({"OMP_NUM_THREADS": "2", "AWS_SECRET": "hidden", "HOME": "/home/ana"}, device="cpu")
    assert document["settings"] == {"OMP_NUM_THREADS": "2"}
    assert "torch" in document["packages"]  # type: ignore[operator]
    assert "hidden" not in json.dumps(document)
    assert "/home" not in json.dumps(document)


def test_differences_are_told_by_their_keys() -> None:
    assert differences({"a": {"b": 1, "c": 2}, "d": 1}, {"a": {"b": 3, "c": 2}, "e": 1}) == [
        ("a.b", "1", "3"), ("d", "1", "–"), ("e", "–", "1"),
    ]  # fmt: skip


# --- gate runs ---


@pytest.fixture(scope="module")
def own(seal: Callable[..., Approved]) -> Approved:
    rows = additions(20, 40)
    return seal(rows[:120], rows[120:140], rows[140:160], name="listed")


@pytest.fixture(scope="module")
def two(own: Approved, tiny_base: Path) -> tuple[Trained, str]:
    """A run that is finished, and the name of one with another rate that failed."""
    trained = run_of_stand_in(own, tiny_base)
    os.environ["STAND_IN"] = "crash:5"
    try:
        with pytest.raises(TrainingFailed):
            run_of_stand_in(own, tiny_base, name="other", overrides=["lr=1e-3"])
    finally:
        del os.environ["STAND_IN"]
    return trained, "other"


def printed(render: Callable[..., None], what: object) -> str:
    console = Console(width=80, record=True, file=open(os.devnull, "w"), highlight=False)  # noqa: PTH123, SIM115
    render(what, console)
    return console.export_text()


def test_ls_lists_the_latest_first(own: Approved, two: tuple[Trained, str]) -> None:
    found = list_runs(own.store)
    assert [view.name for view in found] == ["other", "listed-lora-1"]
    shown = printed(render_runs, found)
    assert "finished" in shown
    assert "failed" in shown
    assert "0.3125" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())
    document = json.loads(runs_json(found))
    assert [run["state"] for run in document["runs"]] == ["failed", "finished"]


def test_show_tells_all_of_a_run(own: Approved, two: tuple[Trained, str]) -> None:
    view = show_run("listed-lora-1", own.store)
    shown = printed(render_run, view)
    for wanted in ("FINISHED", "training loss", "▁", "120 rows = 120 trained", two[0].statement.digest[:20]):
        assert wanted in shown
    document = json.loads(run_json(view))
    assert len(document["curves"]) == 8
    assert document["training"]["model"] == document["model"]


def test_show_tells_why_a_run_failed_and_how_to_go_on(own: Approved, two: tuple[Trained, str]) -> None:
    shown = printed(render_run, show_run("other", own.store))
    assert "ValueError: a weight has the shape" in shown
    assert "--resume other" in shown


def test_compare_tells_what_differs(own: Approved, two: tuple[Trained, str]) -> None:
    found = compare_runs("listed-lora-1", "other", own.store)
    assert found.recipe == [("lr", "0.0002", "0.001")]
    assert found.inputs == []
    assert found.environment is None
    shown = printed(render_comparison, found)
    assert "inputs: the same" in shown
    assert "one of them has no record yet" in shown
    assert json.loads(comparison_json(found))["recipe"] == [{"what": "lr", "one": "0.0002", "other": "0.001"}]


def test_a_folder_that_is_no_run_is_left_out(own: Approved, two: tuple[Trained, str]) -> None:
    (runs_folder(own.store.root) / "empty").mkdir()
    assert len(list_runs(own.store)) == 2


def test_show_writes_a_page(own: Approved, two: tuple[Trained, str], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from gate.cli.runs import command

    named = ["show", "listed-lora-1", "--store", str(own.store.root), "--output"]
    done = CliRunner().invoke(command, [*named, f"html={tmp_path / 'run.html'}"])
    assert "wrote" in done.output
    page = (tmp_path / "run.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "listed-lora-1" in page
    assert CliRunner().invoke(command, [*named, "pdf"]).exit_code == 2
