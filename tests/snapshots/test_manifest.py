"""The id of a snapshot is that of its manifest, as its form says, whatever the order and the parts of the rows."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict

import polars as pl
import pytest

from gate.snapshots.manifest import snapshot_id

ROWS = pl.Schema({"id": pl.String, "record_id": pl.String, "split": pl.Enum(["train", "validation", "test"])})


def brute(rows: list[tuple[str, str, str]], policy: str, major: str) -> str:
    """The manifest line by line, as the docstring of the module gives it."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for content, record, split in rows:
        found[content, split].append(record)
    lines = [f"{content} {split} {len(ids)} {','.join(sorted(ids))}" for (content, split), ids in sorted(found.items())]
    text = "".join(f"{line}\n" for line in ["gate snapshot 1", f"major {major}", f"policy {policy}", *lines])
    return hashlib.sha256(text.encode()).hexdigest()


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_its_form_says(seed: int) -> None:
    dice = random.Random(seed)
    contents = dice.choice([1, 3, 40, 2000])
    rows = [
        (digest(dice.randrange(contents)), digest(-dice.randrange(5)), dice.choice(["train", "validation", "test"]))
        for _ in range(dice.choice([1, 7, 300]))
    ]
    expected = brute(rows, "p" * 64, "0")
    dice.shuffle(rows)
    frame = pl.DataFrame(rows, schema=ROWS, orient="row")
    cut = dice.randrange(frame.height + 1)
    assert snapshot_id([frame[:cut], frame[cut:]], "p" * 64, "0") == expected
    assert (
        snapshot_id([frame.with_columns(more=pl.lit(1)).select("split", "more", "id", "record_id")], "p" * 64, "0")
        == expected
    )
    assert snapshot_id([frame], "q" * 64, "0") != expected
    assert snapshot_id([frame], "p" * 64, "1") != expected


def test_no_rows_at_all() -> None:
    assert snapshot_id([], "p", "0") == brute([], "p", "0")
    assert snapshot_id([pl.DataFrame(schema=ROWS)], "p", "0") == brute([], "p", "0")


@pytest.mark.parametrize("column", ["id", "record_id", "split"])
def test_what_lacks_something_has_no_id(column: str) -> None:
    frame = pl.DataFrame([(digest(1), digest(2), "train")], schema=ROWS, orient="row")
    with pytest.raises(ValueError, match="has an id"):
        snapshot_id([frame.with_columns(pl.lit(None, ROWS[column]).alias(column))], "p", "0")
