"""Pairs: the same items in whatever order, and words for everything that is not the same."""

from __future__ import annotations

import dataclasses
import math
import random

import numpy as np
import polars as pl
import pytest

from gate.evaluation.results import EvaluatedTask
from gate.promotion.pairing import PairingError, pair
from tests.promotion.pairs_made import result

BASE, CANDIDATE = result([1, 1, 0, 1]), result([1, 0, 1, 1])


def shuffled(task: EvaluatedTask) -> EvaluatedTask:
    order = list(range(task.items.height))
    random.Random(3).shuffle(order)
    return dataclasses.replace(task, items=task.items[order])


def changed(task: EvaluatedTask, **columns: pl.Expr) -> EvaluatedTask:
    return dataclasses.replace(task, items=task.items.with_columns(**columns))


def test_items_are_paired() -> None:
    pairs = pair(BASE, CANDIDATE, "exact_match")
    assert pairs.before.tolist() == [1, 1, 0, 1]
    assert pairs.after.tolist() == [1, 0, 1, 1]
    assert (pairs.task, pairs.n, pairs.clusters, pairs.prompts_differ) == ("additions", 4, None, 0)
    assert pairs.metric.binary
    assert pairs.index == (0, 1, 2, 3)


def test_their_order_changes_nothing() -> None:
    ordered, other = pair(BASE, CANDIDATE, "exact_match"), pair(shuffled(BASE), CANDIDATE, "exact_match")
    assert np.array_equal(ordered.before, other.before)
    assert np.array_equal(ordered.after, other.after)
    assert ordered.index == other.index


def test_of_two_items_alike_the_first_goes_with_the_first() -> None:
    questions = ["7 + 5", "1 + 1", "7 + 5"]
    before, after = result([1, 1, 0], questions=questions), result([0, 1, 1], questions=questions)
    pairs = pair(before, dataclasses.replace(after, items=after.items.reverse()), "exact_match")
    assert (pairs.before.tolist(), pairs.after.tolist()) == ([1, 1, 0], [0, 1, 1])


def test_an_item_without_a_cluster_is_alone() -> None:
    clusters = ["a", None, "a", "item 1"]
    pairs = pair(result([1, 1, 0, 1], clusters=clusters), result([1, 0, 1, 1], clusters=clusters), "exact_match")
    assert pairs.clusters is not None
    assert pairs.clusters[0] == pairs.clusters[2]
    assert len(set(pairs.clusters)) == 3


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (result([1, 0, 1, 1], version="2"), "not scored on the same version of the task"),
        (result([1, 0, 1]), "4 items before and 3 after"),
        (result([1, 0, 1, 1], template="<s>{}"), r"the prompt of item 0 is not the same .* \(4 of 4 differ\)"),
        (result([1, 0, 1, 1], questions=["question 0", "question 1", "question 2", "2 + 2"]), "not of the same item"),
        (changed(CANDIDATE, target_hash=pl.lit("0" * 64)), "have different answer keys"),
        (changed(CANDIDATE, cluster=pl.lit("a")), "belongs to another cluster"),
        (changed(CANDIDATE, index=pl.lit(1, pl.UInt32)), "one item was scored twice"),
        (dataclasses.replace(CANDIDATE, items=CANDIDATE.items.clear()), "there are no items"),
        (dataclasses.replace(CANDIDATE, items=CANDIDATE.items.head(3)), "3 items are kept of 4"),
    ],
)
def test_what_is_not_the_same_is_said(other: EvaluatedTask, words: str) -> None:
    with pytest.raises(PairingError, match=words) as raised:
        pair(BASE, other, "exact_match")
    assert raised.value.exit_code == 4
    assert "additions" in str(raised.value)
    with pytest.raises(PairingError):
        pair(other, BASE, "exact_match")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "item 2 has no exact_match"),
        (math.nan, "item 2 has a exact_match that is no finite number"),
        (math.inf, "item 2 has a exact_match that is no finite number"),
        (0.5, "item 2 has a exact_match that is neither 0 nor 1"),
    ],
)
def test_a_value_that_is_none_is_said(value: float | None, words: str) -> None:
    broken = result([1, 0, 1, 1], scores={"exact_match": [1, 0, value, 1]})
    with pytest.raises(PairingError, match=words):
        pair(BASE, broken, "exact_match")


def test_a_continuous_metric_may_be_anything_finite() -> None:
    pairs = pair(BASE, result([1, 0, 1, 1], scores={"f1": [0.5, -3.0, 1.0, 0.25]}), "f1")
    assert pairs.after.tolist() == [0.5, -3.0, 1.0, 0.25]


def test_an_unknown_metric_is_named_with_those_there_are() -> None:
    with pytest.raises(PairingError, match="has no metric acc\n  one of: exact_match, f1"):
        pair(BASE, CANDIDATE, "acc")


class TestPromptsThatMayDiffer:
    def test_another_template_is_let_through_and_counted(self) -> None:
        pairs = pair(BASE, result([1, 0, 1, 1], template="<s>{}"), "exact_match", prompts_may_differ=True)
        assert pairs.prompts_differ == 4

    def test_so_are_shots(self) -> None:
        pairs = pair(BASE, result([1, 0, 1, 1], template="shots {}", shots=5), "exact_match", prompts_may_differ=True)
        assert pairs.n == 4

    def test_but_no_other_items_and_no_other_scoring(self) -> None:
        with pytest.raises(PairingError, match="same version"):
            pair(BASE, result([1, 0, 1, 1], version="2"), "exact_match", prompts_may_differ=True)
        with pytest.raises(PairingError, match="answer keys"):
            pair(BASE, changed(CANDIDATE, target_hash=pl.lit("0" * 64)), "exact_match", prompts_may_differ=True)
