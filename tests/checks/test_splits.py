"""What is missing among the splits, what is too small, and what is unusually divided."""

from __future__ import annotations

from typing import cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import Context, Measurement
from gate.checks.splits import SplitsParams, splits
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED, SourceFile, Split
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
PARAMS = SplitsParams.model_validate(
    {
        "minimum": {"train": 1, "validation": 10, "test": 10},
        "shares": [
            {"below": 200, "train": [0.6, 0.9], "validation": [0.05, 0.2], "test": [0.05, 0.2]},
            {"train": [0.7, 0.99], "validation": [0.005, 0.2], "test": [0.005, 0.2]},
        ],
    }
)

UNUSUAL = [("unusual_share", name, None) for name in ("train", "validation", "test")]


def measure(files: tuple[SourceFile, ...] = (), **counts: int) -> Measurement:
    """`none` stands for rows without a split."""
    of = [None if split == "none" else split for split, count in counts.items() for _ in range(count)]
    rows = [{"id": str(at), "file": "a.jsonl", "row": at, "kind": "text", "split": s} for at, s in enumerate(of)]
    frames = Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    assert splits.features is not None
    return splits.function(Corpus.of(frames, splits.features(frames, PARAMS, CONTEXT), files=files), PARAMS, CONTEXT)


def file(split: Split, examples: int = 0) -> SourceFile:
    return SourceFile(f"{split}.jsonl", 1, "0", "jsonl", "messages", split, examples, 0)


def said(measured: Measurement) -> list[tuple[str, str | None, str | None]]:
    return cast(list[tuple[str, str | None, str | None]], measured.findings.select("code", "group", "severity").rows())


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"train": 80, "validation": 10, "test": 10}, []),
        ({"train": 980, "validation": 10, "test": 10}, []),
        ({"train": 80, "test": 15}, [("no_validation", "validation", None)]),
        ({"train": 80, "validation": 15}, [("no_test", "test", None)]),
        ({"validation": 20, "test": 20}, [("no_train", "train", None)]),
        ({"train": 60, "validation": 9, "test": 10}, [("too_few", "validation", None)]),
        ({"train": 20, "validation": 10, "test": 10}, UNUSUAL),
        ({"train": 190}, [("no_validation", "validation", None), ("no_test", "test", None)]),
        ({"train": 80, "validation": 10, "test": 10, "none": 5}, [("unassigned", None, "info")]),
    ],
)  # fmt: skip
def test_each_shortcoming_has_a_finding(counts: dict[str, int], expected: list[tuple[str, str, str | None]]) -> None:
    found = said(measure(**counts))
    if expected and expected[0][0] == "no_train":
        found = [each for each in found if each[0] != "unusual_share"]
    assert found == expected


def test_a_dataset_without_any_split_is_told_so_as_information() -> None:
    assert said(measure(none=50)) == [("no_validation", "validation", "info"), ("no_test", "test", "info")]


def test_a_split_whose_files_hold_nothing_is_empty_and_not_merely_missing() -> None:
    found = said(measure(train=80, test=20, files=(file("train", 80), file("test", 20), file("validation"))))
    assert found == [("empty_split", "validation", None)]
    assert ("empty_split", "train", None) in said(measure(none=50, files=(file("train"),)))


def test_a_score_says_how_much_is_missing() -> None:
    scores = measure(train=60, validation=4, test=10).findings.filter(pl.col("code") == "too_few")["score"]
    assert scores.to_list() == [pytest.approx(0.6)]


def test_a_shrunken_split_scores_worse() -> None:
    def score(rows: int) -> float:
        found = measure(train=80, validation=10, test=rows).findings.filter(pl.col("code") == "too_few")
        return float(found["score"].item())

    assert score(5) > score(8)


def test_shares_are_two_numbers_in_order() -> None:
    for wrong in ([0.5, 0.4], [-0.1, 0.5], [0.5, 1.5]):
        with pytest.raises(ValidationError):
            SplitsParams.model_validate(
                {"minimum": {}, "shares": [{"train": wrong, "validation": [0, 1], "test": [0, 1]}]}
            )
