"""Makes items of what lm-eval gives back of a task: one row each, in the order of the data, finite numbers only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from gate.evaluation.backends import NotScored
from gate.evaluation.items import ITEMS
from gate.evaluation.task import Sample, Task

Samples = Sequence[Mapping[str, Any]]  # as lm-eval logs them


def items_of(task: Task, built: Any, samples: Samples) -> pl.DataFrame:
    """Every item of a task as a row (schema gate.evaluation.items.ITEMS).

    Args:
        built: lm-eval's own task, which knows choices.
        samples: what lm-eval logged; of several filters the first counts, unless the task says which.

    Raises:
        NotScored: items are missing, a score or a likelihood is no finite number, or a metric has no value for an item.
    """
    own = _of_filter(task, samples)
    size = len(task.documents) or len(built.eval_docs)
    if [each["doc_id"] for each in own] != list(range(size)):
        raise NotScored(
            f"{len(own):,} of {size:,} items were scored",
            where=task.name,
            remedy="a part of a task is no result; again",
        )
    scorers = {each.scorer for each in task.document.metrics if each.scorer != "lm_eval"}
    rows = [_row(task, built, each, bool(scorers)) for each in own]
    return pl.DataFrame(rows, schema=ITEMS)


def _of_filter(task: Task, samples: Samples) -> list[Mapping[str, Any]]:
    names = list(dict.fromkeys(each["filter"] for each in samples))
    said = ((task.document.config.get("metadata") or {}).get("gate") or {}).get("filter")
    wanted = said if said is not None else names[0] if names else None
    if said is not None and said not in names:
        raise NotScored(f"it has no filter {said!r}: {', '.join(names)}", where=task.name, remedy="correct the task")
    return sorted((each for each in samples if each["filter"] == wanted), key=lambda each: int(each["doc_id"]))


def _row(task: Task, built: Any, logged: Mapping[str, Any], scorers: bool) -> dict[str, object]:
    doc, at = logged["doc"], f"{task.name}, item {int(logged['doc_id'])}"
    sample, raw = _sample(built, logged, at)
    scores = _scores(task, logged, sample if scorers else None, at)
    return {
        "index": int(logged["doc_id"]),
        "doc_hash": logged["doc_hash"],
        "prompt_hash": logged["prompt_hash"],
        "target_hash": logged["target_hash"],
        "example": _text(doc.get("example")),
        "cluster": _text(doc.get(task.cluster)) if task.cluster else None,
        "slice": _text(doc.get(task.slice)) if task.slice else None,
        "prompt": sample.prompt,
        "target": sample.target,
        "output": raw,
        "scores": [{"metric": each.name, "value": scores[each.name]} for each in task.document.metrics],
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sample(built: Any, logged: Mapping[str, Any], at: str) -> tuple[Sample, str]:
    """What the scorers see, and what is shown as the model's output."""
    kind, doc, target = built.OUTPUT_TYPE, logged["doc"], logged["target"]
    first = logged["arguments"][0][0]
    prompt = first if isinstance(first, str) else str(getattr(first, "prompt", first))
    if kind == "generate_until":
        filtered = logged["filtered_resps"][0]
        outputs = tuple(map(str, filtered)) if isinstance(filtered, list | tuple) else (str(filtered),)
        raw = logged["resps"][0][0]
        return Sample(doc, _target(built, doc, target), prompt, outputs, (), ()), raw if isinstance(raw, str) else str(
            raw
        )
    answers = logged["filtered_resps"]
    pairs = [each if isinstance(each, list | tuple) else (each, False) for each in answers]
    likelihoods = tuple(float(each[0]) for each in pairs)
    for number, each in enumerate(likelihoods):
        if not math.isfinite(each):
            which = f"choice {number}" if len(likelihoods) > 1 else "the text"
            raise NotScored(
                f"the log-likelihood of {which} is {each}",
                where=at,
                remedy="the model's weights are broken, or --precision is too small for it: try --precision fp32",
            )
    greedy = tuple(bool(each[1]) for each in pairs)
    sample = Sample(doc, _target(built, doc, target), prompt, (), likelihoods, greedy)
    if kind != "multiple_choice":
        return sample, ""
    choices = built.doc_to_choice(doc)
    best = max(range(len(choices)), key=likelihoods.__getitem__)
    return sample, str(choices[best])


def _target(built: Any, doc: Any, target: Any) -> str:
    """The right answer as text; the first, of several."""
    if getattr(built, "multiple_input", 0):
        target = built.doc_to_text(doc)
    if isinstance(target, list | tuple):
        target = target[0] if target else ""
    if isinstance(target, int) and built.config.doc_to_choice is not None:
        choices = built.doc_to_choice(doc)
        return str(choices[target]) if 0 <= target < len(choices) else ""
    return str(target)


def _scores(task: Task, logged: Mapping[str, Any], sample: Sample | None, at: str) -> dict[str, float]:
    """Each metric of the task, by name."""
    own: dict[str, float] = {}
    if sample is not None:
        for scorer in task.scorers:
            try:
                own |= scorer(sample)
            except ValueError as error:
                raise NotScored(f"it cannot be scored ({error})", where=at, remedy="correct the item") from None
    found = {}
    for metric in task.document.metrics:
        theirs = metric.scorer == "lm_eval"
        if metric.name not in (logged["metrics"] if theirs else own):
            whose = "lm-eval gives" if theirs else f"{metric.scorer} gives"
            has = ", ".join(logged["metrics"] if theirs else own) or "none"
            raise NotScored(f"{whose} no metric {metric.name!r}, but {has}", where=at, remedy="correct the task")
        value = _number(metric.name, logged[metric.name], at) if theirs else float(own[metric.name])
        if not math.isfinite(value):
            raise NotScored(f"{metric.name} is {value}", where=at, remedy="the model or the task is broken")
        if metric.binary and value not in (0.0, 1.0):
            raise NotScored(
                f"{metric.name} is {value:g}, and should be 0 or 1", where=at, remedy="correct the task's metrics"
            )
        found[metric.name] = value
    return found


_OF_PAIR: Mapping[str, Callable[[float, float], float]] = {
    "bits_per_byte": lambda likelihood, size: -likelihood / (size * math.log(2)),
    "byte_perplexity": lambda likelihood, size: math.exp(-likelihood / size),
    "word_perplexity": lambda likelihood, size: math.exp(-likelihood / size),
}
"""What lm-eval keeps of an item as (log-likelihood in nats, bytes or words): its own formulas (lm_eval.api.metrics),
for the item alone."""


def _number(name: str, value: Any, at: str) -> float:
    """lm-eval's own value of an item as a number: of Python, numpy or torch.

    Raises:
        NotScored: it has none for an item.
    """
    if isinstance(value, tuple | list) and len(value) == 2 and name in _OF_PAIR:
        likelihood, size = float(value[0]), float(value[1])
        if size <= 0:
            raise NotScored(f"{name} of an empty text", where=at, remedy="take the item out of the task's data")
        return _OF_PAIR[name](likelihood, size)
    if hasattr(value, "item") and getattr(value, "size", None) != 0:
        try:
            value = value.item()
        except (RuntimeError, ValueError):
            value = None
    if isinstance(value, bool | int | float):
        return float(value)
    raise NotScored(
        f"lm-eval computes {name} over a whole task, and not of each item",
        where=at,
        remedy="name a scorer of gate's for it: metadata: {gate: {scorers: [f1]}}",
    )
