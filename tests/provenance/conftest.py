"""Real keys, a real store and a trust file in memory: what tests about people share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gate.provenance.keys import PrivateKey, new_key
from gate.provenance.ledger import Ledger
from gate.provenance.trust import Trust
from gate.store.objects import Store
from tests.provenance.story import PEOPLE, trusted, trusting


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own keys, store or trust file."""
    for name in ("GATE_KEY", "GATE_KEY_NAME", "GATE_KEY_PASSPHRASE", "GATE_TRUST", "GATE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GATE_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store.create(tmp_path / "store"))


@pytest.fixture
def people() -> dict[str, PrivateKey]:
    """A key for each of `PEOPLE`."""
    return {name: new_key(name) for name in PEOPLE}


@pytest.fixture
def trust(people: Mapping[str, PrivateKey]) -> Trust:
    return trusting(*(trusted(people[name], *roles) for name, roles in PEOPLE.items()))
