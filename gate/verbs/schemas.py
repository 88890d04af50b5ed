"""The published JSON Schemas of what people write: policy files, `gate.yaml`, `rules/snapshot.yaml` and recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import BaseModel

from gate.checks import BUILT_IN, load, names
from gate.folders import Folders
from gate.policy.form import PolicyForm, SettingsForm
from gate.policy.snapshot_rules import SnapshotForm
from gate.promotion.policy_form import PromotionForm
from gate.training.recipe import Recipe

_DRAFT = "https://json-schema.org/draft/2020-12/schema"

# JSON is what it is: values of a schema are of any type, told apart where they are read.
Schema = dict[str, object]


def policy_schema(folders: Folders | None = None) -> Schema:
    """The schema of a policy file. Under `with:` it knows the parameters of gate's own checks, and of those that lie in
    `folders`.

    Raises:
        PolicyError: a plug-in cannot be loaded.
    """
    schema = _schema(PolicyForm, "A policy of gate")
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    rule = definitions["RuleForm"]
    conditions = []
    for name in BUILT_IN if folders is None else names(folders):
        parameters = load(name, folders).params.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for inner, part in parameters.pop("$defs", {}).items():
            definitions[f"{name}.{inner}"] = part
        # A rule may say only what differs from its parent's, and take an entry of a mapping away with null.
        parameters.pop("required", None)
        for part in parameters.get("properties", {}).values():
            if isinstance(part.get("additionalProperties"), dict):
                part["additionalProperties"] = {"anyOf": [part["additionalProperties"], {"type": "null"}]}
        definitions[name] = parameters
        conditions.append({"if": _is_about(name), "then": {"properties": {"with": {"$ref": f"#/$defs/{name}"}}}})
    rule["allOf"] = conditions
    return schema


def settings_schema() -> Schema:
    """The schema of `gate.yaml`."""
    return _schema(SettingsForm, "Settings of gate")


def snapshot_schema() -> Schema:
    """The schema of `rules/snapshot.yaml`."""
    return _schema(SnapshotForm, "Rules of snapshots")


def recipe_schema() -> Schema:
    """The schema of a recipe's file, `trainers/recipes/NAME.yaml`. Whatever it leaves out it may inherit."""
    schema = Recipe.model_json_schema()
    for part in schema["$defs"].values():
        part.pop("required", None)
    name = {"type": "string", "minLength": 1}
    schema["properties"]["extends"] = {
        "anyOf": [name, {"type": "array", "items": name}],
        "description": "One recipe or several, by name or by file, whose values hold where this one says nothing.",
    }
    return {"$schema": _DRAFT, **schema, "required": ["version"], "title": "A recipe of gate"}


def promotion_policy_schema() -> Schema:
    """The schema of a promotion policy, `rules/promotion/NAME.yaml`. Whatever it leaves out it may inherit."""
    schema = _schema(PromotionForm, "A promotion policy of gate")
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    for part in definitions.values():
        if isinstance(part, dict):
            part.pop("required", None)
            if "id" in part["properties"]:
                part["required"] = ["id"]
    return {**schema, "required": ["version"]}


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "policy": policy_schema,
    "promotion-policy": promotion_policy_schema,
    "recipe": recipe_schema,
    "settings": settings_schema,
    "snapshot": snapshot_schema,
}
"""The schemas by name."""


def _is_about(check: str) -> Schema:
    """Whether a rule names this check, or names none and is called like it, as gate's own are."""
    named: Schema = {"properties": {"check": {"const": check}}, "required": ["check"]}
    called: Schema = {"properties": {"id": {"const": check}}, "required": ["id"], "not": {"required": ["check"]}}
    return {"anyOf": [named, called]}


def _schema(form: type[BaseModel], title: str) -> Schema:
    generated = _without_null(form.model_json_schema())
    assert isinstance(generated, dict)
    return {"$schema": _DRAFT, **generated, "title": title}


def _without_null(part: object) -> object:
    """The forms say `| None` for a key that was left out; written as null it is an error."""
    if isinstance(part, list):
        return [_without_null(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: _without_null(value)
        for key, value in part.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }
    options = kept.get("anyOf")
    if isinstance(options, list):
        others = [option for option in options if option != {"type": "null"}]
        if len(others) == 1 and isinstance(others[0], dict):
            del kept["anyOf"]
            return {**others[0], **kept}
    return kept
