"""A store with an approved snapshot in it, made once and copied for each test."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from gate.provenance.keys import PrivateKey, new_key, public_text
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Approval
from gate.store.objects import Store
from gate.verbs.admit import Admitted, admit
from tests.snapshots.made import write_splits

POLICY = """
version: 1
name: quick
description: Two rules that need no model
min_examples: 100
rules:
  - id: structure
    check: structure
    severity: error
    remedy: fix
    why: Rows that cannot be read teach nothing.
  - id: exact_duplicates
    check: exact_duplicates
    severity: error
    tolerate: 0.2
    remedy: drop
    why: A row that comes twice counts double.
"""


@dataclass(frozen=True)
class Sealed:
    """A store, what was admitted into it, and who signed."""

    store: Store
    admitted: Admitted
    ana: PrivateKey
    """An owner."""
    ben: PrivateKey
    """A reviewer."""
    eve: PrivateKey
    """Nobody trusts her."""
    trust: Path
    policy: Path

    @property
    def root(self) -> Path:
        return self.store.root

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.store)

    @property
    def snapshot(self) -> str:
        return self.admitted.snapshot

    def admit(self, seed: int, name: str = "harbour") -> Admitted:
        """Admit another dataset into the same store."""
        data = write_splits(self.root.parent / f"data-{seed}", seed)
        return admit(
            data, name=name, signer=self.ana, trust=self.trust, store=self.root, policy=self.policy, report=False
        )

    def moved(self, root: Path) -> Sealed:
        """The same over a copy of the store."""
        shutil.copytree(self.root, root)
        return Sealed(Store(root), self.admitted, self.ana, self.ben, self.eve, self.trust, self.policy)


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(folder / "keys"))
        ana, ben, eve = (new_key(name) for name in ("ana", "ben", "eve"))
    trusted = [(ana, "owner"), (ben, "reviewer")]
    lines = [f"  - {{name: {key.name}, public: {public_text(key.public)}, roles: [{role}]}}\n" for key, role in trusted]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines), encoding="utf-8")
    (folder / "quick.yaml").write_text(POLICY, encoding="utf-8")
    data = write_splits(folder / "data")
    admitted = admit(
        data, name="harbour", signer=ana, trust=folder / "trust.yaml", store=folder / ".gate",
        policy=folder / "quick.yaml",
    )  # fmt: skip
    store = Store(folder / ".gate")
    Ledger(store).say(Approval(statement=admitted.statement.digest), ben)
    return Sealed(store, admitted, ana, ben, eve, folder / "trust.yaml", folder / "quick.yaml")


@pytest.fixture
def sealed(_made: Sealed, tmp_path: Path) -> Sealed:
    """A store of the test's own."""
    return _made.moved(tmp_path / ".gate")
