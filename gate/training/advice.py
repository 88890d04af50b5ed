"""Where a recipe leaves the ranges that the guides give, with every guide that speaks of it: they disagree,
and what one guide warns of another recommends.

The guides' figures are those of `rules/plan.yaml`, by which `gate plan` advises too. Where they are silent, and a paper
or a library's documentation has a figure for the method or the objective, that stands here and is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

from gate.folders import Folders
from gate.training.plan_rules import Guide, SettingRules, load_plan_rules
from gate.training.recipe import LORA_FAMILY, Recipe

_PLAIN = ("sft", "pretrain", "classify")
"""Objectives that the guides' epochs are about."""
_CLOSE = 1e-9  # 0.1 is no binary number

_TOO_HIGH = {
    "lr": "a rate too high makes the loss oscillate and the base forget",
    "epochs": "more passes are learned by heart",
    "rank": "a high rank wants `method: rslora`, whose scale suits it",
}
_TOO_LOW = {"lr": "at a rate too low the loss barely moves"}


@dataclass(frozen=True, slots=True)
class Range:
    """What a guide recommends; both ends belong to it."""

    guide: str
    """`G3`, `G1 G5`; a paper or a documentation where they are silent."""
    low: float
    high: float
    said: str
    """In words: `LoRA 1e-4 to 3e-4`."""
    evidence: bool = False
    """Whether it is of a paper or a documentation, which goes before the guides."""

    def holds(self, value: float) -> bool:
        """Whether a value is in it; a hair's breadth beside an end still is."""
        slack = _CLOSE * max(abs(self.low), abs(self.high))
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True, slots=True)
class Advice:
    """A value that some guide advises against."""

    key: str
    value: float
    outside: tuple[Range, ...]
    """What it is outside of."""
    within: tuple[Range, ...]
    """What it is inside of."""
    message: str
    remedy: str

    @property
    def agreed(self) -> bool:
        """Whether nobody recommends the value: a warning. Otherwise the guides disagree, which is worth showing."""
        return not self.within


def outside_guides(
    recipe: Recipe, parameters: int | None = None, examples: int | None = None, rules: SettingRules | None = None
) -> list[Advice]:
    """The values of a recipe that at least one guide advises against, those that nobody recommends first.

    Args:
        parameters: of the model; None where that is not known, which leaves out what guides say by size.
        examples: of the train split; None likewise.
        rules: `settings` of `rules/plan.yaml`; gate's own where it is left out.
    """
    settings = rules or _shipped()
    found = []
    for key, value, ranges in _subjects(recipe, parameters, examples, settings):
        outside = tuple(each for each in ranges if not each.holds(value))
        within = tuple(each for each in ranges if each.holds(value))
        if outside:
            message = _message(key, value, outside, within)
            found.append(Advice(key, value, outside, within, message, _remedy(key, value, ranges)))
    return sorted([*found, *_alpha(recipe, settings)], key=lambda each: bool(each.within))


@lru_cache(maxsize=1)
def _shipped() -> SettingRules:
    return load_plan_rules(Folders()).settings


def _subjects(
    recipe: Recipe, parameters: int | None, examples: int | None, rules: SettingRules
) -> Iterator[tuple[str, float, list[Range]]]:
    full = recipe.method == "full"
    yield "lr", recipe.lr, _rates(recipe, parameters, rules)
    if recipe.method in LORA_FAMILY:
        yield "rank", recipe.rank, _ranges(rules.rank.guides)
        yield "dropout", recipe.dropout, _ranges(rules.dropout.guides)
    if recipe.max_steps is None and recipe.objective in _PLAIN:
        yield "epochs", recipe.epochs, _ranges(rules.epochs.guides, examples, full=full)
    yield "batch", recipe.batch, _ranges(rules.batch.guides, full=full)
    if recipe.warmup < 1:
        yield "warmup", recipe.warmup, _ranges(rules.warmup.guides)
    if recipe.weight_decay:  # of none at all no guide speaks; it suits what does not start from the base
        yield "weight_decay", recipe.weight_decay, _ranges(rules.weight_decay.guides)


def _ranges(guides: Sequence[Guide], number: int | None = None, *, full: bool = False) -> list[Range]:
    """What guides say, those left out that speak of other sizes (or of sizes at all, where it is not known)."""
    return [
        Range(each.source, each.low, each.high, each.said)
        for each in guides
        if each.low is not None and each.high is not None and (full or not each.full) and _speaks(each, number)
    ]


def _speaks(guide: Guide, number: int | None) -> bool:
    if number is None:
        return guide.above is None and guide.below is None
    return (guide.above is None or number >= guide.above) and (guide.below is None or number < guide.below)


def _rates(recipe: Recipe, parameters: int | None, rules: SettingRules) -> list[Range]:
    """The guides speak of plain training, of all weights and of LoRA. For preferences and reinforcement papers stand in
    their place; for other methods what guides say of any method stands beside a paper."""
    adapter = recipe.method != "full"
    if recipe.objective in ("dpo", "kto", "rloo", "grpo"):
        # 5e-7: Tunstall et al. 2023, Ethayarajh et al. 2024; 1e-6: Rafailov et al. 2023, Shao et al. 2024, Ahmadian et
        # al. 2024.
        return [_of_papers(5e-7, 1e-6, adapter)]
    if recipe.objective == "orpo":
        return [_of_papers(5e-6, 8e-6, adapter)]  # Hong et al. 2024
    evidence = {
        "ia3": Range("Liu et al. 2022", 3e-3, 3e-3, "IA3 3e-3", evidence=True),
        "prefix": Range("peft's examples", 1e-3, 3e-2, "learned prompts 1e-3 to 3e-2", evidence=True),
        "ptuning": Range("peft's examples", 1e-3, 3e-2, "learned prompts 1e-3 to 3e-2", evidence=True),
        "head": Range("Kingma and Ba 2015", 1e-3, 1e-3, "from a random start 1e-3", evidence=True),
    }.get(recipe.method)
    if evidence is not None:
        of_any = [each for each in rules.lr_lora.guides if each in rules.lr_full.guides]
        return [*_ranges(of_any), evidence]
    if recipe.method in LORA_FAMILY:
        return _ranges(rules.lr_lora.guides, parameters)
    return _ranges(rules.lr_full.guides, parameters)


def _of_papers(low: float, high: float, adapter: bool) -> Range:
    """An adapter's best rate is some ten times that of all weights (Schulman et al. 2025)."""
    low, high = (10 * low, 10 * high) if adapter else (low, high)
    who = "an adapter" if adapter else "all weights"
    return Range("papers", low, high, f"{who} {_number(low)} to {_number(high)}", evidence=True)


def _alpha(recipe: Recipe, rules: SettingRules) -> Iterator[Advice]:
    """alpha by the rank; a value between those of two guides is no reason for a word. rsLoRA scales otherwise."""
    said = [each for each in rules.alpha.guides if each.times is not None]
    if recipe.method not in LORA_FAMILY or recipe.method == "rslora" or not said:
        return
    times = [each.times for each in said if each.times is not None]
    ratio = recipe.alpha / recipe.rank
    if not min(times) * (1 - _CLOSE) <= ratio <= max(times) * (1 + _CLOSE):
        ranges = tuple(
            Range(each.source, value * recipe.rank, value * recipe.rank, each.said)
            for each, value in zip(said, times, strict=True)
        )
        best = rules.alpha.times_rank * recipe.rank
        yield Advice(
            "alpha", recipe.alpha, ranges, (),
            f"alpha {_number(recipe.alpha)} is {ratio:.3g} times the rank; outside the range of {_listed(ranges)}",
            f"--set alpha={_number(best)}: {rules.alpha.why}",
        )  # fmt: skip


def _message(key: str, value: float, outside: Sequence[Range], within: Sequence[Range]) -> str:
    said = f"{key} {_number(value)} is outside the range of {_listed(outside)}"
    return f"{said}, and inside that of {_listed(within)}" if within else said


def _listed(ranges: Sequence[Range]) -> str:
    return ", ".join(f"{each.guide} ({each.said})" for each in ranges)


def _remedy(key: str, value: float, ranges: Sequence[Range]) -> str:
    """The value that most of them recommend, the nearest such to the one written. Evidence goes before guides."""
    evidence = [each for each in ranges if each.evidence]
    if held := next((each for each in evidence if each.holds(value)), None):
        return f"it may stay: the guides speak of other methods, and the value comes from {held.guide}"
    asked = evidence or ranges
    ends = {end for each in asked for end in (each.low, each.high)} | {value}
    best = max(ends, key=lambda end: (sum(_weight(each) for each in asked if each.holds(end)), -_far(end, value)))
    if best == value:
        return "it may stay: the guides do not agree, and no other value is recommended by more of them"
    why = _TOO_HIGH.get(key) if value > best else _TOO_LOW.get(key)
    return f"--set {key}={_number(best)}" + (f": {why}" if why else "")


def _weight(each: Range) -> int:
    """How many guides say it: `G1 G5` are two."""
    return len(each.guide.split(",")[0].split())


def _far(one: float, other: float) -> float:
    """How far two values are apart, by ratio where they have one."""
    return abs(log(one / other)) if one > 0 and other > 0 else abs(one - other) + 100


def _number(value: float) -> str:
    """As a person writes it: 1e-5, not 1e-05 and not 0.0001."""
    if 0 < abs(value) < 1e-2 or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.6e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"
