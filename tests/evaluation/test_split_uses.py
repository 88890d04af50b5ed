"""Every candidate that is scored on a test split is a use of it; the base is none, and nobody's word counts twice."""

from __future__ import annotations

from pathlib import Path

from gate.evaluation.split_uses import split_uses
from gate.provenance.statements import Evaluation, Statement
from tests.evaluation.conftest import Scored


def said(scored: Scored, like: Statement, **changes: object) -> Statement:
    about = like.about
    assert isinstance(about, Evaluation)
    return scored.ledger.say(about.model_copy(update=changes), scored.people.ana)


def test_each_candidate_counts_once(scored: Scored, tmp_path: Path) -> None:
    mine = scored.copied(tmp_path)
    candidate, trust = mine.statements["candidate"], mine.people.trust
    one, other = "1" * 64, "2" * 64
    assert split_uses(mine.ledger, trust, one) == ()
    first = said(mine, candidate, suite="regression", snapshot=one)
    said(mine, candidate, suite="regression", snapshot=one)
    said(mine, mine.statements["base"], suite="regression", snapshot=one)
    said(mine, candidate, suite="memorization", snapshot=other)
    (use,) = split_uses(mine.ledger, trust, one)
    assert (use.name, use.first.digest) == (mine.run, first.digest)
    assert split_uses(mine.ledger, trust, other) == ()
    retrained = mine.ledger.say(mine.ledger.statement(mine.candidate.training or "").about, mine.people.ana)
    said(mine, candidate, suite="regression", snapshot=one, training=retrained.digest, name="candidate-2")
    assert [each.name for each in split_uses(mine.ledger, trust, one)] == [mine.run, "candidate-2"]


def test_nobody_elses_word_counts(scored: Scored, tmp_path: Path) -> None:
    mine = scored.copied(tmp_path)
    about = mine.statements["candidate"].about
    assert isinstance(about, Evaluation)
    stranger = mine.people.eve
    mine.ledger.say(about.model_copy(update={"suite": "regression", "snapshot": "1" * 64}), stranger)
    assert split_uses(mine.ledger, mine.people.trust, "1" * 64) == ()


def test_the_documents_of_tasks_say_it_too(scored: Scored, tmp_path: Path) -> None:
    from gate.evaluation.record import document_bytes

    mine = scored.copied(tmp_path)
    about = mine.statements["candidate"].about
    assert isinstance(about, Evaluation)
    document = mine.suite.tasks[0].document.model_copy(
        update={"source": "snapshot", "suite": "regression", "snapshot": "5" * 64}
    )
    digest = mine.store.put(document_bytes(document), "json")
    tasks = [about.tasks[0].model_copy(update={"document": digest})]
    said(mine, mine.statements["candidate"], suite="regression", snapshot=None, tasks=tasks)
    assert len(split_uses(mine.ledger, mine.people.trust, "5" * 64)) == 1
