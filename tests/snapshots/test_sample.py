"""Which examples are drawn: always the same ones, of every stratum, as many as its share."""

from __future__ import annotations

import hashlib
import random
from collections import Counter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.snapshots.sample import STRATA, Drawn, draw


def id_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def rows(*sizes: int) -> pl.DataFrame:
    """Rows of several files, of these sizes."""
    files = [f"{at}.jsonl" for at, size in enumerate(sizes) for _ in range(size)]
    ids = [id_of(number) for number in range(len(files))]
    return pl.DataFrame({"id": ids, "split": ["train"] * len(ids), "kind": ["chat"] * len(ids), "file": files})


def drawn_of(sample: Drawn) -> list[int]:
    return sample.strata["drawn"].to_list()


SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 120), st.integers(0, 5))
def test_as_many_are_drawn_as_were_asked_for_each_once_and_of_every_stratum(
    sizes: list[int], count: int, seed: int
) -> None:
    data = rows(*sizes)
    sample = draw(data, count, seed=seed)
    assert sample.examples.height == min(count, data.height) == sum(drawn_of(sample))
    assert sample.examples["id"].n_unique() == sample.examples.height
    assert set(sample.examples["id"]) <= set(data["id"])
    assert (sample.strata["drawn"] <= sample.strata["examples"]).all()
    if len(sizes) <= count:
        assert sample.by == STRATA
        assert min(drawn_of(sample)) >= 1
        of_file = Counter(data.join(sample.examples, on="id", how="semi")["file"])
        assert of_file == dict(sample.strata.select("file", "drawn").iter_rows())


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 120))
def test_no_stratum_is_further_from_its_share_than_it_has_to_be(sizes: list[int], count: int) -> None:
    """Largest remainder keeps quota (Balinski and Young 1982): nobody is off by a whole example, but for those lifted
    to one, and those who make room for them."""
    total = sum(sizes)
    count = min(count, total)
    if count < len(sizes):
        return
    shares = [count * size / total for size in sizes]
    given_ = drawn_of(draw(rows(*sizes), count, seed=1))
    lifted = sum(1 - share for share in shares if share < 1)
    for share, has in zip(shares, given_, strict=True):
        assert has < share + 1
        assert has > share - 1 - lifted


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ((50, 30, 20), 10, [5, 3, 2]),  # whole shares
        ((70, 20, 10), 3, [1, 1, 1]),  # 2.1, 0.6, 0.3: each one at least
        ((47, 16, 15, 12, 6, 4), 10, [5, 1, 1, 1, 1, 1]),  # 4.7, 1.6, 1.5, 1.2, 0.6, 0.4
        ((97, 1, 1, 1), 10, [7, 1, 1, 1]),
        ((1000, 5), 100, [99, 1]),
        ((3, 2), 50, [3, 2]),  # all there are
    ],
)
def test_shares_are_those_of_hand(sizes: tuple[int, ...], count: int, expected: list[int]) -> None:
    assert drawn_of(draw(rows(*sizes), count, seed=3)) == expected


@settings(max_examples=30, deadline=None)
@given(SIZES, st.integers(1, 40), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(sizes: list[int], count: int, dice: random.Random) -> None:
    data = rows(*sizes)
    order = list(range(data.height))
    dice.shuffle(order)
    assert draw(data[order], count, seed=2).examples.equals(draw(data, count, seed=2).examples)


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    data = rows(500)
    first, again, other = (draw(data, 50, seed=seed) for seed in (0, 0, 1))
    assert first.examples.equals(again.examples)
    assert len(set(first.examples["id"]) & set(other.examples["id"])) < 20  # five by chance


def test_what_is_drawn_is_fixed_for_good() -> None:
    """A sample that somebody began under one version of gate goes on under the next."""
    sample = draw(rows(300, 100), 5, seed=7)
    assert [id_[:8] for id_ in sample.examples["id"]] == FIXED


FIXED = ["05ada863", "5426d2ca", "8c1f1046", "4621c1d5", "c2356069"]


def test_a_row_more_changes_few_of_the_others() -> None:
    data = rows(400, 100)
    before = set(draw(data, 50, seed=0).examples["id"])
    more = pl.concat([data, data[:1].with_columns(id=pl.lit(id_of(10_000)))])
    assert len(before - set(draw(more, 50, seed=0).examples["id"])) <= 2


def test_a_larger_sample_begins_with_the_smaller_one_as_far_as_strata_do() -> None:
    data = rows(400, 100)
    small, large = (set(draw(data, size, seed=0).examples["id"]) for size in (50, 60))
    assert small <= large


def test_every_example_has_the_same_chance() -> None:
    data = rows(40)
    counts = Counter(id_ for seed in range(400) for id_ in draw(data, 10, seed=seed).examples["id"])
    # Each is drawn 100 times of 400, with a standard deviation of 8.7: five of them to either side.
    assert len(counts) == 40
    assert all(56 <= count <= 144 for count in counts.values())


def test_who_stops_half_way_has_seen_half_of_every_large_stratum() -> None:
    sample = draw(rows(600, 400), 100, seed=4)
    first = Counter(sample.examples["file"].head(50))
    assert 18 <= first["0.jsonl"] <= 42


def test_content_that_comes_twice_is_one_example_wherever_it_lies() -> None:
    data = rows(10, 10)
    twice = pl.concat([data, data.head(5).with_columns(file=pl.lit("1.jsonl"))])
    for both in (twice, twice.reverse()):
        sample = draw(both, 100, seed=0)
        assert sample.population == 20
        assert sample.examples["id"].n_unique() == sample.examples.height == 20
        assert drawn_of(sample) == [10, 10]


def test_with_more_files_than_examples_to_draw_files_are_not_told_apart() -> None:
    data = rows(*[3] * 30).with_columns(split=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("test")))
    sample = draw(data, 10, seed=0)
    assert sample.by == ("split", "kind")
    assert sorted(sample.strata.select("examples", "drawn").iter_rows()) == [(9, 1), (81, 9)]
    assert draw(data, 1, seed=0).by == ()
    assert draw(data, 1, seed=0).examples.height == 1


def test_a_column_with_more_values_than_examples_to_draw_is_refused() -> None:
    with pytest.raises(UsageError, match="30 different values") as error:
        draw(rows(*[3] * 30), 10, seed=0, by=("file",), coarser=False)
    assert "--sample" in str(error.value)


def test_no_value_is_a_stratum_of_its_own() -> None:
    data = rows(40).with_columns(file=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("a")))
    sample = draw(data, 10, seed=0, by=("file",), coarser=False)
    assert sorted(sample.strata.rows(), key=str) == [("a", 4, 1), (None, 36, 9)]
    assert sample.examples["file"].null_count() == 9
    assert sample.examples.height == 10


def test_nothing_to_draw_is_said() -> None:
    for data, count in ((rows(), 10), (rows(5), 0), (rows(5), -3)):
        with pytest.raises(UsageError):
            draw(data, count, seed=0)


@pytest.mark.slow
def test_a_million_rows_are_drawn_from_in_seconds() -> None:
    import time

    data = rows(*[100_000] * 10)
    begun = time.perf_counter()
    assert draw(data, 1000, seed=0).examples.height == 1000
    assert time.perf_counter() - begun < 10
