"""Evaluations as they are sealed and opened: objects verified, means recomputed, signatures looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from gate.evaluation.results import Evaluated, find_evaluations, open_evaluation
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation
from gate.store.objects import Damaged
from tests.evaluation.conftest import Scored, score


def test_a_candidate_and_its_base_are_scored_on_the_same_items(
    evaluated_base: Evaluated, evaluated_candidate: Evaluated
) -> None:
    assert {name: task.items.height for name, task in evaluated_base.tasks.items()} == {
        "additions": 60, "capitals": 32, "texts": 28,
    }  # fmt: skip
    for name, before in evaluated_base.tasks.items():
        after = evaluated_candidate.tasks[name]
        for column in ("index", "doc_hash", "prompt_hash", "target_hash", "prompt", "target", "cluster", "slice"):
            assert before.items[column].equals(after.items[column], null_equal=True), column
    assert evaluated_base.tasks["additions"].scores.scores["exact_match"] == pytest.approx(0.75, abs=0.1)
    assert evaluated_base.tasks["capitals"].scores.scores["acc"] > 0.8
    assert evaluated_candidate.tasks["texts"].scores.scores != evaluated_base.tasks["texts"].scores.scores


def test_a_statement_names_model_base_training_and_form(scored: Scored, evaluated_candidate: Evaluated) -> None:
    about, base = evaluated_candidate.about, scored.statements["base"].about
    assert isinstance(base, Evaluation)
    assert (about.form, about.name, about.base) == ("adapter", scored.run, base.model)
    assert about.training is not None
    assert (base.form, base.base, base.training) == ("base", None, None)


def test_evaluations_are_found_by_whom_they_are(scored: Scored, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    trust, model = own.people.trust, own.candidate.model
    before = find_evaluations(own.ledger, trust, model)
    assert [each.digest for each in before] == [own.statements["candidate"].digest]
    assert find_evaluations(own.ledger, trust, model, suite="safety") == []
    about = own.statements["candidate"].about
    Ledger(own.store).say(about, own.people.eve)  # nobody trusts her
    assert find_evaluations(own.ledger, trust, model) == before


def test_what_changed_is_never_opened(scored: Scored, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    statement = own.statements["candidate"]
    about = statement.about
    assert isinstance(about, Evaluation)
    path = own.store.path(about.tasks[0].items, "parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(Damaged, match="not what its name says"):
        open_evaluation(own.ledger, statement)
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        open_evaluation(own.ledger, statement)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 61}, "rows"),
        ({"scores": {"exact_match": 1.0}}, "not the means"),
        ({"key": "0" * 64}, "key"),
        ({"task": "capitals"}, "twice"),
        ({"task": "others"}, "another task"),
    ],
)
def test_a_statement_that_its_objects_do_not_bear_out_is_refused(
    scored: Scored, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    own = scored.copied(tmp_path)
    about = own.statements["base"].about
    assert isinstance(about, Evaluation)
    wrong = about.model_copy(update={"tasks": [about.tasks[0].model_copy(update=change), *about.tasks[1:]]})
    with pytest.raises(Damaged, match=said):
        open_evaluation(own.ledger, Ledger(own.store).say(wrong, own.people.ana))


def test_scoring_again_gives_the_same_bytes(scored: Scored, evaluated_base: Evaluated, tmp_path: Path) -> None:
    own = scored.copied(tmp_path)
    again = score(own.store, own.people, own.base, own.suite, own.settings, fresh=True).about
    assert isinstance(again, Evaluation)
    assert again.tasks == evaluated_base.about.tasks
