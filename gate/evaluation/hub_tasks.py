"""A task of lm-eval's own, by name: its data is downloaded from the hub, which happens only because it was named.

task:
  - {task: arc_easy, metadata: {gate: {hub: true, primary: acc, chance: 0.25}}}
  - {task: gsm8k, metadata: {gate: {hub: true, primary: exact_match, filter: strict-match}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gate.errors import PolicyError, UsageError
from gate.evaluation.scorers import check_metrics, scorers
from gate.evaluation.task import Task
from gate.evaluation.task_document import Metric, SuiteName, TaskDocument
from gate.evaluation.task_form import PER_ITEM, GateForm, Name


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)
    gate: GateForm


class HubForm(BaseModel):
    """What a group's list may say of a task of lm-eval's own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)
    task: Name
    num_fewshot: Annotated[int, Field(ge=0, le=100)] | None = None
    metadata: _Metadata


def hub_task(named: str, changes: Mapping[str, Any], suite: SuiteName, where: str) -> Task:
    """A task that lm-eval knows by name. gate has no items of it before it runs.

    Raises:
        PolicyError: it says something else than how it is scored, or not which metric counts.
    """
    try:
        form = HubForm.model_validate({"task": named, **changes})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        remedy = "of a hub's task: num_fewshot, and metadata.gate with about, primary, chance, filter, scorers, binary"
        raise PolicyError(f"{key}: {first['msg']}", where=where, remedy=remedy) from None
    gate = form.metadata.gate
    if gate.primary is None:
        raise PolicyError("metadata.gate.primary: missing", where=where, remedy="say which of its metrics counts")
    for key in ("cluster", "slice"):
        if getattr(gate, key) is not None:
            raise PolicyError(f"metadata.gate.{key}: not for a hub's task", where=where, remedy="take it away")
    try:
        functions, metrics = scorers(gate.scorers)
        own = PER_ITEM.get(gate.primary)
        if gate.primary not in [metric.name for metric in metrics]:
            if own is None and gate.binary is None:
                raise UsageError(
                    f"is {gate.primary!r} 0 or 1 for each item?",
                    remedy=f"say so: `binary: [{gate.primary}]`, or `binary: []` where it is not",
                )
            own = own or Metric(name=gate.primary, binary=gate.primary in (gate.binary or ()), scorer="lm_eval")
            metrics = (own, *metrics)
        check_metrics(metrics)
    except UsageError as error:
        raise PolicyError(error.what, where=where, remedy=error.remedy) from None
    config: dict[str, Any] = {"task": named, "metadata": {"gate": gate.model_dump(exclude_defaults=True)}}
    if form.num_fewshot is not None:
        config["num_fewshot"] = form.num_fewshot
    document = TaskDocument(
        task=named,
        suite=suite,
        about=gate.about or f"lm-eval's own task {named}.",
        source="hub",
        config=config,
        metrics=list(metrics),
        primary=gate.primary,
        chance=gate.chance,
        shots=form.num_fewshot or 0,
    )
    return Task(document=document, config=config, scorers=functions)
