"""Which numbers every item of a task has: lm-eval's own where they are numbers of an item, else those of scorers."""

from __future__ import annotations

from collections.abc import Sequence

from gate.errors import PolicyError, UsageError
from gate.evaluation.scorers import check_metrics, scorers
from gate.evaluation.task import Scorer
from gate.evaluation.task_document import Metric
from gate.evaluation.task_form import DEFAULT_METRICS, OF_ALL, PER_ITEM, SCORED_BY, TaskForm
from gate.evaluation.task_yaml import TaskYaml
from gate.policy.invalid import nearest


def metrics_of(yaml: TaskYaml, form: TaskForm, own: bool) -> tuple[list[Metric], tuple[Scorer, ...]]:
    """The metrics of a task that are a number of each item, and the scorers that compute those that lm-eval does not.

    Args:
        own: it brings `process_results`, whose metrics are what it says.

    Raises:
        PolicyError: there are none, or one that there is not.
    """
    gate = form.metadata.gate
    metrics: list[Metric] = []
    names = list(gate.scorers)
    listed = form.metric_list
    for at, name in enumerate([each.metric for each in listed] if listed else DEFAULT_METRICS[form.output_type]):
        higher = listed[at].higher_is_better if listed else None
        if own:
            metrics.append(
                Metric(
                    name=name, binary=name in (gate.binary or ()), scorer="lm_eval",
                    higher_is_better=True if higher is None else higher,
                )
            )  # fmt: skip
        elif name in PER_ITEM:
            metrics.append(PER_ITEM[name])
        elif name in SCORED_BY:
            names.append(SCORED_BY[name])
        elif name not in OF_ALL:
            raise PolicyError(
                f"there is no metric {name[:100]!r}", where=yaml.where(f"metric_list.{at}.metric"),
                remedy=nearest(name, [*PER_ITEM, *SCORED_BY, *OF_ALL], "lm-eval's metrics are"),
            )  # fmt: skip
    try:
        functions, scored = scorers(names)
        metrics += scored
        check_metrics(metrics)
    except UsageError as error:
        raise PolicyError(error.what, where=yaml.where("metadata.gate.scorers"), remedy=error.remedy) from None
    if not metrics:
        raise PolicyError(
            "none of its metrics is a number of each item", where=yaml.where("metric_list"),
            remedy="name a scorer: `metadata: {gate: {scorers: [exact_match]}}`",
        )  # fmt: skip
    return metrics, functions


def primary_of(yaml: TaskYaml, form: TaskForm, metrics: Sequence[Metric]) -> str:
    """The metric that a verdict is about.

    Raises:
        PolicyError: the task has no such metric, or does not say which of several filters counts.
    """
    primary = form.metadata.gate.primary
    known = [metric.name for metric in metrics]
    if primary is not None and primary not in known:
        raise PolicyError(
            f"metadata.gate.primary: {primary[:100]!r} is none of its metrics",
            where=yaml.where("metadata.gate.primary"), remedy=nearest(primary, known, "they are"),
        )  # fmt: skip
    gate = form.metadata.gate
    if form.filter_list is not None and len(form.filter_list) > 1 and gate.filter is None:
        raise PolicyError(
            "several filters, and it is not said which one counts", where=yaml.where("filter_list"),
            remedy="`metadata: {gate: {filter: NAME}}`",
        )  # fmt: skip
    names = [each.name for each in form.filter_list or ()]
    if gate.filter is not None and gate.filter not in names:
        raise PolicyError(
            f"metadata.gate.filter: there is no filter {gate.filter[:100]!r}",
            where=yaml.where("metadata.gate.filter"), remedy=nearest(gate.filter, names, "its filters are"),
        )  # fmt: skip
    return primary or known[0]
