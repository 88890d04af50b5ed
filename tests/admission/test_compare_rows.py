"""Rows are matched as multisets of (content id, split): counts close, whatever the order and the files."""

from __future__ import annotations

from collections import Counter
from random import Random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from gate.admission.compare import old_malformed, old_rows
from gate.data.frame import MALFORMED, SPLITS

Row = tuple[int, str | None, str]
ROWS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, *SPLITS[:2]]), st.sampled_from("ab")), max_size=24)


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"key": pl.UInt64, "split": pl.Enum(SPLITS), "file": pl.Categorical()}, orient="row"
    )


def occurrences(rows: list[Row]) -> Counter[tuple[int, str | None]]:
    return Counter((key, split) for key, split, _ in rows)


@given(ROWS, ROWS)
def test_the_counts_close(head: list[Row], base: list[Row]) -> None:
    old = old_rows(frame(head), frame(base)).to_list()
    assert len(old) == len(head)
    kept = occurrences([row for row, is_old in zip(head, old, strict=True) if is_old])
    assert kept == occurrences(head) & occurrences(base)


@given(ROWS, ROWS, st.randoms())
def test_the_order_of_rows_makes_no_difference_to_what_is_new(head: list[Row], base: list[Row], random: Random) -> None:
    first = Counter(zip(head, old_rows(frame(head), frame(base)).to_list(), strict=True))
    shuffled_base = random.sample(base, len(base))
    assert Counter(zip(head, old_rows(frame(head), frame(shuffled_base)).to_list(), strict=True)) == first
    shuffled = random.sample(head, len(head))
    new = occurrences([r for r, old in zip(shuffled, old_rows(frame(shuffled), frame(base)), strict=True) if not old])
    assert new == occurrences(head) - occurrences(base)


@given(ROWS)
def test_nothing_is_new_against_itself(rows: list[Row]) -> None:
    assert old_rows(frame(rows), frame(rows)).all()


def old(head: list[Row], base: list[Row]) -> list[bool]:
    return old_rows(frame(head), frame(base)).to_list()


def test_a_moved_row_is_old_and_a_second_copy_new() -> None:
    assert old([(1, None, "b")], [(1, None, "a")]) == [True]
    assert old([(1, None, "a"), (1, None, "a")], [(1, None, "a")]) == [True, False]


def test_the_copy_in_the_old_file_is_the_old_one() -> None:
    assert old([(1, None, "b"), (1, None, "a")], [(1, None, "a")]) == [False, True]


def test_a_training_row_copied_into_the_test_split_is_new() -> None:
    assert old([(1, "train", "a"), (1, "test", "a")], [(1, "train", "a")]) == [True, False]


def test_full_ids_do_as_well() -> None:
    head = pl.DataFrame({"id": ["x", "y"], "split": ["train", None]})
    base = pl.DataFrame({"id": ["y", "x"], "split": [None, "test"]})
    assert old_rows(head, base, ("id", "split")).to_list() == [False, True]


def malformed(*rows: tuple[str, int | None, str, str]) -> pl.DataFrame:
    records = [{"file": file, "row": row, "digest": digest, "reason": why} for file, row, digest, why in rows]
    return pl.DataFrame(records, schema_overrides=MALFORMED, schema=MALFORMED) if records else MALFORMED.to_frame()


def test_malformed_rows_are_matched_by_their_bytes() -> None:
    base = malformed(("a.jsonl", 3, "d1", "truncated"), ("a.jsonl", 9, "d1", "truncated"))
    head = malformed(("b.jsonl", 7, "d1", "truncated"), ("b.jsonl", 8, "d2", "truncated"))
    assert old_malformed(head, base).to_list() == [True, False]


def test_a_whole_file_is_matched_by_its_name_and_reason_too() -> None:
    base = malformed(("a.parquet", None, "d1", "corrupt"))
    head = malformed(
        ("a.parquet", None, "d1", "corrupt"),
        ("b.parquet", None, "d1", "corrupt"),
        ("a.parquet", None, "d1", "too_large"),
        ("a.parquet", 1, "d1", "corrupt"),
    )
    assert old_malformed(head, base).to_list() == [True, False, False, False]
