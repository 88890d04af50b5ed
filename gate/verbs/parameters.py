"""What a check's parameters are, told from its own pydantic model: name, type, default, meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic_core import to_jsonable_python

from gate.checks.base import Params

Schema = Mapping[str, object]
"""A JSON Schema, or a part of one."""

_NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
_LISTED = 6  # values of an enumeration that are written out; longer ones go by their name


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a rule's `with:`."""

    name: str
    type: str
    """For people: `number from 0 to 1`, `full | prompt | response`."""
    required: bool
    default: object
    """JSON-able; meaningless where required."""
    meaning: str


def parameters(params: type[Params]) -> tuple[Parameter, ...]:
    """The parameters of a check, in the order in which it declares them."""
    schema = params.model_json_schema()
    definitions = cast("dict[str, Schema]", schema.get("$defs", {}))
    described = []
    for name, field in params.model_fields.items():
        part = schema["properties"][name]
        meaning = " ".join(str(part.get("description", "")).split())
        # Not the schema's default, which leaves out those that a factory makes.
        required = field.is_required()
        default = None if required else to_jsonable_python(field.get_default(call_default_factory=True))
        described.append(Parameter(name, type_name(part, definitions), required, default, meaning))
    return tuple(described)


def type_name(part: Schema, definitions: Mapping[str, Schema]) -> str:
    """A JSON Schema's type in words."""
    if "$ref" in part:
        name = str(part["$ref"]).rpartition("/")[2]
        target = definitions[name]
        values = target.get("enum")
        return name if isinstance(values, list) and len(values) > _LISTED else type_name(target, definitions)
    for key in ("anyOf", "oneOf"):
        if key in part:
            names = [type_name(each, definitions) for each in cast("list[Schema]", part[key])]
            return " or ".join(dict.fromkeys(names))
    if "enum" in part:
        return " | ".join(str(value) for value in cast("list[object]", part["enum"]))
    if "const" in part:
        return str(part["const"])
    kind = str(part.get("type", "anything"))
    if kind == "array":
        items = type_name(cast(Schema, part.get("items", {})), definitions)
        return f"list of ({items})" if " | " in items else f"list of {items}"
    if kind == "object" and isinstance(part.get("additionalProperties"), Mapping):
        keys = cast(Schema, part.get("propertyNames", {"type": "string"}))
        values_name = type_name(cast(Schema, part["additionalProperties"]), definitions)
        return f"mapping of {type_name(keys, definitions)} to {values_name}"
    return _NAMES.get(kind, kind) + _bounds(part)


def _bounds(part: Schema) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    said = [f"{word} {part[key]}" for key, word in words.items() if key in part]
    return f", {' and '.join(said)}" if said else ""
