"""What the suites that judge a model ask, so that nothing that steers training asks the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gate.evaluation.conversations import MESSAGES, conversation
from gate.evaluation.snapshot_items import made_of
from gate.evaluation.suite_files import read_suites
from gate.evaluation.task import Suite
from gate.folders import Folders
from gate.snapshots.open import Snapshot
from gate.training.retention import item_digest


def gating_digests(suites: Iterable[Suite]) -> set[str]:
    """`item_digest`s of all that suites ask: every text of an item, since a question mostly stands in a prompt with
    more around it, and what a user says in a conversation."""
    found: set[str] = set()
    for suite in suites:
        for task in suite.tasks:
            found |= _digests(task.documents)
    return found


def gating_of(folders: Folders, snapshots: Iterable[Snapshot], *, allow_code: Iterable[str] = ()) -> frozenset[str]:
    """The same of everything that a candidate trained on some snapshots will be judged by: the suites as they are found
    here, and the snapshots' test splits.

    Args:
        allow_code: as for `read_suite`.

    Raises:
        PolicyError: a suite does not say something gate can do.
        Damaged: an object of a snapshot is not what it was.
    """
    found = gating_digests(read_suites(folders, allow_code=allow_code))
    for snapshot in snapshots:
        made, _ = made_of(snapshot, "test")
        found |= _digests(each.document for each in made)
    return frozenset(found)


def _digests(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    return {item_digest(text) for document in documents for text in _asked(document)}


def _asked(document: Mapping[str, Any]) -> Iterable[str]:
    for name, value in document.items():
        if name == MESSAGES and isinstance(value, str):
            yield from (each["content"] for each in conversation(document).messages if each["role"] == "user")
        elif isinstance(value, str):
            yield value
