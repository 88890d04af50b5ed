"""Pairs of items: what two models scored on one task, item by item, or words why they cannot be compared.

A difference means something only where both models were asked the same thing in the same way. So the task's digest has
to be the same, the number of items, and for each item the document's hash, the answer key's and the prompt's. A
candidate with a chat template or tokenizer of its own gets other prompts: that is allowed only by name, and said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from gate.errors import GateError
from gate.evaluation.items import values
from gate.evaluation.results import EvaluatedTask
from gate.evaluation.task_document import Metric, TaskDocument
from gate.promotion.tango import Floats

_PROMPTING = ("num_fewshot", "fewshot_config", "fewshot_split", "description")
"""Keys of lm-eval's configuration that only say what stands before an item."""


class PairingError(GateError):
    """Two results that cannot be compared: nothing was judged, and that blocks."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Pairs:
    """A metric of the same items under two models."""

    task: str
    metric: Metric
    before: Floats
    """Of each item, in the order of the task's data; as measured, also where less is better."""
    after: Floats
    index: tuple[int, ...]
    """Each item's place in the task's data (`index` of gate.evaluation.items.ITEMS)."""
    clusters: tuple[str, ...] | None
    """Of each item, where the task names them."""
    prompts_differ: int
    """Items whose prompts were not the same, which was allowed."""

    @property
    def n(self) -> int:
        return len(self.index)


def pair(before: EvaluatedTask, after: EvaluatedTask, metric: str, *, prompts_may_differ: bool = False) -> Pairs:
    """The items of two results of one task, each with both values of a metric.

    Items are matched by the document's hash; of several with the same one, the first with the first. That the two runs
    had the same settings is for the caller to see: a task's result does not hold them.

    Args:
        metric: its name.
        prompts_may_differ: the candidate's own chat template or tokenizer, or a prompt baseline's shots and system
            prompt, are allowed; documents and answer keys are not.

    Raises:
        PairingError: says which item, and why.
    """
    task = before.document.task
    _same_task(before, after, prompts_may_differ)
    wanted = _metric(before.document, metric)
    if wanted != _metric(after.document, metric):
        raise PairingError(f"the metric {metric} is not computed in the same way for both models", where=task)
    one, other = (_in_order(each, task, metric) for each in (before, after))
    if one.height != other.height:
        raise PairingError(
            f"{one.height} items before and {other.height} after", where=task, remedy="evaluate both on the whole task"
        )
    for column, said in (("doc_hash", "are not of the same item"), ("target_hash", "have different answer keys")):
        differing = (one[column] != other[column]).arg_true()
        if len(differing):
            place = min(one["index"][differing].to_list())
            raise PairingError(
                f"the results at item {place} {said} ({len(differing)} in all)",
                where=task,
                remedy="evaluate both models on the same data",
            )
    differing = (one["prompt_hash"] != other["prompt_hash"]).arg_true()
    if len(differing) and not prompts_may_differ:
        place = min(one["index"][differing].to_list())
        raise PairingError(
            f"the prompt of item {place} is not the same for both models ({len(differing)} of {one.height} differ)",
            where=task,
            remedy="another chat template, tokenizer or system prompt; the policy can allow it: prompts_may_differ",
        )
    order = one["index"].arg_sort()
    one, other = one[order], other[order]
    return Pairs(
        task=task,
        metric=wanted,
        before=_scored(one, wanted, task),
        after=_scored(other, wanted, task),
        index=tuple(one["index"].to_list()),
        clusters=_clusters(one, other, task),
        prompts_differ=len(differing),
    )


def _same_task(before: EvaluatedTask, after: EvaluatedTask, prompts_may_differ: bool) -> None:
    task = before.document.task
    if before.scores.document == after.scores.document:
        return
    if prompts_may_differ and _unprompted(before.document) == _unprompted(after.document):
        return
    raise PairingError(
        "the two models were not scored on the same version of the task "
        f"({before.scores.document[:12]}… and {after.scores.document[:12]}…)",
        where=task if task == after.document.task else f"{task} and {after.document.task}",
        remedy="evaluate both with the suite as it is now",
    )


def _unprompted(document: TaskDocument) -> TaskDocument:
    """Without what stands before an item."""
    config = {key: value for key, value in document.config.items() if key not in _PROMPTING}
    return document.model_copy(update={"config": config, "shots": 0, "shots_data": None})


def _metric(document: TaskDocument, name: str) -> Metric:
    try:
        return document.metric(name)
    except KeyError:
        names = ", ".join(each.name for each in document.metrics)
        raise PairingError(f"it has no metric {name}", where=document.task, remedy=f"one of: {names}") from None


def _in_order(result: EvaluatedTask, task: str, metric: str) -> pl.DataFrame:
    """Its items by hash, and of one hash by their place."""
    items = result.items
    if not items.height:
        raise PairingError("there are no items", where=task, remedy="nothing is compared where nothing was scored")
    if items.height != result.scores.n:
        raise PairingError(f"{items.height} items are kept of {result.scores.n}", where=task)
    if items["index"].n_unique() != items.height:
        raise PairingError("one item was scored twice", where=task)
    return items.sort("doc_hash", "index")


def _scored(items: pl.DataFrame, metric: Metric, task: str) -> Floats:
    """A metric of each item."""
    found = values(items, metric.name)
    for wrong, said in (
        (found.is_null(), f"has no {metric.name}"),
        (~found.is_finite(), f"has a {metric.name} that is no finite number"),
        (~found.is_in([0.0, 1.0]), f"has a {metric.name} that is neither 0 nor 1, though the metric is binary"),
    ):
        places = wrong.fill_null(False).arg_true()
        if len(places) and ("binary" not in said or metric.binary):
            raise PairingError(f"item {items['index'][int(places[0])]} {said} ({len(places)} in all)", where=task)
    return np.asarray(found.to_numpy(), dtype=np.float64)


def _clusters(one: pl.DataFrame, other: pl.DataFrame, task: str) -> tuple[str, ...] | None:
    """Names; an item without one is alone. None where no item has one."""
    if not one["cluster"].eq_missing(other["cluster"]).all():
        raise PairingError("an item belongs to another cluster than before", where=task)
    if one["cluster"].null_count() == one.height:
        return None
    return tuple(
        f"in {cluster}" if cluster is not None else f"item {place}"
        for cluster, place in zip(one["cluster"].to_list(), one["index"].to_list(), strict=True)
    )
