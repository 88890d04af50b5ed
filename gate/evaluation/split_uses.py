"""How often a test split was used: each candidate that was scored on it is one look, and a test split is for one.

A team that tunes until the test score is right has tuned on the test split, whatever else it did. The base is no
candidate: it was not tuned at all. A candidate that is scored again, or on other settings, is the same look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import orjson

from gate.evaluation.task_document import TaskDocument
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.store.objects import Damaged

SOURCES = get_args(TaskDocument.model_fields["source"].annotation)


@dataclass(frozen=True, slots=True)
class SplitUse:
    """A candidate that was scored on a snapshot's test split."""

    training: str
    """Digest of its training statement."""
    name: str
    """The candidate's, as it was named then."""
    model: str
    first: Statement
    """The earliest evaluation."""


def split_uses(ledger: Ledger, trust: Trust, snapshot: str) -> tuple[SplitUse, ...]:
    """The candidates that trusted people scored on a snapshot's test split, in the order of their first evaluation.

    Args:
        snapshot: its id.

    Raises:
        Damaged: a statement of the store cannot be read, or the document of a task is gone or is no such document.
    """
    found: dict[str, SplitUse] = {}
    for statement in sorted(ledger.all(), key=lambda each: (each.made, each.digest)):
        about = statement.about
        if not isinstance(about, Evaluation) or about.training is None or about.training in found:
            continue
        if _vouched(trust, statement) and _asks(ledger, about, snapshot):
            found[about.training] = SplitUse(about.training, about.name, about.model, statement)
    return tuple(found.values())


def _asks(ledger: Ledger, about: Evaluation, snapshot: str) -> bool:
    """Whether an evaluation has a task of the snapshot's test split; several snapshots may be asked about in one."""
    if about.suite != "regression":
        return False
    if about.snapshot == snapshot:
        return True
    return any(_document(ledger, each.document).get("snapshot") == snapshot for each in about.tasks)


def _document(ledger: Ledger, digest: str) -> Mapping[str, object]:
    read = orjson.loads(ledger.store.read(digest, "json"))
    if not isinstance(read, dict) or read.get("source") not in SOURCES:
        raise Damaged("it is not a task", where=ledger.store.name(ledger.store.path(digest, "json")))
    return read if read["source"] == "snapshot" else {}


def _vouched(trust: Trust, statement: Statement) -> bool:
    try:
        trust.vouched(statement)
    except Untrusted:
        return False  # not by anybody whose word counts: neither for nor against
    return True
