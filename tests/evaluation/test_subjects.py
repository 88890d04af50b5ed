"""Which model is scored: what is sealed and no other, on the base that it was trained on and no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gate.errors import GateError, InputError, UsageError
from gate.evaluation.subject import base_of, find_subject
from gate.provenance.statements import Evaluation, Training
from gate.store.objects import Damaged
from gate.training.release_sources import BaseChanged, Unrecorded
from tests.evaluation.conftest import Scored


def find(scored: Scored, what: object, **options: object) -> object:
    return find_subject(
        str(what), scored.store, scored.ledger, trust=scored.people.trust, **options  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_candidate_is_found_by_run_folder_and_digest(scored: Scored) -> None:
    folder = scored.store.root / "runs" / scored.run
    for what in (scored.run, folder, folder / "candidate", scored.candidate.model[:12]):
        assert find(scored, what) == scored.candidate
    about = scored.ledger.statement(scored.candidate.training or "").about
    assert isinstance(about, Training)
    assert (scored.candidate.model, scored.candidate.base) == (about.model, about.base)


def test_the_base_is_one_by_its_folder_and_through_the_candidate(scored: Scored) -> None:
    assert scored.base.form == "base"
    assert find(scored, scored.base_folder) == scored.base
    assert scored.candidate.base == scored.base.model
    again = base_of(scored.candidate, scored.ledger, scored.people.trust, scored.base_folder, ())
    assert again.model == scored.base.model


def test_a_changed_file_is_noticed(scored: Scored, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    weights = own.store.root / "runs" / own.run / "candidate" / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Damaged, match=r"adapter_model\.safetensors was changed"):
        find(own, own.run)
    with pytest.raises(Unrecorded, match="no training statement"):  # a copy elsewhere, of which nothing says whose
        find(own, shutil.copytree(weights.parent, tmp_path / "elsewhere"))


def test_another_base_is_refused(scored: Scored, tmp_path: Path) -> None:
    other = shutil.copytree(scored.base_folder, tmp_path / "base")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    with pytest.raises(BaseChanged, match="not what candidate-1 was trained from"):
        find(scored, scored.run, base=other)


def test_a_base_that_would_run_code_is_refused(scored: Scored, tmp_path: Path) -> None:
    base = shutil.copytree(scored.base_folder, tmp_path / "base")
    (base / "pytorch_model.bin").write_bytes(b"pickle")
    (base / "model.safetensors").unlink()
    with pytest.raises(InputError, match="only safetensors are loaded"):
        find(scored, base)


@pytest.mark.parametrize("what", ["candidate-2", "no/such/folder/here", "feedbeef"])
def test_a_name_of_nothing_says_what_can_be_named(scored: Scored, what: str) -> None:
    with pytest.raises(GateError) as error:
        find(scored, what)
    assert error.value.exit_code == 2
    assert "name" in str(error.value)


def test_a_hub_that_cannot_be_reached_is_said_so(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="the hub is off"):
        find(scored, "nobody-at-all/nothing-of-this-name")


def test_what_nobody_trusted_trained_is_not_scored(scored: Scored, tmp_path: Path) -> None:
    stranger = tmp_path / "candidate"
    shutil.copytree(scored.candidate.folder or Path(), stranger)
    (stranger / "gate.json").write_text((stranger / "gate.json").read_text() + "\n")
    with pytest.raises(Unrecorded):
        find(scored, stranger)


@pytest.mark.slow
def test_a_released_merged_model_is_scored_as_such(scored: Scored, tmp_path: Path) -> None:
    from gate.evaluation.backends import opened
    from gate.evaluation.harness import score_task
    from gate.evaluation.items import values
    from gate.verbs.release import export

    own = scored.copied(tmp_path)
    released = export(
        own.run, "merged", out=tmp_path / "merged", store=own.store, trust=own.people.trust, signer=own.people.ana
    )
    subject = find_subject(str(released.folder), own.store, own.ledger, trust=own.people.trust)
    assert (subject.form, subject.model) == ("merged", released.release.model)
    assert (subject.training, subject.base) == (own.candidate.training, own.base.model)
    assert base_of(subject, own.ledger, own.people.trust, None, ()).model == own.base.model
    task = own.suite.tasks[1]
    about = own.statements["candidate"].about
    assert isinstance(about, Evaluation)
    with opened(subject, own.settings) as backend:
        items, _ = score_task(task, own.settings, backend, lambda done, total: None)
    # The merged weights differ from the adapter's sum in the last digits, which may turn a tie.
    assert abs(values(items, "acc").mean() - about.tasks[1].scores["acc"]) <= 2 / 32  # type: ignore[operator]
    (released.folder / "config.json").write_text("{}")
    with pytest.raises(GateError):
        find(own, released.folder)


def test_a_classifier_is_no_model_that_writes(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    from gate.evaluation import subject as module

    found = module.find_source(scored.run, 1.0, scored.ledger, scored.people.trust)
    said = found.said.model_copy(update={"kind": "classifier", "labels": ["a", "b"]})
    monkeypatch.setattr(module, "find_source", lambda *_: type(found)(
        found.name, found.folder, found.statement, found.training, said, 1.0))  # fmt: skip
    with pytest.raises(UsageError, match="it classifies, and suites are for models that write"):
        find(scored, scored.run)
