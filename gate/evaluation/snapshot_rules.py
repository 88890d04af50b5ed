"""How tasks are made of a test split: `metadata: gate: snapshot:` of rules/suites/regression/regression.yaml, gate's
own with what a repository's says otherwise. Every limit stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from gate.errors import PolicyError, UsageError
from gate.evaluation.scorers import scorers
from gate.evaluation.task_keys import keys_of
from gate.folders import Folders
from gate.policy.form import Form, Name
from gate.policy.invalid import nearest, place_of, policy_error
from gate.policy.layers import laid_over, layers
from gate.policy.model import Place

FILE = "rules/suites/regression/regression.yaml"
_UNDER = "metadata.gate.snapshot"

Names = Annotated[list[str], Field(min_length=1)]
Some = Annotated[int, Field(ge=1)]


class ShotsForm(Form):
    """Few-shot examples, drawn from the train split."""

    examples: Annotated[int, Field(ge=0, le=100)]
    seed: Annotated[int, Field(ge=0)]


class TokensForm(Form):
    """Tokens that may be generated, from the longest right answer."""

    per_character: Annotated[float, Field(gt=0, le=4)]
    at_least: Some
    at_most: Annotated[int, Field(ge=1, le=65_536)]


class ShortForm(Form):
    """Answers that have to be right to the letter."""

    words: Annotated[int, Field(ge=0)]
    primary: Name


class PrimaryForm(Form):
    """The metric that a verdict is about."""

    primary: Name


class GenerateForm(Form):
    """Answers that are generated."""

    scorers: Names
    short: ShortForm
    long: PrimaryForm
    tokens: TokensForm
    until: list[str]


class JsonForm(Form):
    """Answers that are JSON, or calls of tools."""

    scorers: Names
    primary: Name
    at_least: Some
    """So many of them are a task of their own."""


class FeedbackForm(Form):
    """Telling good answers from bad ones."""

    primary: Name
    at_least: Some


class SnapshotTaskRules(Form):
    """Everything."""

    cluster: list[str]
    slice: list[str]
    shots: ShotsForm
    generate: GenerateForm
    json_: JsonForm = Field(alias="json")
    calls: JsonForm
    likelihood: PrimaryForm
    preference: PrimaryForm
    feedback: FeedbackForm
    text: PrimaryForm


def snapshot_task_rules(folders: Folders) -> SnapshotTaskRules:
    """The rules by which tasks are made of a test split.

    Raises:
        PolicyError: a file does not say something gate can do; with file and line.
    """
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    for layer in layers(FILE, folders):
        own = _within(layer.values)
        values = laid_over(values, own)
        inside = f"{_UNDER}."
        places |= {key.removeprefix(inside): place for key, place in layer.places.items() if key.startswith(inside)}
    try:
        rules = SnapshotTaskRules.model_validate(values)
    except ValidationError as error:
        found = policy_error(error, places=places, prefix="", valid=lambda where: keys_of(SnapshotTaskRules, where))
        raise PolicyError(found.what, where=found.where or FILE, remedy=found.remedy) from None
    generate = rules.generate
    for key, named, primaries in (
        (
            "generate",
            generate.scorers,
            {"short.primary": generate.short.primary, "long.primary": generate.long.primary},
        ),
        ("json", rules.json_.scorers, {"primary": rules.json_.primary}),
        ("calls", rules.calls.scorers, {"primary": rules.calls.primary}),
    ):
        _check(key, named, primaries, places)
    return rules


def _within(values: Mapping[str, Any]) -> dict[str, object]:
    found: Any = values
    for key in _UNDER.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _check(key: str, named: Sequence[str], primaries: Mapping[str, str], places: Mapping[str, Place]) -> None:
    """That the scorers of a task are there, and give the metrics that verdicts are about."""

    def where(inner: str) -> str:
        return str(place_of(f"{key}.{inner}", places) or FILE)

    try:
        _, metrics = scorers(named)
    except UsageError as error:
        raise PolicyError(error.what, where=where("scorers"), remedy=error.remedy) from None
    known = [metric.name for metric in metrics]
    for inner, primary in primaries.items():
        if primary not in known:
            raise PolicyError(
                f"{key}.{inner}: {primary[:100]!r} is no metric of its scorers",
                where=where(inner), remedy=nearest(primary, known, "they give"),
            )  # fmt: skip
