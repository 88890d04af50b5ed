"""Which method for the memory at hand: each one reckoned for this base and this data, beside what the guides say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gate.data.frame import Kind
from gate.errors import GateError
from gate.folders import Folders
from gate.training.plan_memory import Device, Memory, memory
from gate.training.plan_rules import MemoryFigure, MemoryRules, band
from gate.training.plan_shape import Shape
from gate.training.recipe import LORA_FAMILY, Method, Recipe
from gate.training.recipe_files import Resolved, load_recipe
from gate.training.recipe_keys import problems

GB = 10**9
COMPARED: tuple[Method, ...] = ("full", "dora", "lora", "qlora", "ia3", "prefix")
"""What is set side by side; other methods take as much as one of them (rslora as lora, ptuning as prefix)."""
_NEAREST: Mapping[Kind, str] = {"chat": "lora", "preference": "dpo", "feedback": "kto", "text": "pretrain"}
_IMPLIED: Mapping[Method, Sequence[str]] = {"qlora": ["quantisation=nf4"]}
"""What has to be set beside a method."""
_CACHED: tuple[Method, ...] = ("prefix",)
"""Methods whose learned vectors are a cache, with which nothing can be recomputed."""
_NEAR = 1.5
"""A guide's figure is shown for models of up to so many times its size, and down to as small a part of it."""


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to train on."""

    bytes: int | None
    """Of one device; None where nobody said."""
    device: Device
    name: str | None
    """As the user named it."""
    usable: int | None
    """Of that, without what is left free."""
    bf16: bool = True
    """Whether it computes in bfloat16."""


@dataclass(frozen=True, slots=True)
class Option:
    """One method for this base, this data and this device."""

    method: Method
    memory: Memory
    """With what of the recipe's own settings fits, or with the least that there is."""
    fits: bool | None
    """None where the device's memory is not known."""
    guides: tuple[tuple[str, str], ...]
    """Who says how much such a model takes, and what."""

    @property
    def trainable(self) -> int:
        return self.memory.trainable


@dataclass(frozen=True, slots=True)
class Advice:
    """A method that somebody would take."""

    method: Method
    said: str
    source: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The method, and why."""

    method: Method
    why: str
    guides: tuple[Advice, ...]
    """What the guides would take for this device and this data: they may disagree."""


def nearest_recipe(kind: Kind, method: Method, goal: str | None, folders: Folders) -> Resolved:
    """The recipe to begin with.

    Raises:
        PolicyError: what such examples teach is not trained by this method.
    """
    if kind == "chat":
        return load_recipe("lora-code" if (goal, method) == ("code", "lora") else method, folders)
    own = load_recipe(_NEAREST[kind], folders)
    if own.recipe.method == method:
        return own
    return load_recipe(_NEAREST[kind], folders, [f"method={method}", *_IMPLIED.get(method, ())])


def variants(recipe: Recipe, kind: Kind, folders: Folders) -> dict[Method, Recipe]:
    """The recipe, and for every other method that is compared the recipe that is nearest, with the same batch."""
    found: dict[Method, Recipe] = {}
    for method in COMPARED:
        if method == recipe.method:
            found[method] = recipe
            continue
        try:
            other = nearest_recipe(kind, method, None, folders).recipe
        except GateError:
            continue  # an objective that is not trained by this method
        alike = ["batch", "device_batch", "precision"]
        alike += [] if method in _CACHED else ["checkpoint_activations"]
        if {method, recipe.method} <= set(LORA_FAMILY):
            alike += ["rank", "alpha", "dropout", "targets"]
        found[method] = other.model_copy(update={key: getattr(recipe, key) for key in alike})
    return found | {recipe.method: recipe}


def options(
    shape: Shape,
    recipes: Mapping[Method, Recipe],
    length: int,
    room: Room,
    rules: MemoryRules,
    *,
    padded: bool = True,
    as_is: Method | None = None,
) -> tuple[Option, ...]:
    """Every method with what it takes.

    Args:
        length: tokens of the longest example as it is trained on.
        as_is: the method whose recipe keeps its number of examples at once, instead of what fits.
    """
    most = max(each.high for each in rules.device_batch.bands)
    found = []
    for method, recipe in recipes.items():
        guides = tuple(_said(shape.facts.parameters, method, rules.figures))
        takes: Memory | None = memory(shape, recipe, length, room.device, padded=padded)
        assert takes is not None
        if room.usable is None:
            found.append(Option(method, takes, None, guides))
        elif method == as_is:
            found.append(Option(method, takes, takes.total <= room.usable, guides))
        elif (takes := fitting(shape, recipe, length, room, most, padded=padded)) is not None:
            found.append(Option(method, takes, True, guides))
        else:
            least = _with(recipe, _sizes(recipe, most)[-1], method not in _CACHED)
            found.append(Option(method, memory(shape, least, length, room.device, padded=padded), False, guides))
    return tuple(found)


def fitting(shape: Shape, recipe: Recipe, length: int, room: Room, most: int, *, padded: bool = True) -> Memory | None:
    """The largest number of examples at once that fits, without recomputing activations where that is possible.

    Args:
        most: the largest number that is tried.
    """
    assert room.usable is not None
    recomputing = (False,) if recipe.method in _CACHED else (False, True)
    for checkpointing in recomputing:
        for size in _sizes(recipe, most):
            found = memory(shape, _with(recipe, size, checkpointing), length, room.device, padded=padded)
            if found.total <= room.usable:
                return found
    return None


def _sizes(recipe: Recipe, most: int) -> list[int]:
    """How many examples may be computed at once, the largest number first: parts of a batch that the recipe allows."""
    found = [each for each in range(min(recipe.batch, most), 0, -1) if recipe.batch % each == 0]
    allowed = [each for each in found if not _forbidden(recipe, each)]
    return allowed or found


def _forbidden(recipe: Recipe, size: int) -> bool:
    return any(each.key == "device_batch" for each in problems(_with(recipe, size, False), ()))


def _with(recipe: Recipe, size: int, checkpointing: bool) -> Recipe:
    return recipe.model_copy(update={"device_batch": size, "checkpoint_activations": checkpointing})


def chosen(found: Sequence[Option], room: Room, examples: int, rules: MemoryRules) -> Chosen:
    """The method to take: what fits, and of that what the guides would take for so much data.

    Full fine-tuning only where every guide has enough examples for it: LoRA comes to 90-99 % of its quality (G2, G3),
    and forgets less.
    """
    fit = {each.method for each in found if each.fits is not False}
    guides = tuple(_guides(room, examples, rules))
    demanded = max(rules.full_from, key=lambda each: each.examples)
    enough = examples >= demanded.examples
    least = min(rules.full_from, key=lambda each: each.examples)
    if "full" in fit and enough and room.usable is not None:
        return Chosen("full", f"it fits, and {examples:,} examples are enough for every guide", guides)
    if "lora" in fit:
        why = "it fits" if room.usable is not None else "the usual first choice, where the memory is not known"
        if examples >= least.examples and "full" in fit:
            why += (
                f"; full would do for {least.source} (from {least.examples:,} examples on), not for {demanded.source}"
            )
        elif "full" in fit and room.usable is not None:
            why += f"; full would fit too, and {examples:,} examples are too few for it"
        return Chosen("lora", why, guides)
    if "qlora" in fit:
        return Chosen("qlora", "LoRA over weights in 16 bits does not fit, over weights in 4 bits it does", guides)
    smallest = min(found, key=lambda each: each.memory.total)
    return Chosen(
        smallest.method,
        f"nothing fits: even {smallest.method} with one example at once takes {smallest.memory.total / GB:,.3g} GB; "
        "take a smaller base, shorter examples (--set max_length=…), or a larger device",
        guides,
    )


def _guides(room: Room, examples: int, rules: MemoryRules) -> list[Advice]:
    found = []
    if room.bytes is not None and room.device == "gpu":
        for guide in rules.guides:
            its = band(guide.bands, room.bytes / GB)
            found.append(Advice(its.methods[0], f"{its.said}, for {room.bytes / GB:,.3g} GB", guide.source))
    for each in rules.full_from:
        method: Method = "full" if examples >= each.examples else "lora"
        said = f"full from {each.examples:,} examples on"
        found.append(Advice(method, said, each.source))
    return found


def _said(parameters: int, method: Method, figures: Sequence[MemoryFigure]) -> list[tuple[str, str]]:
    """The guides' figures for models of about this size."""
    column = {"full": "full", "lora": "lora", "rslora": "lora", "dora": "lora", "qlora": "qlora"}.get(method)
    if column is None:
        return []
    found = []
    for each in figures:
        if 1 / _NEAR <= parameters / (each.size * 1e9) <= _NEAR:
            low, high = getattr(each, column)
            found.append((each.source, f"{low:g} GB" if low == high else f"{low:g}-{high:g} GB"))
    return found


def room_for(rules: MemoryRules, device: Device, size: int | None, name: str | None) -> Room:
    """A device with what is left free taken off."""
    return Room(size, device, name, None if size is None else int(size * (1 - rules.headroom.value)))
