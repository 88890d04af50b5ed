"""A store with an approved snapshot and a run on it, made once; each test gets a copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.provenance.ledger import Ledger
from tests.promotion.kit import POLICY, Shop
from tests.training.conftest import people, policy, seal, tiny_base  # noqa: F401 - fixtures
from tests.training.made import Approved, additions
from tests.training.ran import run_of_stand_in


@pytest.fixture(scope="session")
def original(
    seal: Callable[..., Approved],  # noqa: F811 - a fixture
    tiny_base: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    """A store with a snapshot and the run `first`, of a trainer that trains nothing. Nothing was scored yet."""
    rows = additions(20, 40)
    own = seal(rows[:120], rows[120:140], rows[140:160], name="promoted")
    rules = tmp_path_factory.mktemp("rules") / "both.yaml"
    rules.write_text(POLICY)
    run_of_stand_in(own, tiny_base, name="first", criteria=rules)
    training = next(one for one in Ledger(own.store).all() if one.kind == "training")
    return Shop(own.store, own.people, training, rules)


@pytest.fixture
def shop(original: Shop, tmp_path: Path) -> Shop:
    """A copy of it, to be written to."""
    return original.copied(tmp_path)
