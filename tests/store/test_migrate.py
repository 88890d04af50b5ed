"""`gate store migrate`: an older store is brought to the present format, step by step, and a newer one is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gate.store.migrate import format_of, migrate
from gate.store.objects import Store, StoreError
from gate.verbs.store import checked
from tests.conftest import Gate
from tests.store.conftest import Sealed


def test_format_0_is_the_same_without_its_number(sealed: Sealed, gate: Gate) -> None:
    (sealed.root / "format.json").unlink()
    refused = gate("store", "check", "--store", sealed.root)
    assert refused.returncode == 2
    assert "gate store migrate" in refused.stderr
    assert format_of(sealed.root) == 0
    done = gate("store", "migrate", "--store", sealed.root)
    assert done.returncode == 0
    assert "went from format 0 to 1" in done.stderr
    assert checked(Store(sealed.root)).problems == ()
    assert migrate(sealed.root) == (1, 1)


def test_steps_follow_one_another_and_each_is_noted(sealed: Sealed) -> None:
    taken: list[tuple[int, int]] = []

    def step(number: int) -> object:
        return lambda root: taken.append((number, format_of(root)))

    steps = {number: step(number) for number in (1, 2, 3)}
    assert migrate(sealed.root, steps, to=4) == (1, 4)  # type: ignore[arg-type]
    assert taken == [(1, 1), (2, 2), (3, 3)]
    with pytest.raises(StoreError, match="has format 4, and this gate knows format 1") as told:
        Store(sealed.root)
    assert told.value.remedy == "use a newer gate"


def test_a_step_that_is_ended_is_taken_again(sealed: Sealed) -> None:
    def fails(root: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(sealed.root, {1: lambda root: None, 2: fails}, to=3)
    assert format_of(sealed.root) == 2
    assert migrate(sealed.root, {2: lambda root: None}, to=3) == (2, 3)


def test_newer_broken_and_absent_ones(sealed: Sealed, tmp_path: Path, gate: Gate) -> None:
    for content, said in (
        (b'{"format": 9}', "has format 9"),
        (b'{"format": true}', "names no format"),
        (b'{"format": -1}', "names no format"),
        (b'{"format": "1"}', "names no format"),
        (b"{}", "cannot be read"),
    ):
        (sealed.root / "format.json").write_bytes(content)
        with pytest.raises(StoreError, match=said):
            migrate(sealed.root)
        assert (sealed.root / "format.json").read_bytes() == content
    shutil.rmtree(sealed.root)
    absent = gate("store", "migrate", "--store", sealed.root)
    assert absent.returncode == 2
    assert "there is no store" in absent.stderr
