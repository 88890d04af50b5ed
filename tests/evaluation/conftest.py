"""A tiny base and a candidate that was really trained on it, both really scored on a small suite, once a session.

    evaluated_base, evaluated_candidate   an `Evaluated` each, on `small_suite` (120 items), in the store of `scored`
    scored                                the store, the people, the run and the subjects behind them

Read only: a test that says something in the store copies it first (`scored.copied(folder)`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gate.evaluation.harness import run_suite
from gate.evaluation.record import seal_evaluation
from gate.evaluation.results import Evaluated, open_evaluation
from gate.evaluation.resume import Unfinished
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject, base_of, find_subject
from gate.evaluation.task import Suite
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement
from gate.store.objects import Store
from gate.training.environment import environment_document
from tests.evaluation.made import small_suite
from tests.snapshots.made import People
from tests.training.conftest import approved, people, policy, seal, tiny_base  # noqa: F401 - fixtures
from tests.training.made import Approved
from tests.training.ran import run_gate_train

QUICK = ("max_steps=24", "batch=16", "device_batch=16", "lr=5e-3", "rank=8", "precision=fp32", "epochs=3", "samples=0",
         "evaluate_every=100", "monitor=null")  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """What was trained and scored."""

    store: Store
    people: People
    run: str
    """The candidate's name."""
    base_folder: Path
    suite: Suite
    settings: Settings
    candidate: Subject
    base: Subject
    statements: Mapping[str, Statement]
    """The evaluations of `base` and `candidate`."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store)

    def copied(self, folder: Path) -> Scored:
        """The same in a store of one's own, which a test may write to."""
        shutil.copytree(self.store.root, folder / ".gate")
        store = Store(folder / ".gate")
        place = store.root / "runs" / self.run / "candidate"
        return replace(self, store=store, candidate=replace(self.candidate, folder=place))


@pytest.fixture(scope="session")
def trained_run(approved: Approved, tiny_base: Path) -> str:  # noqa: F811 - fixtures
    """A LoRA run on 160 additions that the base does not know; its store is that of `approved`."""
    return run_gate_train(approved, tiny_base, overrides=QUICK, name="candidate-1").run.name


def score(
    store: Store, signers: People, subject: Subject, suite: Suite, settings: Settings, *, fresh: bool = False
) -> Statement:
    """A subject on a suite, scored and sealed as `ana`."""
    ran = run_suite(subject, suite, settings, Unfinished.of(store), fresh=fresh)
    environment = environment_document(device=settings.device)
    return seal_evaluation(subject, suite.name, ran, settings, environment, Ledger(store), signers.ana)


@pytest.fixture(scope="session")
def scored(
    approved: Approved,  # noqa: F811
    trained_run: str,
    tiny_base: Path,  # noqa: F811
) -> Scored:
    """The candidate and its base, scored on `small_suite` as `forgetting`."""
    store, ledger, trust = approved.store, Ledger(approved.store), approved.people.trust
    suite = small_suite()
    settings = Settings()
    candidate = find_subject(trained_run, store, ledger, trust=trust)
    base = base_of(candidate, ledger, trust, None, ())
    both = {"base": base, "candidate": candidate}
    said = {name: score(store, approved.people, each, suite, settings) for name, each in both.items()}
    return Scored(store, approved.people, trained_run, tiny_base, suite, settings, candidate, base, said)


@pytest.fixture(scope="session")
def evaluated_base(scored: Scored) -> Evaluated:
    """The untouched base on `small_suite`."""
    return open_evaluation(scored.ledger, scored.statements["base"])


@pytest.fixture(scope="session")
def evaluated_candidate(scored: Scored) -> Evaluated:
    """The LoRA candidate on the same."""
    return open_evaluation(scored.ledger, scored.statements["candidate"])
