"""What the tests of promotion are made of: a store with an approved snapshot, runs on it, and scores to order.

The snapshot, the statements and every object are real and whole; what models "answered" is made up item by item, so
that each case that a decision has to tell apart is there in a moment.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from gate.evaluation.items import ITEMS
from gate.evaluation.record import Ran, seal_evaluation
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.evaluation.task import Task
from gate.evaluation.task_document import Metric, SuiteName, TaskDocument
from gate.provenance.keys import PrivateKey
from gate.provenance.ledger import Ledger
from gate.provenance.statements import OutputFile, Statement, Training
from gate.store.objects import Store
from gate.training.model_files import hashed_files, model_digest
from gate.verbs.people import approve
from gate.verbs.promote import Promoted, promote
from tests.snapshots.made import People

EXACT = Metric(name="exact_match", binary=True, scorer="lm_eval")
BITS = Metric(name="bits_per_byte", binary=False, higher_is_better=False, scorer="lm_eval")

POLICY = """
version: 1
champion: champion
alpha: 0.05
demands:
  - id: task
    suite: regression
    against: base
    better: {by: 0}
    why: it has to be better
  - id: forgetting
    suite: forgetting
    against: both
    no_worse: {margin: 0.03, margins: {bits_per_byte: 0.05}}
    why: it may not forget
waivable: [forgetting]
test_uses: {warn: 2}
repeat: {required: false}
"""

N = 400
Right = Sequence[bool]
"""Of each item whether the answer was right."""


def right(share: float, n: int = N) -> list[bool]:
    """The first items of a share right, the others wrong."""
    return [at < round(share * n) for at in range(n)]


def document(task: str, suite: SuiteName, metric: Metric = EXACT, *, data: str = "") -> TaskDocument:
    """A task's document; `data` makes it another task of the same name."""
    digest = hashlib.sha256(f"{task}{data}".encode()).hexdigest()
    return TaskDocument(
        task=task, suite=suite, about=f"Questions of {task}.", source="suite",
        config={"task": task, "output_type": "generate_until"}, data=digest, metrics=[metric], primary=metric.name,
    )  # fmt: skip


def items(task: str, scores: Sequence[float], metric: Metric = EXACT, *, prompts: str = "") -> pl.DataFrame:
    """The items of a task with these scores."""
    rows = [
        {
            "index": at, "doc_hash": _sha(f"{task}{at}"), "prompt_hash": _sha(f"{prompts}{task}{at}?"),
            "target_hash": _sha(f"{task}{at}!"), "example": None, "cluster": None, "slice": None,
            "prompt": f"{task} {at}?", "target": str(at), "output": str(at if score else at + 1),
            "scores": [{"metric": metric.name, "value": float(score)}],
        }
        for at, score in enumerate(scores)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ITEMS)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Shop:
    """A store in which candidates are judged."""

    store: Store
    people: People
    training: Statement
    """Of the run `first`."""
    policy: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store)

    @property
    def base(self) -> str:
        return self.of(self.training).base

    @staticmethod
    def of(training: Statement) -> Training:
        assert isinstance(training.about, Training)
        return training.about

    def copied(self, folder: Path) -> Shop:
        """The same in a store of one's own."""
        shutil.copytree(self.store.root, folder / ".gate")
        return replace(self, store=Store(folder / ".gate"))

    def run(self, name: str, **changes: object) -> Statement:
        """Another run with a candidate of its own; the training statement."""
        runs = self.store.root / "runs"
        shutil.copytree(runs / "first", runs / name)
        folder = runs / name / "candidate"
        (folder / "model.safetensors").write_bytes(hashlib.sha256(name.encode()).digest())
        files = hashed_files(folder)
        outputs = {path: OutputFile(sha256=each, bytes=(folder / path).stat().st_size) for path, each in files.items()}
        about = self.of(self.training).model_copy(
            update={"name": name, "model": model_digest(files), "outputs": outputs} | changes
        )
        said = self.ledger.say(about, self.people.ana)
        state = (runs / name / "state.json").read_text()
        one = self.of(self.training)
        state = state.replace(self.training.digest, said.digest).replace(one.model, about.model)
        (runs / name / "state.json").write_text(state)
        return said

    def score(
        self,
        who: Statement | str,
        suite: SuiteName,
        tasks: Mapping[str, Sequence[float]],
        *,
        signer: PrivateKey | None = None,
        settings: Settings | None = None,
        metric: Metric = EXACT,
        data: str = "",
        prompts: str = "",
        baseline: Mapping[str, object] | None = None,
        repeat: str | None = None,
        device: str = "cpu",
    ) -> Statement:
        """An evaluation of a candidate (its training statement) or of the base (its digest)."""
        if isinstance(who, str):
            subject = Subject("tiny-base", "base", who)
        else:
            about = self.of(who)
            subject = Subject(about.name, "full", about.model, base=about.base, training=who.digest)
        ran = [
            Ran(
                Task(document(name, suite, metric, data=data), {}), "", items(name, scores, metric, prompts=prompts), {}
            )
            for name, scores in tasks.items()
        ]
        return seal_evaluation(
            subject, suite, ran, settings or Settings(), {"device": device}, self.ledger, signer or self.people.ana,
            prompts=baseline, repeat=repeat,
        )  # fmt: skip

    def scored(
        self, who: Statement, *, task: float = 0.9, kept: float = 0.8, base_task: float = 0.5, base_kept: float = 0.8
    ) -> None:
        """A candidate and the base on both suites: shares of right answers."""
        self.score(self.base, "regression", {"faq": right(base_task)})
        self.score(self.base, "forgetting", {"capitals": right(base_kept)})
        self.score(who, "regression", {"faq": right(task)})
        self.score(who, "forgetting", {"capitals": right(kept)})

    def promote(self, name: str = "first", **options: object) -> Promoted:
        """`gate promote` as `ana`."""
        given: dict[str, object] = {
            "policy": self.policy, "store": self.store, "trust": self.people.trust, "signer": self.people.ana,
        }  # fmt: skip
        return promote(name, **given | options)  # type: ignore[arg-type]

    def approve(self, what: str, signer: PrivateKey | None = None) -> None:
        """`gate approve` as `ben`."""
        approve(what, signer=signer or self.people.ben, store=self.store, trust=self.people.trust)

    def promoted(self, name: str = "first", **options: object) -> Promoted:
        """A candidate that became champion."""
        self.approve(self.promote(name, **options).statement.digest)
        return self.promote(name, **options)
