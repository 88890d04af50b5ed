"""What training would come to: whether to train at all, with which method and settings, in what memory and time.

From an approved snapshot and a base's small files alone: no weights are read and no torch is loaded. Everything that
a guide says stands in rules/plan.yaml; what is not known is asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from gate.data.frame import KINDS, Kind
from gate.folders import Folders
from gate.snapshots.open import Snapshot
from gate.training.plan_cost import Return, Time, Work, time_at, time_of, work
from gate.training.plan_decision import Known, Verdict, decided
from gate.training.plan_facts import Fact, base_told
from gate.training.plan_lengths import Lengths, token_lengths
from gate.training.plan_memory import Device, memory
from gate.training.plan_method import Chosen, Option, Room
from gate.training.plan_recipe import Adapted, Asked, adapted
from gate.training.plan_rules import CostExample, PlanForm, Size, band
from gate.training.plan_settings import Setting
from gate.training.plan_shape import Shape, shape_of
from gate.training.recipe import Recipe
from gate.training.recipe_files import load_recipe
from gate.training.rows import FITTING


@dataclass(frozen=True, slots=True)
class Shorter:
    """What it would take if the longest examples were cut."""

    length: int
    """Tokens: 95 % of the examples are no longer."""
    cut: int
    """Examples that are."""
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What training would come to."""

    snapshot: str
    name: str
    """Of the dataset."""
    base: str
    shape: Shape
    size: Size
    lengths: Lengths
    length: int
    """Tokens of the longest example as it would be trained on."""
    shorter: Shorter | None
    """None where cutting would change nothing."""
    verdict: Verdict
    facts: tuple[Fact, ...]
    room: Room
    options: tuple[Option, ...]
    chosen: Chosen
    named: str
    """The recipe: its name or file."""
    given: bool
    """Whether the user named it."""
    sets: tuple[str, ...]
    """What is set on top of it: by gate where the user did not name it, and by the user."""
    recipe: Recipe
    """As it would be run."""
    settings: tuple[Setting, ...]
    work: Work
    time: Time | None
    worth: Return | None
    example: CostExample
    template_file: str | None = None
    """Of a chat template that was named."""
    asks: tuple[str, ...] = field(default=())
    """What would make the plan firmer, beside what the verdict asks."""

    @property
    def option(self) -> Option:
        """What the plan's own recipe takes."""
        return next(each for each in self.options if each.method == self.recipe.method)

    @property
    def exit_code(self) -> Literal[0, 1, 3]:
        """0: train; 1: do not, or nothing fits; 3: something has to be found out first."""
        if self.option.fits is False or self.verdict.advice in ("prompts", "retrieval"):
            return 1
        if self.verdict.provisional or self.verdict.advice == "unclear":
            return 3
        return 0 if self.verdict.advice == "fine_tune" else 1

    @property
    def command(self) -> str:
        """The command that would train so."""
        words = ["gate", "train", "--snapshot", self.name, "--base", self.base, "--recipe", self.named]
        words += ["--launch", "cpu"] if self.room.device == "cpu" else []
        words += ["--chat-template", self.template_file] if self.template_file else []
        for each in self.sets:
            words += ["--set", each]
        return shlex.join(words)


def planned(
    snapshot: Snapshot,
    asked: Asked,
    rules: PlanForm,
    folders: Folders,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Plan a training run.

    Raises:
        InputError: the base is none, or its tokenizer cannot be read; the snapshot has no train split.
        PolicyError: the recipe does not say something gate can do.
    """
    shape = shape_of(asked.folder)
    fitting: Collection[Kind] = KINDS
    if asked.recipe is not None:  # what is wrong with it is said before anything is counted
        fitting = FITTING[load_recipe(asked.recipe, folders, asked.overrides).recipe.objective]
    lengths = token_lengths(snapshot, asked.folder, asked.template, on_rows, fitting)
    examples = lengths.examples
    made = adapted(asked, shape, lengths, rules, folders)
    done = work(shape.facts, made.recipe, examples, lengths.total)
    worth = _worth(asked, rules)
    known = Known(
        examples=examples,
        validation=lengths.splits.get("validation", 0),
        test=lengths.splits.get("test", 0),
        prompt_baseline=asked.prompt_baseline,
        optimised_prompts=asked.optimised_prompts,
        target=asked.target,
        expected=asked.expected,
        goal=asked.goal,
        latency=asked.latency,
        consistency=asked.consistency,
    )
    size = band(rules.sizes, shape.facts.parameters)
    return Plan(
        snapshot=snapshot.id,
        name=snapshot.admission.name,
        base=asked.base,
        shape=shape,
        size=size,
        lengths=lengths,
        length=made.options[0].memory.length,
        shorter=_shorter(shape, made, lengths, asked.room.device),
        verdict=decided(known, rules.decision, worth),
        facts=tuple(base_told(shape, size, lengths, made.recipe, rules)),
        room=asked.room,
        options=made.options,
        chosen=made.chosen,
        named=made.named,
        given=made.given,
        sets=made.sets,
        recipe=made.recipe,
        settings=made.settings,
        work=done,
        time=_time(asked, done, rules),
        worth=worth,
        example=rules.cost_example,
        template_file=asked.template_file,
        asks=tuple(_asks(asked)),
    )


def _shorter(shape: Shape, made: Adapted, lengths: Lengths, device: Device) -> Shorter | None:
    own = next(each.memory for each in made.options if each.method == made.recipe.method)
    length = lengths.percentile(0.95)
    if length >= own.length:
        return None
    return Shorter(length, lengths.above(length), memory(shape, own.recipe, length, device).total)


def _worth(asked: Asked, rules: PlanForm) -> Return | None:
    """Cost and return, where the user said what an hour costs and how many there are."""
    if asked.rate is None or asked.hours is None:
        return None
    scores = [each for each in (asked.prompt_baseline, asked.optimised_prompts) if each is not None]
    gain = asked.expected - max(scores) if asked.expected is not None and scores else None
    prompts = None if asked.prompt_hours is None else asked.prompt_hours * asked.rate
    return Return(prompts, asked.hours * asked.rate + asked.compute, gain, rules.decision.gain.value)


def _time(asked: Asked, done: Work, rules: PlanForm) -> Time | None:
    if asked.tokens_per_second is not None:
        return time_of(done.tokens, asked.tokens_per_second)
    if asked.tflops is None:
        return None
    use = rules.utilisation
    basis = f"{asked.tflops:,.3g} TFLOP/s ({asked.tflops_from}), "
    basis += f"used to {100 * use.low:g}-{100 * use.high:g} % ({use.source})"
    return time_at(done.flops, asked.tflops, use.low, use.high, basis)


def _asks(asked: Asked) -> list[str]:
    found = []
    if asked.room.bytes is None:
        found.append("--memory 24GB or --device NAME: which method fits, and how many examples at once")
    if asked.tflops is None and asked.tokens_per_second is None:
        found.append("--device NAME, --tflops N or --tokens-per-second N: how long it takes")
    if asked.rate is None or asked.hours is None:
        found.append("--hours H --rate R [--prompt-hours H] [--compute C]: what it costs")
    if asked.expected is None:
        found.append("--expected SCORE: whether the gain is worth it")
    return found
