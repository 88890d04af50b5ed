"""Which copy stays: what judges a model before what teaches it, what the base has before what is new."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import polars as pl
import pytest

from gate.checks.base import Check, Context, Params
from gate.checks.exact_duplicates import ExactDuplicatesParams, exact_duplicates
from gate.checks.near_duplicates import NearDuplicatesParams, near_duplicates
from gate.data.corpus import Corpus
from gate.data.views import Frames

FRAMES = Callable[..., Frames]
TEXT = "The ferry leaves the northern pier at seven, calls at both islands, and is back before the market opens again"
NEAR = NearDuplicatesParams(threshold=0.8, shingle=5, permutations=128, recall=0.9999)
BOTH: list[tuple[Check, Params]] = [(exact_duplicates, ExactDuplicatesParams()), (near_duplicates, NEAR)]


def dropped(frames: Frames, check: Check, params: Params, context: Context, old: Sequence[bool] = ()) -> list[int]:
    assert check.features is not None
    corpus = Corpus.of(frames, check.features(frames, params, context))
    if old:
        corpus = corpus.marked(pl.Series(old))
    rows: list[int] = check.function(corpus, params, context).findings["row"].to_list()
    return rows


def split(frames: Frames, splits: Sequence[str | None]) -> Frames:
    kind = frames.examples["split"].dtype
    return Frames(frames.examples.with_columns(split=pl.Series(splits).cast(kind)), frames.malformed)


@pytest.mark.parametrize(("check", "params"), BOTH)
def test_what_the_base_has_stays_whatever_its_id(
    frames: FRAMES, context: Context, check: Check, params: Params
) -> None:
    rows = frames([{"text": TEXT}, {"text": TEXT.upper()}])
    assert dropped(rows, check, params, context, [True, False]) == [2]
    assert dropped(rows, check, params, context, [False, True]) == [1]


def test_what_the_base_has_stays_though_it_is_shorter(frames: FRAMES, context: Context) -> None:
    rows = frames([{"text": TEXT}, {"text": f"{TEXT} tomorrow"}])
    assert dropped(rows, near_duplicates, NEAR, context) == [1]
    assert dropped(rows, near_duplicates, NEAR, context, [True, False]) == [2]
    assert dropped(rows, near_duplicates, NEAR, context, [True, True]) == [1]


@pytest.mark.parametrize(("check", "params"), BOTH)
@pytest.mark.parametrize(
    ("splits", "gone"),
    [
        (("train", "test"), [1]),
        (("test", "train"), [2]),
        (("validation", "train"), [2]),
        (("validation", "test"), [1]),
        ((None, "test"), [1]),
    ],
)
def test_between_splits_the_row_that_judges_stays_even_if_it_is_new(
    frames: FRAMES, context: Context, check: Check, params: Params, splits: Sequence[str | None], gone: list[int]
) -> None:
    rows = split(frames([{"text": TEXT}, {"text": TEXT.upper()}]), splits)
    assert dropped(rows, check, params, context) == gone
    assert dropped(rows, check, params, context, [row in gone for row in (1, 2)]) == gone


def test_a_row_without_a_split_and_one_of_train_are_on_a_level(frames: FRAMES, context: Context) -> None:
    rows = [{"text": TEXT}, {"text": f"{TEXT} tomorrow"}]
    for splits in ((None, "train"), ("train", None)):
        assert dropped(split(frames(rows), splits), near_duplicates, NEAR, context) == [1]


def test_accents_written_apart_do_not_make_a_row_longer(frames: FRAMES, context: Context) -> None:
    apart = {"text": "Cafe\u0301s a\u0308hnlich gro\u00df"}
    together = {"text": "Caf\u00e9s \u00e4hnlich gro\u00df"}
    for order in ([apart, together], [together, apart]):
        rows = frames(order)
        (row,) = dropped(rows, exact_duplicates, ExactDuplicatesParams(), context)
        assert rows.examples["id"][row - 1] == rows.examples["id"].max()


PROGRAM = """
import polars as pl
from gate.checks.duplicates.canonical import content_hash
from gate.checks.duplicates.signatures import banding
from gate.checks.duplicates.sketches import sketched
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
import numpy as np
rows = [{"kind": "text", "text": text} for text in TEXTS]
frames = Frames(pl.DataFrame([dict.fromkeys(EXAMPLES) | row for row in rows], schema=EXAMPLES),
                pl.DataFrame(schema=MALFORMED))
print(content_hash(frames, "full").rows())
texts = frames.examples["text"]
print(sketched(texts, np.zeros(len(texts), dtype=np.int64), 5, banding(128, 0.8, 0.9999)).rows())
"""


def test_what_is_kept_from_run_to_run_is_the_same_in_every_process() -> None:
    program = PROGRAM.replace("TEXTS", repr([TEXT, "short", "", "Größe 春天", "x" * 300]))
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 1000
