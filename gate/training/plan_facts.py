"""What a base is, and what that means for this data: size, licence, context, chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gate.training.plan_lengths import Lengths
from gate.training.plan_rules import PlanForm, Size
from gate.training.plan_shape import Shape
from gate.training.recipe import Recipe

Level = Literal["passed", "warned", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about the base, and what it means for this data."""

    name: str
    value: str
    level: Level
    why: str
    source: str = ""


def base_told(shape: Shape, size: Size, lengths: Lengths, recipe: Recipe, rules: PlanForm) -> list[Fact]:
    facts = shape.facts
    counted = "counted in its weights' headers" if facts.counted else "reckoned from its configuration"
    found = [
        Fact(
            "size",
            f"{_short(facts.parameters)} parameters ({size.name})",
            "passed",
            f"{counted}; {size.use}",
            size.source,
        ),
        _licence(facts.licence, rules.licences),
    ]
    if facts.quantised is not None:
        found.append(
            Fact("weights", facts.quantised, "failed", "they were quantised before: name the model they were made from")
        )
    found.append(_context(facts.context, lengths, recipe))
    if lengths.kind != "text":
        found.append(_template(lengths))
    return found


def _licence(licence: str | None, free: Sequence[str]) -> Fact:
    if licence is None:
        why = "its card names none: look it up before you train, for it binds what you make of it"
        return Fact("licence", "not known", "unknown", why, "G1")
    if licence in free:
        return Fact("licence", licence, "passed", "free for any use", "its text")
    why = "read its terms: they may forbid uses or bind what you make of it"
    return Fact("licence", licence, "warned", why, "G1")


def _context(context: int | None, lengths: Lengths, recipe: Recipe) -> Fact:
    told = f"examples have {lengths.percentile(0.5):,} tokens (median), {lengths.percentile(0.95):,} (95 %), "
    told += f"{lengths.longest:,} (longest)"
    if context is None:
        return Fact("context", "not known", "unknown", f"its configuration does not say; {told}", "G1")
    limit = context if recipe.max_length is None else min(context, recipe.max_length)
    above = lengths.above(limit)
    by = "" if limit == context else f" of max_length ({limit:,})"
    if not above:
        return Fact("context", f"{context:,} tokens", "passed", f"{told}: all fit", "G1")
    share = above / lengths.examples
    level: Level = "failed" if share > recipe.tolerate_truncated else "warned"
    does = "more than the recipe tolerates: the run would stop" if level == "failed" else "they would be cut"
    why = f"{told}: {above:,} ({100 * share:.2g} %) are longer than that{by}; {does}"
    return Fact("context", f"{context:,} tokens", level, why, "G1")


def _template(lengths: Lengths) -> Fact:
    if lengths.template is None:
        why = "it brings none and gate guesses none: name one with --chat-template FILE; counted here without"
        return Fact("chat template", "none", "failed", why)
    if lengths.refused:
        why = f"it fails on {lengths.refused:,} of {lengths.examples:,} examples: {lengths.why}"
        return Fact("chat template", lengths.template, "failed", why)
    return Fact("chat template", lengths.template, "passed", "it takes every example")


def _short(number: int) -> str:
    """`7.2B`, `494M`, `1.1M`."""
    for size, mark in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{mark}"
    return str(number)
