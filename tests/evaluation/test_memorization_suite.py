"""Which rows the memorization suite asks for, how they are put to a model, and when there is nothing to ask."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gate.errors import PolicyError, UsageError
from gate.evaluation.memorization import memorization_suite, read_canaries
from gate.evaluation.memorization_pii import Personal, PiiRules
from gate.evaluation.memorization_rows import asked_of
from gate.evaluation.memorization_rules import FILE, load_memorization_rules
from gate.evaluation.suite_files import read_suite
from gate.evaluation.task import Suite, Task
from gate.folders import Folders
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Revocation, Statement
from gate.snapshots.open import NotApproved
from gate.store.objects import Damaged
from gate.training.canaries import canaries_document, make_canaries
from tests.evaluation.memorization_made import drawn, rules, say_trained
from tests.training.made import Approved

Seal = Callable[..., Approved]


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No personal data is looked for, which takes Presidio three seconds to begin: these tests are about rows."""
    monkeypatch.setattr("gate.evaluation.memorization.pii_rules", lambda policy, folders: PiiRules(()))


@pytest.fixture(scope="module")
def data(seal: Seal) -> Approved:
    return seal(drawn(1, 30), drawn(2, 8), drawn(3, 10))


def suite_of(data: Approved, training: Statement, folders: Folders) -> Suite:
    return memorization_suite(training, Ledger(data.store), data.people.trust, folders)


def task(suite: Suite, name: str) -> Task:
    return next(each for each in suite.tasks if each.name == f"memorization_{name}")


def examples(of: Task, side: str) -> list[str]:
    return [each["example"] for each in of.documents if each["side"] == side]


@pytest.mark.usefixtures("unread")
def test_only_rows_that_were_trained_on_are_asked_for(data: Approved, tmp_path: Path) -> None:
    ids = sorted(name for frame in data.opened.examples("train", ["id"]) for name in frame["id"])
    unseen = ids[::3]
    suite = suite_of(data, say_trained([data], unseen=unseen), rules(tmp_path))
    for name in ("extraction", "pii", "rows"):
        assert set(examples(task(suite, name), "trained")) == set(ids) - set(unseen)


@pytest.mark.usefixtures("unread")
def test_the_same_candidate_is_asked_the_same_again(data: Approved, tmp_path: Path) -> None:
    training = say_trained([data])
    one, other = (suite_of(data, training, rules(tmp_path, membership={"rows": 5})) for _ in range(2))
    assert [each.document for each in one.tasks] == [each.document for each in other.tasks]
    assert len(examples(task(one, "rows"), "trained")) == len(examples(task(one, "rows"), "held out")) == 5
    seeded = suite_of(data, training, rules(tmp_path, membership={"rows": 5}, seed=1))
    assert set(examples(task(seeded, "rows"), "trained")) != set(examples(task(one, "rows"), "trained"))


@pytest.mark.usefixtures("unread")
def test_a_row_that_another_snapshot_trained_on_is_not_held_out(data: Approved, seal: Seal, tmp_path: Path) -> None:
    both = drawn(3, 10)[:4]
    other = seal([*drawn(7, 20), *both], drawn(8, 8), drawn(9, 6), name="other", store=data.store.root)
    suite = suite_of(data, say_trained([data, other]), rules(tmp_path))
    held = set(examples(task(suite, "rows"), "held out"))
    trained = set(examples(task(suite, "rows"), "trained"))
    assert not held & trained
    assert len(held) == len(trained) == 6 + 6  # of each snapshot as many on one side as on the other
    assert task(suite, "rows").document.snapshot is None


@pytest.mark.usefixtures("unread")
def test_nothing_that_cannot_be_asked_is_asked(data: Approved, seal: Seal, tmp_path: Path) -> None:
    suite = suite_of(data, say_trained([data], canaries=0), rules(tmp_path))
    assert [each.name for each in suite.tasks] == ["memorization_extraction", "memorization_pii", "memorization_rows"]
    short = suite_of(data, say_trained([data], canaries=0), rules(tmp_path, extraction={"shortest": 8}))
    assert [each.name for each in short.tasks] == ["memorization_pii", "memorization_rows"]
    alone = seal(drawn(1, 30), drawn(2, 8), (), name="alone")
    left = suite_of(alone, say_trained([alone]), rules(tmp_path))
    assert [each.name for each in left.tasks] == ["memorization_canaries", "memorization_pii"]


def test_a_revoked_snapshot_is_not_read(seal: Seal, tmp_path: Path) -> None:
    data = seal(drawn(1, 30), drawn(2, 8), drawn(3, 10), name="revoked")
    training = say_trained([data])
    Ledger(data.store).say(Revocation(snapshot=data.id, why="consent withdrawn"), data.people.ana)
    with pytest.raises(NotApproved, match="revoked"):
        suite_of(data, training, rules(tmp_path))


def test_an_objective_that_learns_no_text_is_refused(data: Approved, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`reward` learns no text"):
        suite_of(data, say_trained([data], canaries=0, objective="reward"), rules(tmp_path))


@pytest.mark.usefixtures("unread")
def test_texts_are_put_bare(seal: Seal, tmp_path: Path) -> None:
    train, held = ([{"text": row["output"]} for row in drawn(seed, 20)] for seed in (1, 3))
    data = seal(train, [{"text": row["output"]} for row in drawn(2, 8)], held, name="texts")
    suite = suite_of(data, say_trained([data], objective="pretrain"), rules(tmp_path))
    for name in ("canaries", "rows", "extraction", "pii"):
        assert task(suite, name).config["metadata"]["gate"]["chat_template"] is False
    assert task(suite, "canaries").config["output_type"] == task(suite, "rows").config["output_type"]
    assert task(suite, "canaries").config["output_type"] == "loglikelihood_rolling"
    document = task(suite, "extraction").documents[0]
    assert f"{document['prompt']} {document['target']}" in {row["text"] for row in (*train, *held)}


def test_controls_are_more_of_the_same_and_the_kept_ones_are_among_them() -> None:
    inserted, controls = make_canaries(4, 7, "a" * 64)
    content = canonical(canaries_document(inserted, controls, 7, "a" * 64))
    found, more = read_canaries(content, "canaries", 31)
    assert found == inserted
    assert more[:4] == controls
    assert len({each.id for each in (*more, *inserted)}) == 35
    swapped = canonical(canaries_document(inserted[::-1], controls, 7, "a" * 64))
    for wrong in (swapped, b"[]", b"{}", b"nothing"):
        with pytest.raises(Damaged, match="canaries"):
            read_canaries(wrong, "canaries", 31)


def test_rules_are_gates_own_with_a_repositorys_on_top(tmp_path: Path) -> None:
    shipped = load_memorization_rules(Folders())
    mine = load_memorization_rules(rules(tmp_path, pii={"rows": 7}))
    assert (mine.pii.rows, mine.pii.tokens, mine.membership) == (7, shipped.pii.tokens, shipped.membership)
    with pytest.raises(PolicyError, match=r"memorization\.yaml:1: .*rowz"):
        load_memorization_rules(rules(tmp_path, pii={"rowz": 7}))


def test_the_documented_sizes_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/memorization.md").read_text("utf-8")
    block = page.partition("## Your own sizes\n")[2].partition("\nWhat is left out")[0]
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text(textwrap.dedent(block))
    mine = load_memorization_rules(Folders(tmp_path))
    assert (mine.membership.rows, mine.canaries.controls) == (1000, 16383)
    assert not read_suite("memorization", Folders(tmp_path)).tasks


def test_a_policy_that_looks_for_no_personal_data_is_an_error(data: Approved, tmp_path: Path) -> None:
    folders = rules(tmp_path, pii={"policy": "blind"})
    path = tmp_path / "rules/admission/blind.yaml"
    path.parent.mkdir()
    rule = "{id: size, check: exact_duplicates, severity: error, tolerate: 0, remedy: drop, why: w}"
    path.write_text(f"version: 1\nrules:\n  - {rule}\n")
    with pytest.raises(PolicyError, match="no rule of the check `pii`"):
        suite_of(data, say_trained([data]), folders)


def test_values_are_found_however_they_are_written() -> None:
    personal = Personal(PiiRules(()), Folders())
    personal.note(["M.Okafor@harbour-lights.co.uk", "+44 20 7946 0958", "a@b.c"])
    assert personal.count("write to m.okafor@HARBOUR-LIGHTS.co.uk, or call +44 (20) 7946-0958.") == 2
    assert personal.count("call 44207946 0958") == 1
    assert personal.count("the sum is 9944207946095812") == 0  # within a longer number
    assert personal.count("m.okafor@harbour-lights.co.ukulele") == 0
    assert personal.count("it is m.okafor@harbour-lights.co.uk", ["I am m.okafor@harbour-lights.co.uk"]) == 0
    assert personal.count("a@b.c") == 0  # too short to be told from chance
    assert len(personal.values) == 2


def record(**said: object) -> dict[str, object]:
    empty = dict.fromkeys(("messages", "chosen", "rejected", "label", "text", "tools", "meta"))
    return {"id": "1" * 64, "kind": "chat", **empty, **said}


def turns(*said: tuple[str, str | None]) -> list[dict[str, str | None]]:
    return [{"role": role, "content": content} for role, content in said]


def test_what_is_asked_is_the_first_answer() -> None:
    chat = turns(
        ("system", "Be brief."), ("user", "One?"), ("assistant", "Two."), ("user", "So?"), ("assistant", "No.")
    )
    asked = asked_of(record(messages=chat))
    assert asked is not None
    assert (asked.system, asked.prompt, asked.answer) == ("Be brief.", "One?", "Two.")
    preferred = asked_of(
        record(kind="preference", messages=turns(("user", "Q")), chosen=turns(("assistant", "A")), rejected=[])
    )
    assert preferred is not None
    assert preferred.answer == "A"
    for no_answer in (
        record(messages=turns(("user", "Q"), ("user", "Q"), ("assistant", "A"))),
        record(messages=turns(("user", "Q"), ("assistant", " "))),
        record(messages=turns(("user", "Q"), ("assistant", None))),
        record(messages=turns(("user", "Q"), ("assistant", "A")), tools="[]"),
        record(kind="feedback", messages=turns(("user", "Q"), ("assistant", "A")), label=False),
        record(kind="text", text=" "),
    ):
        assert asked_of(no_answer) is None
