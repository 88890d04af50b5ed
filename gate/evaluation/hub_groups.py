"""Groups of lm-eval's own, such as `mmlu`, taken apart into their tasks: each is scored, kept and judged as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gate.evaluation.task import Suite, Task


def taken_apart(suite: Suite) -> Suite:
    """The suite with the tasks of its groups in the place of these; no data is looked at, and no network asked.

    What the group's line says (metric, chance, shots) is said of each. A name that lm-eval does not know stays: that is
    an error where it is to be scored.
    """
    if all(task.document.source != "hub" for task in suite.tasks):
        return suite
    from lm_eval.tasks import TaskManager

    index = TaskManager(include_defaults=True).task_index
    tasks: dict[str, Task] = {}
    for task in suite.tasks:
        names = _leaves(task.name, index, ()) if task.document.source == "hub" else [task.name]
        for name in names:
            tasks.setdefault(name, task if name == task.name else _called(task, name))
    return replace(suite, tasks=tuple(tasks.values()))


def _leaves(name: str, index: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    """The tasks below a name, in lm-eval's own order; the name itself where it is one, or nothing that is known.

    Args:
        index: lm-eval's `Entry` by name, which has no types.
    """
    entry = index.get(name)
    kind = getattr(getattr(entry, "kind", None), "name", "")
    if entry is None or name in above or kind not in ("GROUP", "TAG"):
        yield name
        return
    inside = sorted(entry.tags) if kind == "TAG" else (entry.cfg or {}).get("task", [])
    for each in [inside] if isinstance(inside, str) else inside:
        named = each.get("task", each.get("group")) if isinstance(each, Mapping) else each
        if isinstance(named, str):
            yield from _leaves(named, index, (*above, name))


def _called(task: Task, name: str) -> Task:
    config = {**task.config, "task": name}
    about = f"{name}, of lm-eval's own group {task.name}."
    document = task.document.model_copy(update={"task": name, "config": config, "about": about})
    return replace(task, document=document, config=config)
