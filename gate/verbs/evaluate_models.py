"""Which models `gate eval` scores on what: named ones, the base beneath a candidate, and the champion beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gate.errors import GateError, UsageError
from gate.evaluation.applied import Applied, applied_suites, trained_on
from gate.evaluation.harness import OnTask
from gate.evaluation.outcome import Measured, Role, Scored
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject, base_of, find_subject, remote_subject
from gate.evaluation.task import Suite
from gate.evaluation.task_document import SuiteName
from gate.folders import Folders
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import ModelRef, Statement
from gate.provenance.trust import Trust
from gate.snapshots.open import Snapshot, opened

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Watching:
    """Who is told how far it is."""

    on_stage: Callable[[str, int, int], None] = lambda stage, done, total: None
    on_suite: Callable[[Subject, Suite, Settings], None] = lambda subject, suite, settings: None
    """A suite begins."""
    on_task: OnTask = lambda task, done, total: None
    on_scored: Callable[[Scored], None] = lambda scored: None
    on_note: Callable[[str], None] = lambda note: None


@dataclass(frozen=True, slots=True)
class Here:
    """What a call works with."""

    ledger: Ledger
    trust: Trust
    signer: Signer
    folders: Folders
    allow_code: tuple[str, ...]
    base: Path | None
    url: str | None
    watching: Watching
    names: tuple[SuiteName, ...] | None


@dataclass(slots=True)
class Work:
    """A model, and what it is to be scored on."""

    subject: Subject
    suites: list[Suite] = field(default_factory=list)

    def add(self, suites: Sequence[Suite]) -> None:
        for suite in suites:
            if all(_same(suite, other) is False for other in self.suites):
                self.suites.append(suite)


def planned(
    given: Sequence[str],
    here: Here,
    for_run: str | None,
    snapshots: Sequence[str],
    with_base: bool,
    with_champion: bool,
    prompts: bool,
) -> tuple[list[Work], list[Measured], list[str]]:
    """Which model is scored on what, and which are compared."""
    ledger, trust, stage = here.ledger, here.trust, here.watching.on_stage
    champion_named = _champion(ledger, trust) if CHAMPION in given else None
    found: list[Subject] = []
    for number, what in enumerate(given):
        stage("verifying", number, len(given) + 1)
        subject = champion_named if what == CHAMPION and champion_named is not None else _subject(what, here)
        if all(subject.model != other.model for other in found):
            found.append(subject)
    leading = None if for_run is None else find_subject(for_run, ledger.store, ledger, trust=trust, base=here.base,
                                                        allow_code=here.allow_code)  # fmt: skip
    stage("verifying", len(given), len(given) + 1)
    leaders = [
        each for each in found if each.training and (champion_named is None or each.model != champion_named.model)
    ]
    if leading is not None:
        leaders = [each for each in leaders if each.model != leading.model] + [leading]
    if not leaders and champion_named is not None and not snapshots:
        leaders = [champion_named]
    if prompts and any(each.training for each in found):
        raise UsageError(
            "prompt baselines are of the untouched base, and a candidate is named",
            remedy=f"gate eval --for {next(each.name for each in found if each.training)} --shots …",
        )
    work: dict[str, Work] = {}
    together: list[Measured] = []
    notes: list[str] = []

    def add(subject: Subject, suites: Sequence[Suite]) -> None:
        work.setdefault(subject.model, Work(subject)).add(suites)

    for leader in leaders:
        assert leader.training is not None
        applied = _applied(here, ledger.statement(leader.training), snapshots)
        notes += [each for each in applied.notes if each not in notes]
        members: dict[Role, Subject] = {"candidate": leader}
        if any(each.model == leader.model for each in found):
            add(leader, applied.suites)
        if (with_base or not given or prompts) and here.url is None and leader.base is not None:
            members["base"] = next(
                (each for each in found if each.model == leader.base), None
            ) or base_of(leader, ledger, trust, here.base, here.allow_code)  # fmt: skip
            add(members["base"], applied.suites)
        champion = champion_named or (_champion_if(here, notes) if with_champion and not prompts and given else None)
        if champion is not None and champion.model != leader.model and here.url is None:
            members["champion"] = champion
            add(champion, applied.suites)
        for each in found:
            if each.training is None:
                add(each, applied.suites)
        together.append(Measured(leader.name, members))
    if not leaders:
        applied = _applied(here, None, snapshots)
        notes += applied.notes
        for each in found:
            add(each, applied.suites)
            together.append(Measured(None, {"model": each}))
    stage("verifying", len(given) + 1, len(given) + 1)
    return list(work.values()), together, notes


def _subject(what: str, here: Here) -> Subject:
    try:
        found = find_subject(
            what, here.ledger.store, here.ledger, trust=here.trust, base=here.base, allow_code=here.allow_code
        )
    except UsageError:
        if here.url is None:
            raise
        return remote_subject(what, here.url)
    return found if here.url is None else replace(found, form="remote")


def _applied(here: Here, training: Statement | None, snapshots: Sequence[str]) -> Applied:
    ledger, trust = here.ledger, here.trust
    splits: list[Snapshot] = [opened(ledger, trust, each) for each in snapshots]
    if not splits and training is not None and (here.names is None or "regression" in here.names):
        splits = trained_on(training, ledger, trust)
    return applied_suites(
        here.names, training=training, snapshots=splits, ledger=ledger, trust=trust, folders=here.folders,
        allow_code=here.allow_code,
    )  # fmt: skip


def _champion(ledger: Ledger, trust: Trust) -> Subject | None:
    """The model that the name `champion` stands for; None where no model has it.

    Raises:
        Untrusted: it was not given by a trusted person.
        GateError: its files are not here, or are others.
    """
    if CHAMPION not in ledger.store.refs():
        return None
    ref = ledger.ref(CHAMPION)
    if not isinstance(ref.about, ModelRef):
        return None
    trust.vouched(ref)
    return find_subject(ref.about.model, ledger.store, ledger, trust=trust)


def _champion_if(here: Here, notes: list[str]) -> Subject | None:
    """The champion where there is one and its files are here; else a note."""
    try:
        return _champion(here.ledger, here.trust)
    except GateError as error:
        note = f"the champion is not scored: {error.what}"
        if note not in notes:
            notes.append(note)
        return None


def _same(one: Suite, other: Suite) -> bool:
    return one.name == other.name and [each.document for each in one.tasks] == [each.document for each in other.tasks]
