"""Which suites apply to a model, and their tasks: gate's, the team's, and those made of what was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gate.errors import UsageError
from gate.evaluation.hub_groups import taken_apart
from gate.evaluation.task import Suite, merged
from gate.evaluation.task_document import SUITES, SuiteName
from gate.folders import Folders
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Training
from gate.provenance.trust import Trust
from gate.snapshots.open import Snapshot, opened


@dataclass(frozen=True, slots=True)
class Applied:
    """Suites that are ready to run."""

    suites: tuple[Suite, ...]
    notes: tuple[str, ...] = ()
    """Which of the four do not apply, and why: sentences without their full stops."""


def trained_on(training: Statement, ledger: Ledger, trust: Trust) -> list[Snapshot]:
    """The snapshots whose test splits a candidate is measured by: those that it was trained on.

    Raises:
        NotApproved, Damaged, Untrusted: one may not be used.
    """
    about = training.about
    assert isinstance(about, Training)
    return [opened(ledger, trust, each.snapshot) for each in about.snapshots if each.role == "train"]


def applied_suites(
    names: Sequence[SuiteName] | None,
    *,
    training: Statement | None,
    snapshots: Sequence[Snapshot],
    ledger: Ledger,
    trust: Trust,
    folders: Folders,
    allow_code: Sequence[str] = (),
) -> Applied:
    """The suites that are asked for, or all that apply.

    Args:
        names: of suites that have to apply; None: all that do.
        training: of the candidate that everything is measured for: rows and canaries of the memorization suite.
        snapshots: of whose test splits the regression suite is made, beside the team's own tasks.
        folders: where `rules/suites` is looked for.
        allow_code: `SUITE/FILE.py@DIGEST` of Python that tasks may run.

    Raises:
        UsageError: one that was asked for does not apply, or none does.
        PolicyError: a suite does not say something gate can do.
        NotApproved, Damaged: what the candidate was trained on may not be used.
    """
    from gate.evaluation.suite_files import read_suite

    found: list[Suite] = []
    notes: list[str] = []
    for name in dict.fromkeys(names or SUITES):
        parts: list[Suite] = []
        missing = _NOTHING[name]
        for make in _made(name, training, snapshots, ledger, trust, folders):
            try:
                parts.append(make())
            except UsageError as error:  # there is nothing to make it of
                missing = error.what
        if folders.find(f"rules/suites/{name}/{name}.yaml") is not None:
            parts.append(read_suite(name, folders, allow_code=allow_code))
        parts = [each for each in parts if each.tasks]
        if parts:
            found.append(taken_apart(parts[0] if len(parts) == 1 else merged(name, parts)))
        elif names is not None:
            raise UsageError(f"the suite {name} does not apply: {missing}", remedy=_REMEDY[name])
        else:
            notes.append(f"{name} is left out: {missing}")
    if not found:
        raise UsageError(
            "no suite applies", remedy="name a snapshot (--snapshot) or a run (--for) whose tasks are meant"
        )
    return Applied(tuple(found), tuple(notes))


def _made(
    name: SuiteName,
    training: Statement | None,
    snapshots: Sequence[Snapshot],
    ledger: Ledger,
    trust: Trust,
    folders: Folders,
) -> list[Callable[[], Suite]]:
    """What makes the tasks of a suite that are not read from files."""
    from gate.evaluation.memorization import memorization_suite
    from gate.evaluation.snapshot_rules import snapshot_task_rules
    from gate.evaluation.snapshot_tasks import snapshot_suites

    makers: list[Callable[[], Suite]] = []
    if name == "regression" and snapshots:
        makers.append(lambda: snapshot_suites(snapshots, rules=snapshot_task_rules(folders)))
    if name == "memorization" and training is not None:
        makers.append(lambda: memorization_suite(training, ledger, trust, folders))
    return makers


_NOTHING: dict[SuiteName, str] = {
    "regression": "its tasks are made of a test split, and there is none",
    "forgetting": "rules/suites/forgetting is not there",
    "safety": "rules/suites/safety is not there",
    "memorization": "it asks for what a candidate was trained on, and this is none",
}
_REMEDY: dict[SuiteName, str] = {
    "regression": "--snapshot NAME or --for RUN says whose test split, or write rules/suites/regression/",
    "forgetting": "install llm-gate again",
    "safety": "install llm-gate again",
    "memorization": "--for RUN says whose training rows",
}
