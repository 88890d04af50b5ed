"""What steers training does not judge it: a monitor that asks what a suite or the test split asks is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.errors import UsageError
from gate.evaluation.gating import gating_digests, gating_of
from gate.evaluation.suite_files import read_suites
from gate.folders import Folders
from gate.training.retention import check_disjoint, find_suite, item_digest, read_suite
from gate.verbs.train import prepare
from tests.training.made import Approved


def test_gates_own_monitor_and_suites_have_nothing_in_common() -> None:
    digests = gating_digests(read_suites(Folders()))
    items = read_suite(*find_suite("general", Folders()))
    check_disjoint(items, digests)
    assert len(digests) > len(items)


def test_the_test_split_is_asked_about(approved: Approved) -> None:
    digests = gating_of(Folders(), [approved.opened])
    for split, held in (("test", True), ("train", False)):
        asked = [messages[0]["content"] for messages in approved.opened.frame(split)["messages"].to_list()]  # type: ignore[arg-type]
        assert all((item_digest(text) in digests) is held for text in asked)


@pytest.mark.parametrize("judged", [True, False])
def test_training_does_not_start_with_a_monitor_that_judges(
    judged: bool, approved: Approved, tiny_base: Path, tmp_path: Path
) -> None:
    frame = approved.opened.frame("test" if judged else "train")
    asked = frame["messages"].to_list()[0][0]["content"]
    suite = tmp_path / "monitor.jsonl"
    suite.write_text(json.dumps({"id": "one", "prompt": asked.upper(), "answer": "7"}) + "\n", "utf-8")

    def prepared() -> object:
        return prepare(
            approved.id, base=tiny_base, recipe="lora", overrides=[f"monitor.suite={suite}", "max_steps=1"],
            store=approved.store, trust=approved.people.trust_file,
        )  # fmt: skip

    if judged:
        with pytest.raises(UsageError, match="1 of 1 retention items are in a gating suite too: one"):
            prepared()
        assert not (approved.store.root / "runs").exists() or not list((approved.store.root / "runs").glob("*lora*"))
    else:
        assert prepared() is not None
