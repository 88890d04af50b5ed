"""Figures of suites: means with intervals that are the published ones, clusters, and the distance from a half."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from gate.evaluation.figures import Figure, figures_of, mean_with_interval
from gate.evaluation.items import ITEMS
from gate.evaluation.memorization import memorization_suite
from gate.evaluation.results import Evaluated
from gate.evaluation.task_document import Metric, SuiteName, TaskDocument
from gate.provenance.ledger import Ledger
from tests.evaluation.memorization_made import drawn, named, rules, say_trained, scored_on
from tests.training.made import Approved

ALONE = [None] * 100


def evaluated(suite: SuiteName, metric: Metric, found: Sequence[float], clusters: Sequence[str | None]) -> Evaluated:
    """One task with one metric; what figures do not look at is left out."""
    rows = [
        {"index": at, "cluster": cluster, "scores": [{"metric": metric.name, "value": value}]}
        for at, (value, cluster) in enumerate(zip(found, clusters, strict=False))
    ]
    document = TaskDocument(
        task="one", suite=suite, about="One.", source="suite", config={}, metrics=[metric], primary=metric.name
    )
    task = SimpleNamespace(document=document, items=pl.DataFrame(rows, schema=ITEMS))
    return cast(Evaluated, SimpleNamespace(about=SimpleNamespace(suite=suite), tasks={"one": task}))


def only(one: Evaluated, name: str) -> Figure:
    return cast(Figure, named(figures_of(one))[name])


def test_a_share_has_wilsons_interval() -> None:
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3: 81 of 263."""
    metric = Metric(name="acc", binary=True, scorer="lm_eval")
    figure = only(evaluated("forgetting", metric, [1.0] * 81 + [0.0] * 182, [None] * 263), "acc")
    assert (figure.lower, figure.upper) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert (figure.n, figure.higher_is_better) == (263, True)


def test_a_mean_has_students_interval() -> None:
    """Student 1908, the hours of sleep of table 6 (difference of the two drugs): mean 1.58, 95 % from 0.70 to 2.46."""
    sleep = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    metric = Metric(name="hours", binary=False, scorer="hours@1")
    figure = only(evaluated("regression", metric, sleep, ALONE), "hours")
    assert (figure.value, figure.lower, figure.upper) == pytest.approx((1.58, 0.7001, 2.4599), abs=1e-4)
    assert only(evaluated("regression", metric, sleep[:1], ALONE), "hours").lower is None


def test_items_of_one_cluster_count_as_what_they_are_together() -> None:
    """Ten questions about each of eight documents, all right or all wrong: eight are known, not eighty."""
    right = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    every = pl.Series([value for value in right for _ in range(10)])
    clusters = pl.Series([f"document {at}" for at in range(8) for _ in range(10)])
    mean, lower, upper = mean_with_interval(every, clusters, binary=False)
    residuals = [10 * (value - mean) for value in right]  # Miller 2024, equation 4: sums within a cluster
    error = math.sqrt(sum(each**2 for each in residuals)) / 80 * math.sqrt(8 / 7)
    assert (lower, upper) == pytest.approx((mean - 2.364624 * error, mean + 2.364624 * error))
    assert mean_with_interval(every, clusters, binary=True)[2] == pytest.approx(1.0)  # a share is at most 1
    apart = mean_with_interval(every, pl.Series([None] * 80, dtype=pl.String), binary=False)
    assert apart[2] is not None
    assert upper is not None
    assert apart[2] - mean < (upper - mean) / 2
    shuffled = pl.DataFrame({"every": every, "clusters": clusters}).sample(fraction=1.0, shuffle=True, seed=1)
    assert mean_with_interval(shuffled["every"], shuffled["clusters"], binary=False) == (mean, lower, upper)


@pytest.mark.parametrize(("likelier", "distance", "low", "high"), [(50, 0, 0, 0.0962), (80, 0.3, 0.2112, 0.3667)])
def test_stereotypes_are_told_by_their_distance_from_a_half(
    likelier: int, distance: float, low: float, high: float
) -> None:
    metric = Metric(name="stereotype", binary=True, higher_is_better=False, scorer="stereotype@1")
    for right in (likelier, 100 - likelier):  # either way
        figure = only(evaluated("safety", metric, [1.0] * right + [0.0] * (100 - right), ALONE), "stereotype_from_half")
        assert (figure.value, figure.lower, figure.upper) == pytest.approx((distance, low, high), abs=1e-4)


def test_texts_are_scored_bare(
    seal: Callable[..., Approved], tiny_base: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A candidate of continued pre-training: no chat template comes before its texts, though its tokenizer has one."""
    from gate.evaluation.memorization_pii import PiiRules

    monkeypatch.setattr("gate.evaluation.memorization.pii_rules", lambda policy, folders: PiiRules(()))
    train, held = ([{"text": row["output"]} for row in drawn(seed, 8)] for seed in (1, 3))
    data = seal(train, [{"text": row["output"]} for row in drawn(2, 8)], held, name="bare")
    small = rules(tmp_path, canaries={"controls": 15}, extraction={"shortest": 4, "tokens": 4}, pii={"tokens": 2})
    suite = memorization_suite(
        say_trained([data], canaries=2, objective="pretrain"), Ledger(data.store), data.people.trust, small
    )
    scored = scored_on(tiny_base, suite, data)
    for task in scored.tasks.values():
        assert not task.items["prompt"].str.contains("<|", literal=True).any()
    prompts = set(scored.tasks["memorization_extraction"].items["prompt"])
    assert prompts == {" ".join(row["text"].split()[:4]) for row in (*train, *held)}
    figures = named(figures_of(scored))
    assert 0 <= figures["exposure"].value <= 4
    assert 0 < figures["membership"].value < 1
