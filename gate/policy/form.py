"""What a person may write in a policy file and in `gate.yaml`: the source of the published JSON Schemas.

The forms say which keys there are and what each may hold; `gate.policy.load` follows `extends:` and makes rules of
them. They know no check: what stands under `with:` is judged by the check's own parameters.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from gate.data.columns import ColumnMap
from gate.data.frame import ROLES
from gate.policy.model import Remedy, Severity

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def _tolerated(value: object) -> object:
    """A count (int >= 0) or a share (0 <= share < 1, also as "1 %")."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        value = float(match[1]) / 100
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    is_share = isinstance(value, float) and 0 <= value < 1
    if not is_count and not is_share:
        raise PydanticCustomError(
            "tolerate", 'expected a count of examples (0, 1, 2 …) or a share below one (0.01, "1 %")'
        )
    return value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _described(schema: dict[str, object]) -> None:
    schema.pop("anyOf", None)
    schema["oneOf"] = [
        {"type": "integer", "minimum": 0},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 1, "not": {"type": "integer"}},
        {"type": "string", "pattern": r"^\s*\d{1,2}(\.\d+)?\s*%\s*$"},
    ]


def _one_or_more(schema: dict[str, object]) -> None:
    schema["type"] = ["string", "array"]


Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Tolerate = Annotated[int | float, BeforeValidator(_tolerated), Field(json_schema_extra=_described)]
Least = Annotated[int, Field(ge=1)]
OneOrMore = Annotated[list[Text], BeforeValidator(_listed), Field(min_length=1, json_schema_extra=_one_or_more)]


class Form(BaseModel):
    """Strict: nothing is coerced, an unknown key is an error, and a key without a value too."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, title=None)

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("nothing", "has no value: write one, or take the key away")
        return value


class RuleForm(Form):
    """One rule. Where a parent has a rule of this `id`, only what differs is written; a new rule says `check`,
    `severity`, `remedy` and `why`."""

    id: Name
    """What the rule is called: in reports, in `--select`, and when another policy changes it."""
    check: Name | None = None
    """The check that measures: one of `gate.checks`."""
    with_: dict[str, object] | None = Field(None, alias="with")
    """The check's parameters. Merged with the parent's key by key, and so are mappings inside it, where `null` takes
    an entry of the parent away."""
    severity: Severity | None = None
    """`error` blocks, `warning` shows, `info` counts."""
    tolerate: Tolerate | None = None
    """How many examples may be flagged before the rule fails: a count, or a share of those examined (0.01, `1 %`).
    0 where nobody says otherwise."""
    min_examples: Least | None = None
    """How many new examples a pull request must add before a share that is tolerated is judged; a finding about a few
    would be a large share by chance. The policy's own where it is left out. A count (0 too) is always judged."""
    remedy: Remedy | None = None
    """What to do about a finding: `drop` the row, `redact` or `fix` it, or have a person `review` it."""
    why: Text | None = None
    """One sentence that the owner of the data understands, with its source."""
    enabled: bool | None = None
    """`false` turns the rule off."""


class EveryForm(Form):
    """What changes in all the rules of the parents at once."""

    tolerate: Tolerate | None = None
    """The tolerance of every rule."""
    severity: dict[Severity, Severity] | None = None
    """From which severity to which, such as `{warning: error}`."""


class PolicyForm(Form):
    """A policy file, `rules/admission/NAME.yaml`."""

    version: Literal[1]
    """The version of this form."""
    name: Name | None = None
    """What the policy is called; the name of the file where it is left out."""
    description: Text | None = None
    """One sentence on what it is for."""
    extends: OneOrMore | None = None
    """The policies that it starts from, later ones on top of earlier: names, or files relative to this one. Its own
    name stands for the shipped policy of that name, `@kind` for the policy of the example's kind."""
    columns: ColumnMap | None = None
    """What the columns of the dataset are called, where gate does not recognise them."""
    min_examples: Least | None = None
    """How many new examples a pull request must add before its rules judge a share that is tolerated; a rule's own
    wins. Inherited, and needed where a rule tolerates a share."""
    every: EveryForm | None = None
    """Changes to all inherited rules."""
    rules: list[RuleForm] | None = None
    """Rules to add, and changes to inherited ones."""

    _roles = field_validator("columns")(lambda columns: _canonical_roles(columns))


class KindsForm(Form):
    """A policy for each kind of example; gate's own where a kind is left out."""

    chat: Text | None = None
    preference: Text | None = None
    feedback: Text | None = None
    text: Text | None = None
    base: Text | None = None
    """For rows that cannot be read and whose kind is not known."""


def _by_kind(value: object) -> object:
    """A single name stands for itself under every kind."""
    return dict.fromkeys(KindsForm.model_fields, value) if isinstance(value, str) else value


def _name_or_kinds(schema: dict[str, object]) -> None:
    reference = schema.pop("$ref")
    schema["oneOf"] = [{"type": "string", "minLength": 1}, {"$ref": reference}]


class SettingsForm(Form):
    """`gate.yaml`, found upwards from the data."""

    version: Literal[1] = 1
    """The version of this form."""
    paths: OneOrMore | None = None
    """What `gate check` reads where the command line names nothing: files, folders and globs, relative to this
    file."""
    policy: Annotated[KindsForm, BeforeValidator(_by_kind), Field(json_schema_extra=_name_or_kinds)] | None = None
    """The policy to judge by: a name, a file relative to this one, or one of these for each kind of example. A
    `--policy` on the command line wins."""
    columns: ColumnMap | None = None
    """What the columns of the dataset are called, where gate does not recognise them. A policy's own wins."""

    _roles = field_validator("columns")(lambda columns: _canonical_roles(columns))


def _canonical_roles(columns: ColumnMap | None) -> ColumnMap | None:
    if columns is not None and (unknown := sorted(set(columns.roles.values()) - set(ROLES))):
        raise PydanticCustomError(
            "roles",
            "roles: {unknown} is not a role; expected {roles}",
            {"unknown": unknown[0], "roles": ", ".join(ROLES)},
        )
    return columns
