"""Where a recipe leaves the ranges that five practitioner guides give, with every guide that speaks of it: they
disagree, and what one guide warns of another recommends.

Pure. The figures are those of the project's collection of guides (G1 a checklist, G2 a strategy, G3 a card of questions
and answers, G4 a checklist for small models, G5 a long guide). What they say of some methods is not held against
others; where they are silent and a paper or a library's documentation has a figure, that is named in their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from gate.training.recipe import LORA_FAMILY, Recipe

_BILLION = 10**9
_HELD = ("dpo", "kto", "rloo", "grpo")
"""Objectives that hold the model to a reference, and take a far smaller rate."""

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
    """`G1` to `G5`; a paper or a documentation where they are silent."""
    low: float
    high: float
    of: str = ""
    """What it is about, where that is narrower than the key: `LoRA`, `7B`."""

    def holds(self, value: float) -> bool:
        """Whether a value is in it; a hair's breadth beside an end still is (0.1 is no binary number)."""
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True, slots=True)
class Advice:
    """A value that some guide advises against."""

    key: str
    value: float
    outside: tuple[Range, ...]
    """What it is outside of."""
    within: tuple[Range, ...]
    """What it is within of."""
    message: str
    remedy: str

    @property
    def agreed(self) -> bool:
        """Whether nobody recommends the value: a warning. Otherwise the guides disagree, which is worth showing."""
        return not self.within


def outside_guides(recipe: Recipe, parameters: int | None = None, examples: int | None = None) -> list[Advice]:
    """The values of a recipe that at least one guide advises against, those that nobody recommends first.

    Args:
        parameters: of the model; None where that is not known, which leaves out what guides say by size.
        examples: of the train split; None likewise.
    """
    found = []
    for key, value, ranges in _subjects(recipe, parameters, examples):
        outside = tuple(each for each in ranges if not each.holds(value))
        within = tuple(each for each in ranges if each.holds(value))
        if outside:
            message = _message(key, value, outside, within)
            found.append(Advice(key, value, outside, within, message, _remedy(key, value, ranges)))
    return sorted([*found, *_alpha(recipe)], key=lambda each: bool(each.within))


def _subjects(
    recipe: Recipe, parameters: int | None, examples: int | None
) -> Iterator[tuple[str, float, Sequence[Range]]]:
    yield "lr", recipe.lr, _rates(recipe, parameters)
    if recipe.method in LORA_FAMILY:
        yield "rank", recipe.rank, [Range(guide, 4, 128, "LoRA") for guide in ("G1", "G2", "G3")]
        yield "dropout", recipe.dropout, [Range("G1", 0, 0.1, "LoRA")]
    if recipe.max_steps is None and recipe.objective in ("sft", "pretrain", "classify"):
        yield "epochs", recipe.epochs, _epochs(examples)
    yield "batch", recipe.batch, _batches(recipe)
    if recipe.warmup < 1:
        longer, shorter = (0.05, 0.1), (0.03, 0.1)
        shares = {"G1": shorter, "G2": longer, "G3": longer, "G5": shorter}
        yield "warmup", recipe.warmup, [Range(guide, *ends) for guide, ends in shares.items()]
    if recipe.weight_decay:  # of none at all no guide speaks; it suits what does not start from the base
        yield "weight_decay", recipe.weight_decay, [Range("G1", 0.01, 0.1), Range("G2", 0.001, 0.1)]


def _rates(recipe: Recipe, parameters: int | None) -> list[Range]:
    adapter = recipe.method != "full"
    if recipe.objective in _HELD:
        # Of all weights 5e-7 (Tunstall et al. 2023; Ethayarajh et al. 2024) to 1e-6 (Rafailov et al. 2023; Shao et al.
        # 2024; Ahmadian et al. 2024). No guide speaks of these objectives.
        return [_papers((5e-7, 1e-6), adapter)]
    if recipe.objective == "orpo":
        return [_papers((5e-6, 8e-6), adapter)]  # Hong et al. 2024
    of_method = {
        "ia3": Range("Liu et al. 2022", 3e-3, 3e-3, "IA3"),
        "prefix": Range("peft's examples", 1e-3, 3e-2, "learned prompts"),
        "ptuning": Range("peft's examples", 1e-3, 3e-2, "learned prompts"),
        "head": Range("Kingma and Ba 2015", 1e-3, 1e-3, "from a random start"),
    }
    ranges = [Range("G1", 1e-5, 5e-4, "any method"), Range("G5", 1e-5, 5e-4, "any method")]
    if recipe.method in of_method:
        return [*ranges, of_method[recipe.method]]
    if recipe.method in LORA_FAMILY:
        ranges += [Range("G3", 1e-4, 3e-4, "LoRA"), Range("G2", 1e-5, 1e-5, "LoRA")]
    else:
        ranges.append(Range("G3", 1e-5, 5e-5, "full"))
        if parameters is not None:
            ranges.append(_rate_by_size(parameters))
    if parameters is not None and parameters <= 3 * _BILLION:  # G1's "edge" size; G4 does not say what small is
        ranges.append(Range("G4", 2e-5, 8e-5, "small models"))
    return ranges


def _papers(full: tuple[float, float], adapter: bool) -> Range:
    """An adapter's best rate is some ten times that of all weights (Schulman et al. 2025)."""
    low, high = full
    return Range("papers", 10 * low, 10 * high, "an adapter") if adapter else Range("papers", low, high, "all weights")


def _rate_by_size(parameters: int) -> Range:
    """G2's table; a size between two of its rows has that of the nearer one, by ratio."""
    if parameters < 7**0.5 * _BILLION:
        return Range("G2", 1e-5, 3e-5, "1B")
    if parameters < (7 * 13) ** 0.5 * _BILLION:
        return Range("G2", 1e-6, 1e-5, "7B")
    if parameters < (13 * 70) ** 0.5 * _BILLION:
        return Range("G2", 1e-6, 5e-6, "13B")
    return Range("G2", 1e-7, 1e-6, "70B and more")


def _epochs(examples: int | None) -> list[Range]:
    ranges = [Range("G1", 1, 5), Range("G3", 2, 5)]
    if examples is None:
        return ranges
    if examples < 1_000:
        return [*ranges, Range("G2", 5, 10, "below 1,000 examples")]
    if examples < 5_000:
        return [*ranges, Range("G2", 3, 5, "1,000 to 5,000 examples")]
    if examples <= 10_000:
        return [*ranges, Range("G2", 2, 3, "5,000 to 10,000 examples")]
    return [*ranges, Range("G2", 1, 2, "more than 10,000 examples")]


def _batches(recipe: Recipe) -> list[Range]:
    """G1's 2 to 8 is left out: it does not speak of accumulation, and is about what fits on a device."""
    ranges = [Range("G2", 16, 64), Range("G5", 4, 32)]
    return [*ranges, Range("G3", 8, 32, "full")] if recipe.method == "full" else ranges


def _alpha(recipe: Recipe) -> Iterator[Advice]:
    """The guides have alpha / rank of 1 (G1), 2 (G3, G2's comment) and 4 (the examples of G2 and G5); a value between
    them is no reason for a word. rsLoRA scales otherwise."""
    if recipe.method not in LORA_FAMILY or recipe.method == "rslora":
        return
    ratio = recipe.alpha / recipe.rank
    if not Range("", 1, 4).holds(ratio):
        ranges = (Range("G1", 1, 1), Range("G3", 2, 2), Range("G2", 2, 4), Range("G5", 4, 4))
        message = (
            f"alpha {_number(recipe.alpha)} is {ratio:.3g} times the rank; the guides have {_listed(ranges)} times"
        )
        remedy = f"--set alpha={2 * recipe.rank}: twice the rank gives an update of the same scale at any rank"
        yield Advice("alpha", recipe.alpha, ranges, (), message, remedy)


def _message(key: str, value: float, outside: Sequence[Range], within: Sequence[Range]) -> str:
    said = f"{key} {_number(value)} is outside of {_listed(outside)}"
    return f"{said}, and within {_listed(within)}" if within else said


def _remedy(key: str, value: float, ranges: Sequence[Range]) -> str:
    """The value that most of them recommend, the nearest such to the one written. Evidence is preferred to guides."""
    evidence = [each for each in ranges if not each.guide.startswith("G")]
    held = next((each for each in evidence if each.holds(value)), None)
    if held is not None:
        return f"it may stay: the guides speak of other methods, and the value comes from {held.guide}"
    ends = {end for each in evidence or ranges for end in (each.low, each.high)} | {value}
    best = max(ends, key=lambda end: (sum(each.holds(end) for each in evidence or ranges), -_far(end, value)))
    if best == value:
        return "it may stay: the guides do not agree, and more of them recommend this value than any other"
    why = _TOO_HIGH.get(key) if value > best else _TOO_LOW.get(key)
    return f"--set {key}={_number(best)}" + (f": {why}" if why else "")


def _far(one: float, other: float) -> float:
    """How far two values are apart, by ratio where they have one."""
    return abs(log(one / other)) if one > 0 and other > 0 else abs(one - other) + 100


def _listed(ranges: Sequence[Range]) -> str:
    """Guides that say the same are named together: `1e-5 to 5e-4 (any method, G1 G5)`."""
    same: dict[tuple[float, float, str], list[str]] = {}
    for each in ranges:
        same.setdefault((each.low, each.high, each.of), []).append(each.guide)
    shown = []
    for (low, high, of), guides in same.items():
        ends = _number(low) if low == high else f"{_number(low)} to {_number(high)}"
        shown.append(f"{ends} ({', '.join(filter(None, (of, ' '.join(guides))))})")
    return ", ".join(shown)


def _number(value: float) -> str:
    """As a person writes it: 1e-5, not 1e-05 and not 0.0001."""
    if 0 < abs(value) < 1e-2 or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.6e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"
