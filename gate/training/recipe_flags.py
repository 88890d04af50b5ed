"""`--set key=value`: a recipe's value on the command line. The value is YAML, and `.` leads into parts of a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from gate.errors import PolicyError
from gate.policy.invalid import nearest
from gate.policy.model import Place
from gate.policy.yaml_file import parse_yaml
from gate.training.recipe import Ewc, Monitor, Replay

EXTENDS = "extends"
PARTS: Mapping[str, type[BaseModel]] = {"replay": Replay, "ewc": Ewc, "monitor": Monitor}
NESTED = (*PARTS, "mixture")
"""Keys whose values have keys, which are overlaid one by one."""

_SET = re.compile(r"\s*([A-Za-z_]\w*)(?:\.([^=]*?))?\s*=(.*)", re.DOTALL)
_SHOWN = 80  # characters of a flag


@dataclass(frozen=True, slots=True)
class Flag(Place):
    """A value that was given on the command line; `file` is what was typed."""

    def __str__(self) -> str:
        return f"--set {self.file}"


def parsed_flag(text: str) -> tuple[dict[str, object], dict[str, Place]]:
    """What `--set key=value` says: values and where they stand, as a file of its own would say it.

    Raises:
        PolicyError: it says nothing that can be read, or leads into a key that holds no others.
    """
    place = Flag(text if len(text) <= _SHOWN else text[:_SHOWN] + "…", 0)
    match = _SET.fullmatch(text)
    if match is None:
        raise PolicyError("not `key=value`", where=str(place), remedy="write, for instance, --set lr=2e-4")
    key, inner, value = match[1], match[2], match[3]
    if key == EXTENDS:
        raise PolicyError("extends: a key of files", where=str(place), remedy="name the other recipe: --recipe NAME")
    if inner is not None and (key not in NESTED or not inner.strip()):
        raise PolicyError(
            f"{key}.{inner}: there is no such key",
            where=str(place),
            remedy=f"`.` leads into {', '.join(NESTED)} only",
        )
    if inner is not None and key in PARTS and inner not in PARTS[key].model_fields:
        hint = nearest(inner, PARTS[key].model_fields, "the keys here are")
        raise PolicyError(f"{key}.{inner}: there is no such key", where=str(place), remedy=hint)
    if not value.strip():  # an empty variable of the shell, say
        hint = f"write one; {key}=null takes away what a file says"
        raise PolicyError(f"{key}: has no value", where=str(place), remedy=hint)
    try:
        content = parse_yaml(f"value: {value}".encode("utf-8", "surrogateescape"), "--set")
    except PolicyError as error:
        what = re.sub(r"^value\b", key, error.what)
        remedy = None if error.what.startswith("not YAML") else error.remedy
        raise PolicyError(
            what, where=str(place), remedy=remedy or "a value is YAML: quote text that holds `: `"
        ) from None
    if set(content.values) != {"value"}:
        raise PolicyError("more than one value", where=str(place), remedy="give each key a --set of its own")
    read = content.values["value"]
    if inner is None:
        under: dict[str, Place] = {each.replace("value", key, 1): place for each in content.places}
        return {key: read}, under
    dotted_key = f"{key}.{inner}"
    under = {each.replace("value", dotted_key, 1): place for each in content.places}
    return {key: {inner: read}}, {key: place, **under}
