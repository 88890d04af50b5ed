"""The recipe that is planned for: the one that was named, as it is; or the nearest one, with the method that fits,
gate's own settings on top, and the user's on top of those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gate.errors import UsageError
from gate.folders import Folders
from gate.training.plan_lengths import Lengths
from gate.training.plan_method import Chosen, Option, Room, chosen, nearest_recipe, options, variants
from gate.training.plan_rules import PlanForm
from gate.training.plan_settings import Setting, fitted, settings
from gate.training.plan_shape import Shape
from gate.training.recipe import Method, Recipe
from gate.training.recipe_files import Flag, Resolved, load_recipe
from gate.training.rows import FITTING


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants to know of."""

    base: str
    """As it was named."""
    folder: Path
    """With its small files."""
    room: Room
    template: str | None = None
    """The text of a chat template that was named."""
    template_file: str | None = None
    """The file that it was read from."""
    recipe: str | None = None
    """Its name or file; the nearest, where it is None."""
    overrides: Sequence[str] = ()
    prompt_baseline: float | None = None
    optimised_prompts: float | None = None
    target: float | None = None
    expected: float | None = None
    goal: str | None = None
    latency: float | None = None
    consistency: str | None = None
    hours: float | None = None
    """Of preparing data."""
    prompt_hours: float | None = None
    rate: float | None = None
    """Of an hour of work."""
    compute: float = 0.0
    """What computing costs."""
    tflops: float | None = None
    """What the device does at most, 10^12 operations a second."""
    tflops_from: str = "as you gave it"
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Adapted:
    """A recipe for this data, base and device, and how it came about."""

    named: str
    """The recipe that it begins with."""
    given: bool
    """Whether the user named it, or its method."""
    sets: tuple[str, ...]
    """What is set on top."""
    recipe: Recipe
    """As it would be run."""
    settings: tuple[Setting, ...]
    """What gate sets, or would set."""
    chosen: Chosen
    options: tuple[Option, ...]
    """What it and every other method takes."""


def adapted(asked: Asked, shape: Shape, lengths: Lengths, rules: PlanForm, folders: Folders) -> Adapted:
    """Find it.

    Raises:
        PolicyError: there is no such recipe, or it and the flags do not go together.
        UsageError: it learns from other examples.
    """
    examples, parameters = lengths.examples, shape.facts.parameters
    padded = int(lengths.tokens.min()) < lengths.longest

    def compared(recipe: Recipe, as_is: Method | None = None) -> tuple[Option, ...]:
        recipes = variants(recipe, lengths.kind, folders)
        longest = _trained(lengths.longest, recipe.max_length, shape.facts.context)
        return options(shape, recipes, longest, asked.room, rules.memory, padded=padded, as_is=as_is)

    def wanted(found: Iterable[Setting]) -> list[Setting]:
        return [each for each in found if each.key not in own_words]

    own_words = {each.partition("=")[0].strip() for each in asked.overrides}
    implied: list[str] = []
    given = asked.recipe is not None or bool(own_words & {"method", "objective"})
    nearest = nearest_recipe(lengths.kind, _named_method(asked.overrides), asked.goal, folders)
    if given:
        implied = [] if asked.recipe else _flags_of(nearest)
        nearest = load_recipe(asked.recipe or nearest.name, folders, [*implied, *asked.overrides])
        _fits_kind(nearest.recipe, lengths)
    pick = chosen(compared(nearest.recipe), asked.room, examples, rules.memory)
    if not given and pick.method != nearest.recipe.method:
        nearest = nearest_recipe(lengths.kind, pick.method, asked.goal, folders)
    advised = wanted(settings(nearest.recipe, examples, parameters, asked.goal, rules.settings))
    sets, recipe = [*implied, *asked.overrides], nearest.recipe
    if not given:  # gate's own settings, and what the user set on top of them
        sets = [*_flags_of(nearest), *_flags(advised), *asked.overrides]
        recipe = load_recipe(nearest.name, folders, sets).recipe
    found = compared(recipe, recipe.method if given else None)
    own = next(each for each in found if each.method == recipe.method)
    fit = wanted(fitted(own, nearest.recipe, asked.room, rules.memory.device_batch, parameters))
    advised = [each for each in advised if each.key not in {other.key for other in fit}]
    if not given:
        sets = [*_flags_of(nearest), *_flags([*advised, *fit]), *asked.overrides]
        recipe = load_recipe(nearest.name, folders, sets).recipe
    named = asked.recipe or nearest.name
    return Adapted(named, given, tuple(sets), recipe, (*advised, *fit), pick, found)


def _named_method(overrides: Sequence[str]) -> Method:
    """What a flag says of the method; LoRA, where none does."""
    said = [each.partition("=")[2].strip() for each in overrides if each.partition("=")[0].strip() == "method"]
    return next((each for each in get_args(Method) if said and each == said[-1]), "lora")


def _fits_kind(recipe: Recipe, lengths: Lengths) -> None:
    kinds = FITTING[recipe.objective]
    if lengths.kind not in kinds:
        raise UsageError(
            f"`objective: {recipe.objective}` learns from {' or '.join(kinds)} examples, and these are {lengths.kind}",
            where="--recipe",
            remedy="leave --recipe away to have the nearest one, or look at `gate recipes ls`",
        )


def _flags_of(resolved: Resolved) -> list[str]:
    """What was set to make it another method's than its file says."""
    return [str(place.file) for place in dict.fromkeys(resolved.places.values()) if isinstance(place, Flag)]


def _flags(found: Sequence[Setting]) -> list[str]:
    return [each.flag for each in found if each.flag]


def _trained(longest: int, most: int | None, context: int | None) -> int:
    """Tokens of the longest example once it is cut."""
    return min(longest, *(each for each in (most, context) if each is not None), longest)
