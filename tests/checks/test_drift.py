"""When a dataset has moved away from its base, and when it is only chance."""

from __future__ import annotations

from typing import cast

import numpy as np
import polars as pl
import pytest

from gate.checks.base import Context, Measurement
from gate.checks.drift import DriftParams, by_chance, drift, stability
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
PARAMS = DriftParams(moderate=0.1, major=0.25, confidence=0.99, minimum_rows=100, bins=10)


def corpus(rows: list[dict[str, object]], base: Corpus | None = None) -> Corpus:
    placed = [{"id": f"{at:064x}", "file": "a.jsonl", "row": at, "kind": "text", **row} for at, row in enumerate(rows)]
    frames = Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    assert drift.features is not None
    return Corpus.of(frames, drift.features(frames, PARAMS, CONTEXT), base=base)


def measure(now: list[dict[str, object]], before: list[dict[str, object]]) -> Measurement:
    return drift.function(corpus(now, corpus(before)), PARAMS, CONTEXT)


def texts(seed: int, rows: int = 400, scale: float = 1.0) -> list[dict[str, object]]:
    lengths = np.random.default_rng(seed).lognormal(5, 0.8, rows) * scale
    return [{"text": "x" * int(length + 1)} for length in lengths]


def test_without_a_base_it_says_so() -> None:
    measured = drift.function(corpus(texts(1)), PARAMS, CONTEXT)
    assert measured.skipped
    assert "base" in measured.skipped


def test_the_same_distribution_has_not_moved() -> None:
    for seed in range(5):
        assert measure(texts(seed), texts(seed + 100)).findings.is_empty()


def test_what_chance_alone_gives_in_few_rows_is_no_drift() -> None:
    indices = []
    for seed in range(20):
        measured = measure(texts(seed, rows=100), texts(seed + 100, rows=100))
        indices.append(measured.figures["length of texts"])
        assert measured.findings.is_empty()
    assert max(indices) > PARAMS.moderate  # it would be a finding in a larger dataset


def test_texts_twice_as_long_have() -> None:
    (finding,) = measure(texts(1, scale=2.5), texts(2)).findings.to_dicts()
    assert (finding["code"], finding["group"], finding["severity"]) == ("length_drift", "length of texts", None)
    assert finding["score"] > 0.25


def test_a_moderate_move_is_information() -> None:
    (finding,) = measure(texts(1, rows=2_000, scale=1.4), texts(2, rows=2_000)).findings.to_dicts()
    assert finding["severity"] == "info"
    assert 0.1 <= finding["score"] < 0.25


@pytest.mark.parametrize(
    ("column", "values", "code"),
    [
        ("label", (True, False), "label_drift"),
        ("split", ("train", "test"), "split_drift"),
        ("file", ("web/a.jsonl", "books/b.jsonl"), "source_drift"),
        ("text", ("Der Leuchtturm. " * 8, "Маяк на берегу. " * 8), "script_drift"),
    ],
)
def test_shares_that_moved_are_found(column: str, values: tuple[object, object], code: str) -> None:
    def rows(first: int) -> list[dict[str, object]]:
        return [{"text": "x", column: values[at >= first]} for at in range(200)]

    assert code in measure(rows(60), rows(140)).findings["code"].to_list()
    assert code not in measure(rows(140), rows(140)).findings["code"].to_list()


def test_a_file_renamed_in_its_folder_has_not_moved() -> None:
    before, now = [{"file": "a/x.jsonl", "text": "x"}] * 200, [{"file": "a/y.jsonl", "text": "x"}] * 200
    assert measure(now, before).findings.is_empty()


def test_few_rows_are_not_compared_and_it_says_so() -> None:
    measured = measure(texts(1, rows=99, scale=9), texts(2))
    assert measured.skipped
    assert measured.findings.is_empty()


def test_the_index_is_the_formula() -> None:
    now, before = np.array([30.0, 70.0]), np.array([50.0, 50.0])
    by_hand = (0.3 - 0.5) * np.log(0.3 / 0.5) + (0.7 - 0.5) * np.log(0.7 / 0.5)
    assert stability(now, before) == pytest.approx(by_hand)
    assert stability(before, before) == 0
    assert np.isfinite(stability(np.array([100.0, 0.0]), np.array([0.0, 100.0])))


def test_chance_stays_below_its_bound_as_often_as_it_is_sure() -> None:
    rng = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    above = sum(
        stability(now, before) > by_chance(now, before, 0.95)
        for now, before in (
            (rng.multinomial(300, shares).astype(float), rng.multinomial(500, shares).astype(float))
            for _ in range(1_000)
        )
    )
    assert 20 < above < 85  # 50 expected
