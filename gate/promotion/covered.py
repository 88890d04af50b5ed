"""Which tasks a demand is about, as both models were scored on them: the same task by its digest, or nothing is
judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import polars as pl

from gate.errors import GateError
from gate.evaluation.items import ITEMS, values
from gate.evaluation.results import EvaluatedTask
from gate.evaluation.task_document import Metric, TaskDocument
from gate.promotion.policy_form import DemandForm

TOGETHER = "score"
"""The metric of tasks that are judged together."""


class NotJudged(GateError):
    """Something is missing or does not fit, and no verdict was reached: nothing is promoted because of it."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a demand cannot be judged."""

    what: str
    remedy: str | None = None
    where: str | None = None


def not_judged(problems: Sequence[Problem]) -> NotJudged:
    """All that is missing as one error: every sentence, and each thing to do once."""
    said = list(dict.fromkeys(f"{each.where}: {each.what}" if each.where else each.what for each in problems))
    remedies = dict.fromkeys(each.remedy for each in problems if each.remedy)
    return NotJudged("\n  ".join(said), remedy="\n  ".join(remedies) or None)


@dataclass(frozen=True, slots=True)
class Pairing:
    """A task, or several together, as two models were scored on it."""

    before: EvaluatedTask
    after: EvaluatedTask
    metric: Metric
    margin: float | None
    """Of `no_worse`; None where something better is demanded."""


def matching(names: Iterable[str], patterns: Sequence[str], but: Sequence[str] | None = None) -> list[str]:
    """The names that one of the patterns fits, and none of those that are left out."""
    return [
        name
        for name in names
        if any(fnmatchcase(name, each) for each in patterns) and not any(fnmatchcase(name, each) for each in but or ())
    ]


def is_pattern(text: str) -> bool:
    """Whether it stands for any number of names, and not for one."""
    return any(character in text for character in "*?[")


def pairings(
    demand: DemandForm,
    before: Mapping[str, EvaluatedTask],
    after: Mapping[str, EvaluatedTask],
    *,
    whose: str,
    evaluate: str,
    other_prompts: bool = False,
) -> tuple[list[Pairing], list[Problem]]:
    """The tasks of a suite that a demand is about, each with both models' results.

    Args:
        before: the other model's tasks by name; after: the candidate's.
        whose: how sentences call the other model: `the base`.
        evaluate: the command that scores it.
        other_prompts: whether the other model was meant to get other prompts (shots, a system prompt).

    Returns:
        what can be compared, and why the rest cannot.
    """
    problems = [
        Problem(f"the candidate was not scored on {name}, which demand {demand.id} names", f"is it in {demand.suite}?")
        for name in demand.tasks
        if not is_pattern(name) and name not in after
    ]
    own, others = (matching(each, demand.tasks, demand.except_) for each in (after, before))
    if not own and not problems:
        patterns = ", ".join(demand.tasks)
        problems.append(Problem(f"no task of {demand.suite} is {patterns}, which demand {demand.id} is about"))
    if lacking := [name for name in own if name not in before]:
        problems.append(Problem(f"{whose} was not scored on {_few(lacking)} of {demand.suite}", evaluate))
    if lacking := [name for name in others if name not in after]:
        problems.append(
            Problem(
                f"the candidate was not scored on {_few(lacking)} of {demand.suite}, and {whose} was",
                f"gate eval CANDIDATE --suite {demand.suite}",
            )
        )
    found: list[Pairing] = []
    for name in own:
        if name not in before:
            continue
        one, other = before[name], after[name]
        if not _same(one, other, other_prompts):
            what = f"{whose} was scored on another {name} than the candidate: its data, prompts or scoring differ"
            problems.append(Problem(what, evaluate))
            continue
        wanted = demand.metric or other.document.primary
        try:
            metric = other.document.metric(wanted)
            one.document.metric(wanted)
        except KeyError:
            known = ", ".join(each.name for each in other.document.metrics)
            problems.append(Problem(f"{name} has no metric {wanted!r}, which demand {demand.id} names; it has {known}"))
            continue
        found.append(Pairing(one, other, metric, _margin(demand, wanted)))
    return (_together(demand, found) if demand.together else found), problems


def _same(one: EvaluatedTask, other: EvaluatedTask, other_prompts: bool) -> bool:
    if one.scores.document == other.scores.document:
        return True
    # Under other prompts a task is another one; its items and who scores them have to be the same.
    parts = ((each.document.data, each.document.metrics, each.document.primary) for each in (one, other))
    return other_prompts and len({repr(each) for each in parts}) == 1


def _margin(demand: DemandForm, metric: str) -> float | None:
    if demand.no_worse is None:
        return None
    return (demand.no_worse.margins or {}).get(metric, demand.no_worse.margin)


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more tasks" if len(names) > 4 else shown


def _together(demand: DemandForm, found: Sequence[Pairing]) -> list[Pairing]:
    """Tasks of one kind, direction and margin as one set of items."""
    groups: dict[tuple[bool, bool, float | None], list[Pairing]] = {}
    for each in found:
        groups.setdefault((each.metric.binary, each.metric.higher_is_better, each.margin), []).append(each)
    pooled = []
    for number, ((binary, higher, margin), parts) in enumerate(groups.items(), start=1):
        if len(parts) == 1:
            pooled += parts
            continue
        metric = Metric(name=TOGETHER, binary=binary, higher_is_better=higher, scorer="gate")
        document = TaskDocument(
            task=f"{demand.id}-together" + (f"-{number}" if len(groups) > 1 else ""),
            suite=demand.suite,
            about=f"{len(parts)} tasks of {demand.suite} as one set of items",
            source=parts[0].after.document.source,
            config={"together": {each.after.document.task: each.after.scores.document for each in parts}},
            metrics=[metric],
            primary=TOGETHER,
        )
        before = _pooled(document, [(each.before, each.metric.name) for each in parts])
        after = _pooled(document, [(each.after, each.metric.name) for each in parts])
        pooled.append(Pairing(before, after, metric, margin))
    return pooled


def _pooled(document: TaskDocument, parts: Sequence[tuple[EvaluatedTask, str]]) -> EvaluatedTask:
    frames = []
    for task, metric in parts:
        name = pl.lit(f"{task.document.task}/")
        score = pl.struct(metric=pl.lit(TOGETHER), value=values(task.items, metric).alias("value"))
        frames.append(
            task.items.with_columns(
                doc_hash=name + pl.col("doc_hash"), cluster=name + pl.col("cluster"), scores=pl.concat_list(score)
            )
        )
    items = pl.concat(frames).with_columns(index=pl.int_range(pl.len(), dtype=pl.UInt32)).select(list(ITEMS))
    mean = math.fsum(values(items, TOGETHER)) / items.height
    scores = parts[0][0].scores.model_copy(
        update={"task": document.task, "n": items.height, "scores": {TOGETHER: mean}}
    )
    return EvaluatedTask(document, items, scores)
