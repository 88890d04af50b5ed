"""The scorers that a task may name: what they measure, under which version, and whether they can do without an answer.

A name with its version (`f1@1`) stands in the task's document, and so in its digest: a scorer that says something else
gets a new version, and results of the old one are not taken for those of the new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from gate.errors import UsageError
from gate.evaluation.bits import METRIC as BITS_METRIC
from gate.evaluation.bits import NAME as BITS
from gate.evaluation.bits import score_bits
from gate.evaluation.scorers_format import FORMAT_SCORERS
from gate.evaluation.scorers_json import JSON_SCORERS
from gate.evaluation.scorers_safety import SAFETY_SCORERS
from gate.evaluation.scorers_text import TEXT_SCORERS
from gate.evaluation.task import Scorer
from gate.evaluation.task_document import Metric
from gate.policy.invalid import nearest

Metrics = tuple[Metric, ...]

SCORERS: Mapping[str, tuple[Scorer, Metrics]] = {
    **TEXT_SCORERS,
    **JSON_SCORERS,
    **FORMAT_SCORERS,
    **SAFETY_SCORERS,
    BITS: (score_bits, (BITS_METRIC,)),
}
"""By name and version: what computes it, and its metrics; the first is its main one."""

NEED_ANSWER = frozenset(
    {"numeric@1", "rouge_l@1", "bleu@1", "chrf@1", "json@1", "calls@1", "contains@1", "starts_with@1", "length@1", BITS}
)
"""Those that say nothing, or always the same, where the right answer is the empty text."""


def scorer(name: str) -> tuple[Scorer, Metrics]:
    """A scorer by its name, with its version (`f1@1`) or without (the latest).

    Raises:
        UsageError: there is none.
    """
    return SCORERS[versioned(name)]


def versioned(name: str) -> str:
    """The name with its version.

    Raises:
        UsageError: there is no such scorer.
    """
    if name in SCORERS:
        return name
    versions = [each for each in SCORERS if each.rpartition("@")[0] == name]
    if not versions:
        known = {each.rpartition("@")[0] for each in SCORERS}
        raise UsageError(f"there is no scorer {name[:100]!r}", remedy=nearest(name, known, "the scorers are"))
    return max(versions, key=lambda each: int(each.rpartition("@")[2]))


def scorers(names: Iterable[str]) -> tuple[tuple[Scorer, ...], tuple[Metric, ...]]:
    """Several scorers, and all their metrics.

    Raises:
        UsageError: there is none of a name, or two give a metric of one name.
    """
    wanted = list(dict.fromkeys(versioned(name) for name in names))
    metrics = [metric for name in wanted for metric in SCORERS[name][1]]
    check_metrics(metrics)
    return tuple(SCORERS[name][0] for name in wanted), tuple(metrics)


def check_metrics(metrics: Sequence[Metric]) -> None:
    """That no two metrics of a task have one name.

    Raises:
        UsageError: two do.
    """
    seen: dict[str, Metric] = {}
    for metric in metrics:
        if metric.name in seen:
            both = f"{seen[metric.name].scorer} and {metric.scorer}"
            raise UsageError(f"the metric {metric.name!r} comes from {both}", remedy="leave one of the two out")
        seen[metric.name] = metric


@lru_cache(maxsize=1)
def described() -> tuple[tuple[str, str, Metrics], ...]:
    """Of each scorer its name with version, what it says of itself, and its metrics, by name."""

    def about(function: Callable[..., object]) -> str:
        return " ".join((function.__doc__ or "").partition("\n\n")[0].split())

    return tuple((name, about(SCORERS[name][0]), SCORERS[name][1]) for name in sorted(SCORERS))
