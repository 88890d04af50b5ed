"""An evaluation that was killed goes on with the first task that was not finished, and comes to the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gate.evaluation.harness import key_for, run_suite
from gate.evaluation.record import Ran, put_task
from gate.evaluation.resume import Unfinished, sealed_before
from gate.evaluation.settings import Settings
from gate.provenance.statements import Evaluation
from gate.store.objects import Store
from tests.evaluation.conftest import Scored
from tests.evaluation.made import small_suite

ROOT = Path(__file__).parents[2]

KILLED = """
import sys, time
from pathlib import Path
from gate.evaluation.harness import run_suite
from gate.evaluation.resume import Unfinished
from gate.evaluation.settings import Settings
from gate.evaluation.subject import base_subject
from gate.store.objects import Store
from tests.evaluation.made import small_suite

def wait(task, done, total):
    if task == "capitals" and done > 0:  # half of a task is done
        print("half", flush=True)
        time.sleep(600)

run_suite(base_subject(sys.argv[1]), small_suite(), Settings(), Unfinished.of(Store(Path(sys.argv[2]))), on_task=wait)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / ".gate")


def test_a_killed_evaluation_goes_on_and_comes_to_the_same(scored: Scored, store: Store) -> None:
    command = [sys.executable, "-c", KILLED, os.fspath(scored.base_folder), os.fspath(store.root)]
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    unfinished = Unfinished.of(store)
    assert len(list(unfinished.place.glob("*.json"))) == 1  # of the task that was finished, and of no half of one
    ran = run_suite(scored.base, small_suite(), scored.settings, unfinished)
    assert [each.kept for each in ran] == [True, False, False]
    about = scored.statements["base"].about
    assert isinstance(about, Evaluation)
    assert [_put(store, scored, each) for each in ran] == list(about.tasks)  # never interrupted


def _put(store: Store, scored: Scored, ran: Ran) -> object:
    return put_task(store, scored.base, scored.settings, ran.task, ran.items)


def test_only_whole_and_unchanged_results_are_found_again(scored: Scored, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    unfinished, task = Unfinished.of(own.store), own.suite.tasks[0]
    key = key_for(own.base, task, own.settings)
    index = unfinished.place / f"{key}.json"
    assert unfinished.find(key, task.document) is not None
    whole = index.read_bytes()
    for content in (whole[: len(whole) // 2], b"", whole.replace(b'"n":60', b'"n":59')):
        index.write_bytes(content)
        assert unfinished.find(key, task.document) is None
    index.write_bytes(whole)
    assert unfinished.find(key, own.suite.tasks[1].document) is None  # of another task
    objects = [path for path in (own.store.root / "objects").glob("??/*.parquet") if path.stem.encode() in whole]
    objects[0].chmod(0o644)
    objects[0].write_bytes(b"something else")
    assert unfinished.find(key, task.document) is None
    objects[0].unlink()
    assert unfinished.find(key, task.document) is None


def test_another_model_task_or_setting_is_another_key(scored: Scored) -> None:
    base, task, settings = scored.base, scored.suite.tasks[0], scored.settings
    keys = [
        key_for(base, task, settings),
        key_for(scored.candidate, task, settings),
        key_for(base, scored.suite.tasks[1], settings),
        *(
            key_for(base, task, settings.model_copy(update=change))
            for change in (
                {"batch_size": 8}, {"precision": "bf16"}, {"seed": 1}, {"shots": 0}, {"system": ""},
                {"chat_template": False}, {"device": "cuda"}, {"max_length": 512}, {"backend": "vllm"},
                {"backend_args": {"a": "b"}}, {"url": "http://x"},
            )
        ),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert key_for(base, task, Settings()) == keys[0]


def test_a_finished_suite_needs_no_model_again(scored: Scored, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    for each in (own.store.root / "evaluations").glob("*.json"):
        each.unlink()
    sealed = sealed_before(own.ledger, own.people.trust, own.base.model)
    began = time.monotonic()
    ran = run_suite(own.base, own.suite, own.settings, Unfinished.of(own.store), sealed=sealed)
    assert [each.kept for each in ran] == [True, True, True]
    assert time.monotonic() - began < 5
    own.store.statement_path(own.statements["base"].digest).unlink()
    assert sealed_before(own.ledger, own.people.trust, own.base.model) == {}
