"""Hyperparameters for this method, this base and this much data: each with its reason, and what every guide says of it.

The guides disagree; all of them are shown, and whether the value lies in their range. Objectives beyond plain
fine-tuning (preferences, rewards, reinforcement) keep their recipe's rates, which no guide speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gate.training.plan_method import GB, Option, Room
from gate.training.plan_rules import Banded, BatchGuide, Guide, SettingRules, band
from gate.training.recipe import LORA_FAMILY, Recipe

_PLAIN = ("sft", "pretrain", "classify")
_CLOSE = 1e-9  # 0.1 is no binary number


@dataclass(frozen=True, slots=True)
class Said:
    """What a guide says of a hyperparameter."""

    source: str
    said: str
    agrees: bool | None
    """Whether the value lies in its range; None where it gives none."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A hyperparameter, as gate would set it."""

    key: str
    value: float | int | str | bool
    why: str
    recipe: float | int | str | bool
    """What the nearest recipe says."""
    guides: tuple[Said, ...] = ()

    @property
    def flag(self) -> str | None:
        """What to give `--set`, where the recipe says otherwise."""
        return None if self.value == self.recipe else f"{self.key}={written(self.value)}"


def written(value: float | int | str | bool) -> str:
    """A value as YAML: `2e-05`, `0.05`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(
    recipe: Recipe, examples: int, parameters: int, goal: str | None, rules: SettingRules
) -> tuple[Setting, ...]:
    """What gate would set, without what depends on the device (`fitted`)."""
    return tuple(_all(recipe, examples, parameters, goal, rules))


def _all(recipe: Recipe, examples: int, parameters: int, goal: str | None, rules: SettingRules) -> Iterator[Setting]:
    full = recipe.method == "full"
    if recipe.objective in _PLAIN:
        if recipe.method in LORA_FAMILY:
            fixed = rules.lr_lora
            yield _setting("lr", fixed.value, fixed.why, recipe.lr, fixed.guides)
        elif full:
            choice = band(rules.lr_full.choose, parameters)
            guides = [each for each in rules.lr_full.guides if _of(each, parameters)]
            yield _setting("lr", choice.value, choice.why, recipe.lr, guides)
        yield _epochs(recipe, examples, rules.epochs)
    if recipe.method in LORA_FAMILY:
        rank = rules.rank.code if goal == "code" and rules.rank.code else band(rules.rank.choose, examples)
        yield _setting("rank", int(rank.value), rank.why, recipe.rank, rules.rank.guides)
        alpha = rules.alpha.times_rank * int(rank.value)
        said = [
            Said(each.source, each.said, None if each.times is None else each.times * int(rank.value) == alpha)
            for each in rules.alpha.guides
        ]
        yield Setting("alpha", float(alpha), rules.alpha.why, float(recipe.alpha), tuple(said))
        yield _banded("dropout", rules.dropout, recipe.dropout, examples)
    batch = band(rules.batch.choose, examples)
    size = int(batch.value)
    while size > max(examples, 1):
        size //= 2
    guides = [each for each in rules.batch.guides if full or not each.full]
    yield _setting("batch", size, batch.why, recipe.batch, guides)
    if size % recipe.device_batch:  # a batch is a multiple of what is computed at once
        at_once = math.gcd(size, recipe.device_batch)
        yield Setting("device_batch", at_once, f"what divides a batch of {size}", recipe.device_batch)
    yield _setting("warmup", rules.warmup.value, rules.warmup.why, float(recipe.warmup), rules.warmup.guides)
    yield _banded("weight_decay", rules.weight_decay, recipe.weight_decay, examples)


def fitted(option: Option, recipe: Recipe, room: Room, guide: BatchGuide, parameters: int) -> tuple[Setting, ...]:
    """What depends on the device: how many examples at once, recomputing, precision."""
    if option.fits is None:
        return ()
    fit = option.memory.recipe
    near = [each for each in guide.bands if room.bytes is not None and each.memory * GB <= room.bytes]
    said = []
    if near and 0.5 <= parameters / 7e9 <= 2:  # the guide's table is for 7B
        its = near[-1]
        agrees = its.low <= fit.device_batch <= its.high
        said.append(Said(guide.source, f"{its.low}-{its.high} for 7B on {its.memory:g} GB", agrees))
    why = "the most that fits" if option.fits else "nothing fits; the least that there is"
    found = [Setting("device_batch", fit.device_batch, why, recipe.device_batch, tuple(said))]
    on = (
        "to fit: it costs about a third more time" if fit.checkpoint_activations else "it fits without, which is faster"
    )
    found.append(Setting("checkpoint_activations", fit.checkpoint_activations, on, recipe.checkpoint_activations))
    if room.device == "gpu" and not room.bf16 and recipe.precision == "auto":
        found.append(Setting("precision", "fp16", "the device has no bf16, and fp32 takes twice as much", "auto"))
    return tuple(found)


def _epochs(recipe: Recipe, examples: int, rules: Banded) -> Setting:
    choice = band(rules.choose, examples)
    full = recipe.method == "full"
    guides = [each for each in rules.guides if _of(each, examples) and (full or not each.full)]
    most = min((each.high for each in guides if each.full and each.high is not None), default=choice.value)
    value = min(choice.value, most)
    why = choice.why if value == choice.value else f"no more than {most:g} where every weight learns"
    return _setting("epochs", value, why, float(recipe.epochs), guides)


def _banded(key: str, rules: Banded, recipe: float, examples: int) -> Setting:
    choice = band(rules.choose, examples)
    return _setting(key, choice.value, choice.why, float(recipe), rules.guides)


def _setting(key: str, value: float | int, why: str, recipe: float | int, guides: Sequence[Guide]) -> Setting:
    return Setting(
        key, value, why, recipe, tuple(Said(each.source, each.said, _agrees(each, value)) for each in guides)
    )


def _agrees(guide: Guide, value: float) -> bool | None:
    if guide.low is None or guide.high is None:
        return None
    return guide.low * (1 - _CLOSE) - _CLOSE**2 <= value <= guide.high * (1 + _CLOSE)


def _of(guide: Guide, number: float) -> bool:
    """Whether a guide speaks of so many examples, or parameters."""
    return (guide.above is None or number >= guide.above) and (guide.below is None or number < guide.below)
