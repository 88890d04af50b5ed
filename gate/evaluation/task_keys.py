"""Says what is wrong with a task's or group's YAML: file, line, key, and the nearest key that there is."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from gate.errors import PolicyError
from gate.evaluation.task_form import GroupForm, TaskForm
from gate.policy.invalid import Location, policy_error
from gate.policy.model import Place


def task_error(error: ValidationError, places: Mapping[str, Place], name: str) -> PolicyError:
    """The first problem of a task's YAML."""
    return _error(error, places, name, TaskForm)


def group_error(error: ValidationError, places: Mapping[str, Place], name: str) -> PolicyError:
    """The first problem of a group's YAML."""
    return _error(error, places, name, GroupForm)


def _error(error: ValidationError, places: Mapping[str, Place], name: str, form: type[BaseModel]) -> PolicyError:
    found = policy_error(error, places=places, prefix="", valid=lambda location: keys_of(form, location))
    return PolicyError(found.what, where=found.where or name, remedy=found.remedy)


def keys_of(form: type[BaseModel], location: Location) -> Collection[str]:
    """The keys that there are where a key is unknown."""
    for part in location[:-1]:
        if isinstance(part, str) and part in form.model_fields:
            inner = next(_forms(form.model_fields[part].annotation), None)
            if inner is None:
                return ()
            form = inner
    return list(form.model_fields)


def _forms(annotation: Any) -> Iterator[type[BaseModel]]:  # any annotation
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for each in typing.get_args(annotation):
        yield from _forms(each)
