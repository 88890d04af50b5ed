"""What a model was scored on is erased with the example that it was made of: texts go, hashes and scores stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from gate.evaluation.items import ITEMS
from gate.evaluation.record import put_task
from gate.evaluation.results import open_evaluation
from gate.evaluation.resume import Unfinished
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Task
from gate.evaluation.task_document import Metric, TaskDocument
from gate.promotion.chain import evaluation_links
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Erasure, Evaluation, Promotion, Statement
from gate.snapshots.erased_rows import ITEMS as COLUMNS
from gate.snapshots.erased_rows import TEXTS, carried_out, kind_of
from gate.snapshots.erasure_plan import ERASED_REPORT, ERASED_RESULT, plan
from gate.snapshots.reach import reach
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.snapshots.verification import Verifier
from gate.store.objects import Damaged, Store
from gate.verbs.erase import erase
from tests.evaluation.memorization_made import drawn, say_trained
from tests.training.made import Approved

SECRET = "keep quiet"


@dataclass(frozen=True)
class Scored:
    """A snapshot, an evaluation on its test split, and a promotion that rests on it."""

    data: Approved
    evaluation: Statement
    promotion: Statement
    example: str
    """Content id of the first of its items."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.data.store)

    @property
    def erasures(self) -> list[Statement]:
        return trusted_erasures(self.ledger.all(), self.data.people.trust)

    def erase(self) -> None:
        people = self.data.people
        erase([self.example], why="request 7", signer=people.ana, store=self.data.store, trust=people.trust)


def frame(ids: list[str]) -> pl.DataFrame:
    texts = [{name: f"{name} {at} {SECRET}" for name in TEXTS} for at in range(len(ids))]
    rows = [
        {
            "index": at, "doc_hash": f"{at:064x}", "prompt_hash": f"{at:064x}", "target_hash": f"{at:064x}",
            "example": name, **texts[at], "scores": [{"metric": "exact_match", "value": float(at % 2)}],
        }
        for at, name in enumerate(ids)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ITEMS)


@pytest.fixture
def scored(original: Scored, tmp_path: Path) -> Scored:
    """A copy, to be erased from."""
    shutil.copytree(original.data.store.root, tmp_path / ".gate")
    return replace(original, data=replace(original.data, store=Store(tmp_path / ".gate")))


@pytest.fixture(scope="module")
def original(seal: Callable[..., Approved]) -> Scored:
    data = seal(drawn(1, 30), drawn(2, 8), drawn(3, 6), name="erased")
    ledger, store, ana = Ledger(data.store), data.store, data.people.ana
    training = say_trained([data], canaries=0)
    ids = sorted(name for part in data.opened.examples("test", ["id"]) for name in part["id"])
    metric = Metric(name="exact_match", binary=True, scorer="exact_match@1")
    document = TaskDocument(
        task="answers", suite="regression", about="Answers.", source="snapshot", config={}, data="d" * 64,
        metrics=[metric], primary="exact_match", snapshot=data.id,
    )  # fmt: skip
    settings, subject = Settings(), Subject("candidate", "full", training.about.model, base="b" * 64)  # type: ignore[attr-defined]
    about = Evaluation(
        name="candidate", model=subject.model, form="full", base="b" * 64, training=training.digest, suite="regression",
        tasks=[put_task(store, subject, settings, Task(document, {}), frame(ids))],
        settings=store.put(canonical(settings.model_dump(mode="json")), "json"), environment=store.put(b"{}", "json"),
        seconds=1,
    )  # fmt: skip
    evaluation = ledger.say(about, ana)
    promotion = Promotion(
        name="candidate", model=subject.model, training=training.digest, base="b" * 64, first=True,
        evaluations=[evaluation.digest], policy=store.put(b"{}", "json"), criteria_changed=True, verdict="fail",
        reasons=["It lost."], result=store.put(canonical({"shown": SECRET}), "json"),
        report=store.put(f"<p>{SECRET}".encode(), "html"),
    )  # fmt: skip
    return Scored(data, evaluation, ledger.say(promotion, ana), ids[0])


def test_the_columns_are_those_of_items() -> None:
    assert tuple(ITEMS) == COLUMNS


def test_texts_go_and_what_was_scored_stays(scored: Scored) -> None:
    before = open_evaluation(scored.ledger, scored.evaluation)
    scored.erase()
    with pytest.raises(Damaged):
        open_evaluation(scored.ledger, scored.evaluation)
    after = open_evaluation(scored.ledger, scored.evaluation, scored.erasures)
    was, now = before.tasks["answers"].items, after.tasks["answers"].items
    assert now.drop(TEXTS).equals(was.drop(TEXTS))
    assert now.filter(pl.col("example") == scored.example).select(TEXTS).row(0) == ("", "", "")
    others = pl.col("example") != scored.example
    assert now.filter(others).equals(was.filter(others))


def test_nothing_in_the_store_quotes_it(scored: Scored) -> None:
    scored.erase()
    store, about = scored.data.store, scored.promotion.about
    assert isinstance(about, Promotion)
    for each in store.objects():
        if each.kind == "parquet":
            content = store.path(each.digest, each.kind).read_bytes()
            if kind_of(content) == "items":
                rows = pl.read_parquet(content).filter(pl.col("example") == scored.example)
                assert set(rows.select(TEXTS).row(0)) == {""}
        else:
            assert SECRET.encode() not in store.path(each.digest, each.kind).read_bytes()
    objects = Objects(store, scored.erasures)
    assert objects.read(about.report, "html", cut=True).content == ERASED_REPORT
    assert objects.read(about.result, "json", cut=True).content == ERASED_RESULT


def test_what_was_never_sealed_goes_whole(scored: Scored) -> None:
    store = scored.data.store
    unfinished = Unfinished.of(store)
    task = open_evaluation(scored.ledger, scored.evaluation).tasks["answers"]
    others = task.items.with_columns(prompt=pl.lit("another prompt"))
    unfinished.keep("a" * 64, task.document, task.items)  # which is sealed as well
    unfinished.keep("b" * 64, task.document, others)
    before = {each.digest for each in store.objects()}
    scored.erase()
    assert unfinished.find("a" * 64, task.document) is None
    assert unfinished.find("b" * 64, task.document) is None
    left = [pl.read_parquet(store.path(each.digest, "parquet")) for each in store.objects() if each.kind == "parquet"]
    assert not any("prompt" in one.columns and "another prompt" in one["prompt"] for one in left)
    assert before - {each.digest for each in store.objects()}


def test_what_is_left_still_verifies(scored: Scored) -> None:
    scored.erase()
    ledger, trust = scored.ledger, scored.data.people.trust
    (erasure,) = (one for one in ledger.all() if isinstance(one.about, Erasure))
    assert isinstance(erasure.about, Erasure)
    assert [link.state for link in carried_out(Objects(scored.data.store, scored.erasures), erasure.about)] == [
        "erased"
    ]
    links = evaluation_links(Verifier(ledger, trust), scored.evaluation)
    assert [link.state for link in links if link.what == "items"] == ["whole"]
    assert not reach(ledger.store, ledger.all()).missing


def test_what_still_quotes_it_is_no_carried_out_erasure(scored: Scored) -> None:
    """An object that stands for another and says as much as that did."""
    scored.erase()
    task = scored.evaluation.about.tasks[0]  # type: ignore[attr-defined]
    store = scored.data.store
    whole = frame([scored.example])
    replaced = store.put(
        whole.write_parquet(path := Path(store.root) / "whole.parquet") or path.read_bytes(), "parquet"
    )
    about = Erasure(examples=[scored.example], objects={task.items: replaced}, snapshots=[], why="a lie")
    lie = scored.ledger.say(about, scored.data.people.ana)
    links = carried_out(Objects(store, [*scored.erasures, lie]), about)
    assert [link.state for link in links] == ["broken"]


def test_an_erasure_that_was_broken_off_is_finished(scored: Scored) -> None:
    scored.erase()
    assert plan(scored.ledger, [scored.example], scored.data.people.trust).empty
    about = scored.promotion.about
    assert isinstance(about, Promotion)
    scored.data.store.put(f"<p>{SECRET}".encode(), "html")  # as if it had not been removed
    left = plan(scored.ledger, [scored.example], scored.data.people.trust)
    assert about.report in {digest for digest, _ in left.left}
