"""Follows a suite's group to its tasks: by name, with what differs, through groups in groups, none of them twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from gate.errors import PolicyError
from gate.evaluation.hub_tasks import hub_task
from gate.evaluation.task import Task
from gate.evaluation.task_document import SuiteName
from gate.evaluation.task_files import TaskReader
from gate.evaluation.task_form import GroupForm
from gate.evaluation.task_keys import group_error
from gate.evaluation.task_yaml import TaskYaml
from gate.policy.invalid import nearest


def group_form(yaml: TaskYaml, suite: SuiteName) -> GroupForm:
    """What a group's YAML says.

    Raises:
        PolicyError: it says something else than a group can.
    """
    values = {key: value for key, value in yaml.values.items() if value is not None}
    metadata = values.get("metadata")
    if suite == "memorization" and isinstance(metadata, dict) and isinstance(metadata.get("gate"), dict):
        ours = {key: value for key, value in metadata["gate"].items() if key in ("about", "extends")}
        values["metadata"] = {**metadata, "gate": ours}  # the others are read by gate.evaluation.memorization_rules
    try:
        return GroupForm.model_validate(values)
    except ValidationError as error:
        raise group_error(error, yaml.places, yaml.name) from None


class Listing:
    """Follows a group's list to its tasks."""

    def __init__(
        self, suite: SuiteName, reader: TaskReader, tasks: Mapping[str, TaskYaml], groups: Mapping[str, TaskYaml]
    ) -> None:
        self.suite, self.reader, self.known, self.groups = suite, reader, tasks, groups
        self.made: list[Task] = []
        self.used: set[str] = set()
        """Names of files' tasks that a group named."""
        self.where: dict[str, str] = {}
        self.open: list[str] = []

    def tasks(self, form: GroupForm, yaml: TaskYaml, prefix: str = "") -> list[Task]:
        """Every task of a group and of the groups in it, in the order of the list."""
        self.open.append(form.group)
        listed: Sequence[str | dict[str, Any]] = [form.task] if isinstance(form.task, str) else form.task
        for at, each in enumerate(listed):
            where = yaml.where(f"{prefix}task.{at}")
            values = {"task": each} if isinstance(each, str) else each
            if isinstance(group := values.get("group"), str) and group not in self.groups:
                self._inline(values, yaml, f"{prefix}task.{at}.")
                continue
            named = group if group is not None else values.get("task")
            if not isinstance(named, str):
                raise PolicyError("an entry is a name, or has `task:`", where=where, remedy="`task: [NAME, …]`")
            if named in self.where:
                what = (
                    f"{named!r} is in the suite twice, alone and in a group"
                    if len(self.open) > 1 or (named in self.groups)
                    else f"{named!r} is in the suite twice"
                )
                raise PolicyError(f"{what} (also {self.where[named]})", where=where, remedy="keep one of the two")
            self.where[named] = where
            self._one(named, values, yaml, where)
        self.open.pop()
        return self.made

    def _one(self, named: str, values: Mapping[str, Any], yaml: TaskYaml, where: str) -> None:
        changes = {key: value for key, value in values.items() if key not in ("task", "group")}
        if _is_hub(changes):
            self.made.append(hub_task(named, changes, self.suite, where))
        elif named in self.groups:
            if named in self.open:
                raise PolicyError(f"the group {named!r} holds itself", where=where, remedy="take one of the two away")
            if changes:
                raise PolicyError(
                    f"{next(iter(changes))}: not for a group", where=where, remedy="write it in its tasks"
                )
            inner = self.groups[named]
            self.tasks(group_form(inner, self.suite), inner)
        elif named in self.known:
            known = self.known[named]
            self.used.add(named)
            over = TaskYaml(known.name, known.path, {**known.values, **changes}, known.places)
            self.made.append(self.reader.read(over))
        else:
            remedy = nearest(named, [*self.known, *self.groups], "the folder's tasks are")
            raise PolicyError(
                f"there is no task {named[:100]!r} in the folder", where=where,
                remedy=f"{remedy}; one of lm-eval's own: {{task: NAME, metadata: {{gate: {{hub: true, …}}}}}}",
            )  # fmt: skip

    def _inline(self, values: Mapping[str, Any], yaml: TaskYaml, prefix: str) -> None:
        try:
            form = GroupForm.model_validate(dict(values))
        except ValidationError as error:
            raise group_error(error, {}, yaml.where(prefix.rstrip("."))) from None
        self.tasks(form, yaml, prefix)


def _is_hub(changes: Mapping[str, Any]) -> bool:
    metadata = changes.get("metadata")
    gate = metadata.get("gate") if isinstance(metadata, Mapping) else None
    return isinstance(gate, Mapping) and gate.get("hub") is True
