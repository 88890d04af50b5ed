"""The drawing itself, on numbers alone: large datasets, growth, and keys that were made to collide."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gate.folders import Folders
from gate.policy.snapshot_rules import load_snapshot_rules
from gate.snapshots.draw import CODES, NO_SPLIT, Examples, TooFew, draw

RULES = load_snapshot_rules(Folders()).split


def examples(keys: np.ndarray, strata: np.ndarray | None = None, ids: list[str] | None = None) -> Examples:
    rows = pl.DataFrame(
        {"key": pl.Series(keys, dtype=pl.UInt64), "id": ids or [f"{key:016x}" for key in keys.tolist()]}
    )
    if strata is None:
        return Examples(rows, np.full(keys.size, NO_SPLIT), np.zeros(keys.size, dtype=np.int64), [None])
    names = [f"s{number}" for number in range(int(strata.max()) + 1)]
    return Examples(rows, np.full(keys.size, NO_SPLIT), strata, names)


def keys_of(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, number).astype(np.uint64)


def alone(number: int) -> np.ndarray:
    return np.arange(number)


@pytest.mark.parametrize("number", [300, 4_999, 7_777, 100_003])
def test_ratios_are_met_to_the_example(number: int) -> None:
    counts = np.bincount(draw(examples(keys_of(number)), alone(number), RULES).code)
    held = max(100, int(RULES.wanted(number)["test"] + 0.5))
    assert counts.tolist() == [held, held, number - 2 * held]


@pytest.mark.parametrize(("strata", "most"), [(1, 40), (10, 120)])
def test_one_percent_more_moves_few_and_none_from_train_to_test(strata: int, most: int) -> None:
    """8 on average, and 26 where there are ten strata: each has cuts of its own."""
    keys, own = keys_of(20_200), np.random.default_rng(1).integers(0, strata, 20_200)
    own[:strata] = np.arange(strata)
    before = draw(examples(keys[:20_000], own[:20_000]), alone(20_000), RULES).code
    after = draw(examples(keys, own), alone(20_200), RULES).code[:20_000]
    assert (before != after).sum() <= most
    assert not ((before == CODES["train"]) & (after == CODES["test"])).any()


def test_ids_that_share_their_first_64_bits_are_told_apart_by_the_rest() -> None:
    keys, ids = np.repeat(keys_of(60), 7), [f"{number:064x}" for number in range(420)]
    one = draw(examples(keys, ids=ids), alone(420), RULES).code
    order = np.random.default_rng(2).permutation(420)
    other = draw(examples(keys[order], ids=[ids[at] for at in order]), alone(420), RULES).code
    assert (one[order] == other).all()


def test_clusters_that_leave_too_little_to_draw_are_refused() -> None:
    cluster = np.concatenate([np.zeros(900, dtype=np.int64), np.arange(1, 101)])
    with pytest.raises(TooFew):
        draw(examples(keys_of(1000)), cluster, RULES)
    assert np.bincount(draw(examples(keys_of(1100)), np.append(cluster, np.arange(101, 201)), RULES).code).tolist() == [
        100, 100, 900,
    ]  # fmt: skip


def test_clusters_are_whole_and_the_cut_is_the_nearest() -> None:
    cluster = np.random.default_rng(3).integers(0, 2_000, 12_000)
    drawn = draw(examples(keys_of(12_000)), cluster, RULES).code
    frame = pl.DataFrame({"cluster": cluster, "split": drawn})
    assert frame.group_by("cluster").agg(pl.col("split").n_unique())["split"].max() == 1
    largest = int(np.bincount(cluster).max())
    counts = np.bincount(drawn)
    assert abs(counts[CODES["test"]] - 1200) <= largest / 2
    assert abs(counts[CODES["validation"]] - 1200) <= largest / 2


@pytest.mark.slow
def test_a_million_examples_in_many_strata_are_drawn() -> None:
    strata = np.random.default_rng(4).geometric(0.0001, 1_000_000) % 50_000
    counts = np.bincount(draw(examples(keys_of(1_000_000), strata), alone(1_000_000), RULES).code)
    assert counts.tolist() == [100_000, 100_000, 800_000]
