"""Rows that no chain of bands connects are judged apart, and nothing of the result tells."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest

from gate.checks.duplicates import candidate_sets, near
from gate.checks.duplicates.candidate_sets import sets_of_texts
from gate.checks.duplicates.fold import fold
from gate.checks.duplicates.near import NearDuplicates, Rows, Sets, find_near_duplicates
from gate.checks.duplicates.signatures import banding
from gate.checks.duplicates.sketches import sketched

WORDS = [f"word{number}" for number in range(3000)]


def families(count: int) -> list[str]:
    """Texts in families of one to five, each a few words off the first of its family; shuffled."""
    draw = random.Random(5)
    texts = []
    for _ in range(count):
        words = draw.choices(WORDS, k=60)
        for _ in range(draw.randint(1, 5)):
            texts.append(" ".join(words))
            words = [*words]
            words[draw.randrange(60)] = draw.choice(WORDS)
    draw.shuffle(texts)
    return texts


def find(texts: list[str], asked: list[int] | None = None) -> NearDuplicates:
    cut = banding(256, 0.8, 0.9999)
    groups = np.zeros(len(texts), dtype=np.int64)
    folded = fold(pl.Series(texts, dtype=pl.String), signs=True)
    read = sets_of_texts(lambda rows: [folded.gather(rows)], 5)

    def sets(rows: Rows) -> Sets:
        if asked is not None:
            asked.append(rows.size)
        return read(rows)

    sketches = sketched(folded, groups, 5, cut).lazy()
    return find_near_duplicates(sketches, sets, np.arange(len(texts)), groups, threshold=0.8, cut=cut)


def test_in_parts_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = families(150)
    whole = find(texts)
    asked: list[int] = []
    monkeypatch.setattr(near, "SHINGLES_AT_A_TIME", 1000)
    monkeypatch.setattr(near, "KEYS_AT_A_TIME", 1)
    parted = find(texts, asked)
    assert whole.dropped.size > 100
    assert len(asked) > 5
    for name in ("keeper", "score", "cluster"):
        assert np.array_equal(getattr(parted, name), getattr(whole, name)), name
    assert (parted.candidates, parted.verified) == (whole.candidates, whole.verified)


def test_what_is_kept_of_several_parts_holds_all_of_them_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidate_sets, "_COPIED", 7)
    ids = pl.Series("id", ["a", "b", "c", "d"])
    columns, sizes = np.arange(100, dtype=np.int64), np.array([20, 5, 50, 25])
    kept = candidate_sets._kept(ids, (columns, sizes), 80)
    assert kept["id"].to_list() == ["a", "b", "c"]
    again, lengths = candidate_sets._known(kept["shingles"])
    assert np.array_equal(again, columns[:75])
    assert lengths.tolist() == [20, 5, 50]
    assert candidate_sets._kept(ids, (columns, sizes), 3).height == 0


def test_known_and_new_sets_are_put_together_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidate_sets, "_COPIED", 3)
    draw = np.random.default_rng(0)
    sizes = draw.integers(1, 9, 40)
    sets = [draw.integers(0, 1000, size) for size in sizes]
    place = np.full(40, -1)
    known = draw.permutation(40)[:15]
    place[known] = np.arange(15)

    def packed(rows: list[int]) -> Sets:
        return np.concatenate([sets[row] for row in rows]), sizes[rows]

    columns, own = candidate_sets._merged(place, packed(known.tolist()), packed(np.flatnonzero(place < 0).tolist()))
    assert np.array_equal(columns, np.concatenate(sets))
    assert np.array_equal(own, sizes)


@pytest.mark.parametrize(("passed", "parts_made"), [(1, 4), (1200, 3), (10**9, 1)])
def test_candidates_are_fetched_shard_by_shard_and_none_is_left_out(
    passed: int, parts_made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(candidate_sets, "PASSED_AT_A_TIME", passed)
    monkeypatch.setattr(candidate_sets, "AT_A_TIME", 1000)
    heights = [0, 40, 3, 0, 100, 7, 0]
    rows = pl.DataFrame({"characters": np.full(sum(heights), 30, dtype=np.uint32)})
    corpus = SimpleNamespace(shards=[SimpleNamespace(height=height) for height in heights], rows=rows)
    positions = np.array([0, 1, 39, 41, 43, 90, 91, 92, 149])
    parts = list(candidate_sets._slices(corpus, positions))  # type: ignore[arg-type]  # all that it looks at
    assert np.array_equal(np.concatenate(parts), positions)
    assert all(part.size for part in parts)
    assert len(parts) == parts_made
