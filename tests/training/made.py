"""What the tests of training are made of: small tasks, and snapshots that were approved."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import gate
from gate.snapshots.open import Snapshot
from gate.store.objects import Store
from gate.training.model_files import hashed_files, model_digest
from gate.training.recipe import Recipe
from gate.training.run_file import BaseModelUse, Run, SnapshotUse
from tests.snapshots.made import People


@dataclass(frozen=True)
class Approved:
    """A snapshot in a store, and who signed."""

    name: str
    id: str
    store: Store
    people: People

    @property
    def opened(self) -> Snapshot:
        """It, through the lock."""
        return gate.open_snapshot(self.id, store=self.store, trust=self.people.trust)

    def use(self, role: str = "train", weight: float | None = None) -> SnapshotUse:
        """How `run.json` names it."""
        opened = self.opened
        return SnapshotUse.model_validate(
            {
                "snapshot": self.id,
                "name": self.name,
                "statement": opened.statement.digest,
                "role": role,
                "weight": weight,
            }
        )


def additions(start: int, stop: int, seed: int = 0) -> list[dict[str, str]]:
    """Sums of two numbers as instructions, in an order drawn by the seed."""
    rows = [
        {"instruction": f"What is {a} plus {b}?", "output": str(a + b)}
        for a in range(start, stop)
        for b in range(start, stop)
    ]
    random.Random(seed).shuffle(rows)
    return rows


def base_use(folder: Path, template: str | None = None) -> BaseModelUse:
    """How `run.json` names a base."""
    files = hashed_files(folder)
    return BaseModelUse(path=str(folder), name=str(folder), digest=model_digest(files), files=files, template=template)


def recipe(**keys: object) -> Recipe:
    """A recipe of few steps, with the keys that a test is about."""
    quick = {
        "version": 1, "objective": "sft", "method": "lora", "rank": 8, "lr": 5e-3, "epochs": 1.0, "batch": 16,
        "device_batch": 16, "max_steps": 10, "evaluate_every": 5, "log_every": 1, "samples": 1, "precision": "fp32",
        "max_new_tokens": 8,
    }  # fmt: skip
    return Recipe.model_validate(quick | keys)


def run_of(folder: Path, base: Path, approved: Approved, *more: SnapshotUse, **keys: object) -> Run:
    """A run, written to `folder`/run.json, ready for a trainer's script."""
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(
        name=folder.name,
        folder=str(folder),
        store=str(approved.store.root),
        trust=str(approved.people.trust_file),
        snapshots=[approved.use(), *more],
        base=base_use(base),
        recipe=recipe(**keys),
    )
    run.write()
    return run
