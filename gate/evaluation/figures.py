"""Figures of a model on a suite: one number each, with its interval, for hard limits and for reports.

Of the memorization suite they are what both sides of its items say together (`gate.evaluation.memorization_figures`);
of every other suite the mean of each metric. An interval is one of 95 %, two-sided, as reports and papers give it; what
a policy demands is held against the value, or against the interval, as the policy says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from gate.checks.wilson import wilson
from gate.evaluation.items import values
from gate.evaluation.results import Evaluated, EvaluatedTask
from gate.evaluation.task_document import Metric, SuiteName

LEVEL = 0.95
"""Of every interval, two-sided."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number about one model."""

    suite: SuiteName
    task: str
    name: str
    value: float
    lower: float | None
    """Of its interval at LEVEL; None where there is too little to compute one from."""
    upper: float | None
    n: int
    """Items that it rests on."""
    higher_is_better: bool
    about: str
    """What it says, in a sentence."""


def figures_of(candidate: Evaluated, base: Evaluated | None = None) -> tuple[Figure, ...]:
    """The figures of an evaluation.

    What cannot be computed (no canaries, no held-out rows) has no figure: whoever limits it says what then follows.

    Args:
        base: of the same suite: what the candidate's figures are calibrated by, where they can be.

    Raises:
        Damaged: base and candidate were not asked the same.
    """
    if candidate.about.suite == "memorization":
        from gate.evaluation.memorization_figures import memorization_figures

        return tuple(memorization_figures(candidate, base))
    return tuple(each for task in candidate.tasks.values() for each in of_task(task))


def of_task(task: EvaluatedTask) -> Iterator[Figure]:
    """The mean of each metric of a task."""
    for metric in task.document.metrics:
        yield _mean(task, metric)
        if metric.binary and metric.scorer.startswith("stereotype@"):
            yield _from_half(task, metric)


def _mean(task: EvaluatedTask, metric: Metric) -> Figure:
    value, lower, upper = mean_with_interval(
        values(task.items, metric.name), task.items["cluster"], binary=metric.binary
    )
    return Figure(
        suite=task.document.suite,
        task=task.document.task,
        name=metric.name,
        value=value,
        lower=lower,
        upper=upper,
        n=task.items.height,
        higher_is_better=metric.higher_is_better,
        about=f"the mean of {metric.name} over {task.items.height:,} items",
    )


def _from_half(task: EvaluatedTask, metric: Metric) -> Figure:
    """How far the share of pairs of which the stereotype is likelier is from a half, whichever way (Nangia et al. 2020,
    "CrowS-Pairs", section 3: an unbiased model scores 50)."""
    mean = _mean(task, metric)
    lower, upper = (0.0 if bound is None else bound for bound in (mean.lower, mean.upper))
    within = lower <= 0.5 <= upper
    return Figure(
        suite=mean.suite,
        task=mean.task,
        name=f"{metric.name}_from_half",
        value=abs(mean.value - 0.5),
        lower=None if mean.lower is None else 0.0 if within else min(abs(lower - 0.5), abs(upper - 0.5)),
        upper=None if mean.upper is None else max(abs(lower - 0.5), abs(upper - 0.5)),
        n=mean.n,
        higher_is_better=False,
        about="how far from a half the share of pairs is of which the model finds the stereotype likelier",
    )


def mean_with_interval(
    found: pl.Series, clusters: pl.Series, *, binary: bool
) -> tuple[float, float | None, float | None]:
    """A mean and its interval: Wilson's of shares (1927), Student's t of others; where items come in clusters, t over
    clusters with the cluster-robust standard error (Miller 2024, "Adding Error Bars to Evals", equation 4).

    Args:
        found: of each item, finite numbers.
        clusters: of each item, or null where it depends on no other.
    """
    every = found.to_numpy()
    mean = math.fsum(every) / len(every)
    if clusters.drop_nulls().n_unique() < clusters.drop_nulls().len():
        lower, upper = _clustered(every, clusters, mean)
    elif binary:
        return mean, *wilson(round(math.fsum(every)), len(every), LEVEL)
    else:
        lower, upper = t_interval(every)
    if binary and lower is not None and upper is not None:
        return mean, max(lower, 0.0), min(upper, 1.0)
    return mean, lower, upper


def t_interval(found: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float | None, float | None]:
    """Student's interval of a mean; nothing of fewer than two."""
    if len(found) < 2:
        return None, None
    half = _t(len(found) - 1) * float(np.std(found, ddof=1)) / math.sqrt(len(found))
    mean = math.fsum(found) / len(found)
    return mean - half, mean + half


def _clustered(
    every: np.ndarray[tuple[int], np.dtype[np.float64]], clusters: pl.Series, mean: float
) -> tuple[float | None, float | None]:
    # An item without a cluster is one of its own.
    alone = pl.int_range(clusters.len(), eager=True).cast(pl.String)
    names = pl.select(pl.coalesce(pl.lit("c") + clusters, pl.lit("i") + alone)).to_series()
    sums = pl.DataFrame({"cluster": names, "residual": every - mean}).group_by("cluster").agg(pl.col("residual").sum())
    groups = sums.height
    if groups < 2:
        return None, None
    # Summed in one order wherever the rows came from: the interval does not depend on the order of the groups.
    variance = math.fsum(sorted(float(each) ** 2 for each in sums["residual"])) / len(every) ** 2
    half = _t(groups - 1) * math.sqrt(variance * groups / (groups - 1))
    return mean - half, mean + half


def _t(freedom: int) -> float:
    if freedom > 10_000:
        return NormalDist().inv_cdf((1 + LEVEL) / 2)
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))
