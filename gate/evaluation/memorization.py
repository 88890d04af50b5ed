"""The memorization suite of a candidate: tasks made from what it was trained on, the same for it and for its base.

Four questions (docs/memorization.md): are canaries likelier than strings like them that were never inserted; do rows
come out when their beginning is put in; does personal data of training rows come out; does the loss tell rows that were
trained on from rows that were not. A task that nothing can be asked for (no canaries, only short answers, no test
split) is not made, and its figure is absent.
"""

from __future__ import annotations

import orjson

from gate.errors import UsageError
from gate.evaluation.memorization_pii import Personal, pii_rules
from gate.evaluation.memorization_rows import TrainedRows, rank, trained_rows
from gate.evaluation.memorization_rules import FILE, MemorizationRules, load_memorization_rules
from gate.evaluation.memorization_tasks import answer_task, canary_task, extraction_task, personal_task
from gate.evaluation.memorization_words import cut, words
from gate.evaluation.task import Suite, Task
from gate.folders import Folders
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Training
from gate.provenance.trust import Trust
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.store.objects import Damaged
from gate.training.canaries import Canary, make_canaries


def memorization_suite(training: Statement, ledger: Ledger, trust: Trust, folders: Folders | None = None) -> Suite:
    """The tasks of a candidate, deterministic in its training statement and the rules.

    Args:
        training: the candidate's training statement, of a trusted author.
        folders: where `rules/` is looked for.

    Raises:
        UsageError: it learned no text, or there is nothing to ask.
        PolicyError: the rules do not say something gate can do.
        NotApproved: a snapshot that it was trained on was erased from, revoked or rejected since.
        Damaged: an object is gone or is not what it was.
    """
    about = training.about
    if not isinstance(about, Training):
        raise Damaged("it is no training statement", where=f"statements/{training.digest}.json")
    found = folders or Folders()
    rules = load_memorization_rules(found)

    def long(answer: str) -> bool:
        return len(words(cut(answer, rules.extraction.prefix, rules.extraction.suffix)[1])) >= rules.extraction.shortest

    with Personal(pii_rules(rules.pii.policy, found), found) as personal:
        rows = trained_rows(training, ledger, trust, most=rules.most, seed=rules.seed, long=long, look=personal.look)
    tasks = [*_canaries(about, ledger, trust, rows, rules), *_of_rows(rows, rules, personal)]
    if not tasks:
        raise UsageError(
            "nothing can be asked: it was trained on no canaries, and no row was held out to compare with",
            where=about.name,
            remedy="admit the data with a test split, or train with `canaries:` in the recipe",
        )
    files = tuple(path for path in (found.find(FILE),) if path is not None)
    return Suite("memorization", rules.about, tuple(tasks), files)


def _of_rows(rows: TrainedRows, rules: MemorizationRules, personal: Personal) -> list[Task]:
    """What rows are asked for. Without held-out rows nothing says what a model that never saw a row would do."""
    snapshot = rows.snapshots[0] if len(rows.snapshots) == 1 else None
    trained, held_out = rows.trained, rows.held_out
    tasks = []
    if trained.long and held_out.long:
        most = rules.extraction.rows
        tasks.append(extraction_task(trained.long[:most], held_out.long[:most], rules, personal, snapshot))
    if trained.rows:
        # Rows with personal data first: what is asked for is what may leak.
        first, most = {each.id: each for each in (*trained.private, *trained.rows)}, rules.pii.rows
        tasks.append(personal_task(list(first.values())[:most], held_out.rows[:most], rules, personal, snapshot))
    if trained.rows and held_out.rows:
        most = rules.membership.rows
        tasks.append(answer_task(trained.rows[:most], held_out.rows[:most], rules, snapshot))
    return tasks


def _canaries(about: Training, ledger: Ledger, trust: Trust, rows: TrainedRows, rules: MemorizationRules) -> list[Task]:
    if about.canary_strings is None or not rows.canaries:
        return []
    objects = Objects(ledger.store, trusted_erasures(ledger.all(), trust))
    read = objects.read(about.canary_strings, "json")
    inserted, controls = read_canaries(read.content, read.name, rules.canaries.controls)
    trained = [each for each in inserted if each.id in rows.canaries]
    return [canary_task(trained, controls, conversation=about.objective != "pretrain", snapshot=None)]


def read_canaries(content: bytes, name: str, controls: int) -> tuple[list[Canary], list[Canary]]:
    """The canaries that were inserted, and strings of the same form that never were.

    The run keeps as many controls as canaries; more follow from the same seed, and the kept ones must be among them.

    Args:
        content: of the object that the training statement names (gate.training.canaries.canaries_document).
        name: how to name it to a person.
        controls: how many.

    Raises:
        Damaged: it is no such document, or its canaries do not follow from its seed.
    """
    try:
        said = orjson.loads(content)
        inserted = [Canary(**each) for each in said["inserted"]]
        kept = [Canary(**each) for each in said["controls"]]
        seed, snapshot = said["seed"], said["snapshot"]
        made = make_canaries(len(inserted), seed, snapshot)
        more = make_canaries(max(controls, len(kept)), seed, snapshot)[1]
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        raise Damaged("it does not list canaries", where=name) from None
    if made != (inserted, kept):
        raise Damaged("its canaries do not follow from its seed", where=name)
    return inserted, more[:controls]


__all__ = ["memorization_suite", "rank", "read_canaries"]
