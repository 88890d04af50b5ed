"""A plan as JSON, `gate.plan/1`: what every key means, and the JSON Schema made from it.

Within version 1 keys are only added. A reader should ignore keys that it does not know.
"""

from __future__ import annotations

from typing import Literal

import orjson
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from gate.training.plan import Plan
from gate.training.plan_decision import Advice
from gate.training.plan_facts import Level
from gate.training.plan_method import Option
from gate.training.plan_rules import Says
from gate.training.plan_settings import Setting
from gate.training.recipe_files import recipe_document

SCHEMA: Literal["gate.plan/1"] = "gate.plan/1"
_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)
Value = float | int | str | bool


@with_config(_DOCUMENTED)
class StepEntry(TypedDict):
    """A question of the decision table."""

    question: str
    answer: str | None
    """null where it is not known."""
    says: Says | None
    """What the answer speaks for; null where it speaks for nothing."""
    why: str
    source: str
    """The guide (G1 to G5) that says so."""
    ask: str | None
    """The flag that would answer it."""
    needed: bool
    """Whether the advice is provisional without it."""


@with_config(_DOCUMENTED)
class FactEntry(TypedDict):
    """Something about the base, and what it means for this data."""

    name: str
    value: str
    level: Level
    why: str
    source: str


@with_config(_DOCUMENTED)
class LengthsEntry(TypedDict):
    """Lengths of the train split's examples, in tokens."""

    kind: str
    examples: int
    others: int
    """Examples of other kinds in the train split, which another recipe learns from."""
    validation: int
    test: int
    p50: int
    p95: int
    longest: int
    total: int
    """Of one pass."""
    template: str | None
    """Where the chat template came from."""
    refused: int
    """Examples that it failed on."""
    above_context: int | None
    """Examples longer than the base's context; null where that is not known."""


@with_config(_DOCUMENTED)
class MomentEntry(TypedDict):
    """What is in memory at once."""

    name: str
    parts: dict[str, int]
    """Bytes by part; their sum is `total`."""
    total: int


@with_config(_DOCUMENTED)
class SaidEntry(TypedDict):
    """What a guide says."""

    source: str
    said: str


@with_config(_DOCUMENTED)
class OptionEntry(TypedDict):
    """A method for this base, this data and this device."""

    method: str
    fits: bool | None
    """null where the device's memory is not known."""
    trainable: int
    """Parameters that learn."""
    device_batch: int
    checkpoint_activations: bool
    bytes: int
    """At the highest moment."""
    moments: list[MomentEntry]
    guides: list[SaidEntry]
    """What the guides say that a model of about this size takes."""


@with_config(_DOCUMENTED)
class GuideEntry(TypedDict):
    """What a guide says of a hyperparameter."""

    source: str
    said: str
    agrees: bool | None
    """Whether the value lies in its range; null where it gives none."""


@with_config(_DOCUMENTED)
class SettingEntry(TypedDict):
    """A hyperparameter."""

    key: str
    value: Value
    why: str
    recipe: Value
    """What the recipe says."""
    flag: str | None
    """What to give `--set`, where the recipe says otherwise."""
    guides: list[GuideEntry]


@with_config(_DOCUMENTED)
class WorkEntry(TypedDict):
    """What the run computes."""

    sequences: int
    """Rows of batches in one pass."""
    steps: int
    tokens: int
    flops: float
    seconds: list[float] | None
    """The fastest and the slowest; null where nothing says how fast the device is."""
    basis: str | None


@with_config(_DOCUMENTED)
class CostEntry(TypedDict):
    """Cost and return, in the user's own money."""

    prompts: float | None
    tuning: float
    gain: float | None
    """The expected gain, a share."""
    needed: float
    """The gain above which it is worth it."""
    worth_it: bool | None
    for_a_point: float | None
    """What one percentage point of gain costs."""


@with_config(_DOCUMENTED)
class ShorterEntry(TypedDict):
    """What it would take if the longest examples were cut."""

    length: int
    """Tokens: 95 % of the examples are no longer."""
    cut: int
    """Examples that are."""
    bytes: int


@with_config(_DOCUMENTED)
class PlanEntry(TypedDict):
    """A plan."""

    schema: Literal["gate.plan/1"]
    snapshot: str
    name: str
    """Of the dataset."""
    base: str
    parameters: int
    context: int | None
    advice: Advice
    sentence: str
    """The advice in one sentence."""
    provisional: bool
    """Whether something that the advice needs is not known."""
    asks: list[str]
    """What to find out, the most important first."""
    exit_code: Literal[0, 1, 3]
    steps: list[StepEntry]
    facts: list[FactEntry]
    lengths: LengthsEntry
    device: str | None
    device_bytes: int | None
    length: int
    """Tokens of the longest example as it is trained on: what memory is reckoned for."""
    shorter: ShorterEntry | None
    """null where cutting would change nothing."""
    method: str
    method_why: str
    method_guides: list[SaidEntry]
    options: list[OptionEntry]
    recipe: str
    """The recipe's name or file."""
    sets: list[str]
    """What is set on top of it."""
    resolved: dict[str, object]
    """Every key of it as it would be run."""
    settings: list[SettingEntry]
    command: str
    work: WorkEntry
    cost: CostEntry | None
    """null where the user did not say what work costs."""


def plan_schema() -> dict[str, object]:
    """The JSON Schema of a plan."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TypeAdapter(PlanEntry).json_schema(mode="serialization"),
        "title": "A plan of gate",
    }


def to_json(plan: Plan) -> bytes:
    """The plan as UTF-8 JSON, indented."""
    return orjson.dumps(document(plan), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def document(plan: Plan) -> PlanEntry:
    """The plan as plain values."""
    lengths, facts, verdict = plan.lengths, plan.shape.facts, plan.verdict
    return {
        "schema": SCHEMA,
        "snapshot": plan.snapshot,
        "name": plan.name,
        "base": plan.base,
        "parameters": facts.parameters,
        "context": facts.context,
        "advice": verdict.advice,
        "sentence": verdict.sentence,
        "provisional": verdict.provisional,
        "asks": [*verdict.asks, *plan.asks],
        "exit_code": plan.exit_code,
        "steps": [
            {
                "question": each.question,
                "answer": each.answer,
                "says": each.says,
                "why": each.why,
                "source": each.source,
                "ask": each.ask,
                "needed": each.needed,
            }
            for each in verdict.steps
        ],
        "facts": [
            {"name": each.name, "value": each.value, "level": each.level, "why": each.why, "source": each.source}
            for each in plan.facts
        ],
        "lengths": {
            "kind": lengths.kind,
            "examples": lengths.examples,
            "others": lengths.others,
            "validation": lengths.splits.get("validation", 0),
            "test": lengths.splits.get("test", 0),
            "p50": lengths.percentile(0.5),
            "p95": lengths.percentile(0.95),
            "longest": lengths.longest,
            "total": lengths.total,
            "template": lengths.template,
            "refused": lengths.refused,
            "above_context": None if facts.context is None else lengths.above(facts.context),
        },
        "device": plan.room.name,
        "device_bytes": plan.room.bytes,
        "length": plan.length,
        "shorter": None
        if plan.shorter is None
        else {"length": plan.shorter.length, "cut": plan.shorter.cut, "bytes": plan.shorter.bytes},
        "method": plan.chosen.method,
        "method_why": plan.chosen.why,
        "method_guides": [{"source": each.source, "said": each.said} for each in plan.chosen.guides],
        "options": [_option(each) for each in plan.options],
        "recipe": plan.named,
        "sets": list(plan.sets),
        "resolved": recipe_document(plan.recipe),
        "settings": [_setting(each) for each in plan.settings],
        "command": plan.command,
        "work": {
            "sequences": plan.work.sequences,
            "steps": plan.work.steps,
            "tokens": plan.work.tokens,
            "flops": plan.work.flops,
            "seconds": None if plan.time is None else [plan.time.fastest, plan.time.slowest],
            "basis": None if plan.time is None else plan.time.basis,
        },
        "cost": None
        if plan.worth is None
        else {
            "prompts": plan.worth.prompts,
            "tuning": plan.worth.tuning,
            "gain": plan.worth.gain,
            "needed": plan.worth.needed,
            "worth_it": plan.worth.worth_it,
            "for_a_point": plan.worth.for_a_point,
        },
    }


def _option(option: Option) -> OptionEntry:
    fit = option.memory.recipe
    return {
        "method": option.method,
        "fits": option.fits,
        "trainable": option.trainable,
        "device_batch": fit.device_batch,
        "checkpoint_activations": fit.checkpoint_activations,
        "bytes": option.memory.total,
        "moments": [
            {"name": each.name, "parts": dict(each.parts), "total": each.total} for each in option.memory.moments
        ],
        "guides": [{"source": source, "said": said} for source, said in option.guides],
    }


def _setting(setting: Setting) -> SettingEntry:
    return {
        "key": setting.key,
        "value": setting.value,
        "why": setting.why,
        "recipe": setting.recipe,
        "flag": setting.flag,
        "guides": [{"source": each.source, "said": each.said, "agrees": each.agrees} for each in setting.guides],
    }
