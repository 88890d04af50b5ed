"""A store with an approved snapshot and a run on it, made once; each test gets a copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gate.provenance.ledger import Ledger
from tests.promotion.kit import POLICY, Shop, right
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


@pytest.fixture(scope="session")
def once_sold(original: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """`first` was promoted."""
    shop = original.copied(tmp_path_factory.mktemp("sold"))
    shop.scored(shop.training)
    assert shop.promoted(first=True).exit_code == 0
    return shop


@pytest.fixture
def sold(once_sold: Shop, tmp_path: Path) -> Shop:
    """A store in which `first` was promoted, to be written to."""
    return once_sold.copied(tmp_path)


@pytest.fixture(scope="session")
def once_two(once_sold: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """`first` was promoted, and `second` after it."""
    shop = once_sold.copied(tmp_path_factory.mktemp("two"))
    second = shop.run("second")
    shop.score(second, "regression", {"faq": right(0.95)})
    shop.score(second, "forgetting", {"capitals": right(0.8)})
    assert shop.promoted("second").replaced == "first"
    return shop


@pytest.fixture
def two(once_two: Shop, tmp_path: Path) -> Shop:
    """A store in which `second` was promoted after `first`, to be written to."""
    return once_two.copied(tmp_path)


@pytest.fixture(scope="session")
def once_failed(original: Shop, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """`first` forgot too much."""
    shop = original.copied(tmp_path_factory.mktemp("failed"))
    shop.scored(shop.training, kept=0.7)
    assert shop.promote(first=True).exit_code == 1
    return shop


@pytest.fixture
def failed(once_failed: Shop, tmp_path: Path) -> Shop:
    """A store in which `first` failed for what it forgot, to be written to."""
    return once_failed.copied(tmp_path)
