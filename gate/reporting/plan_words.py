"""The figures of a plan in words, for the terminal and the page alike."""

from __future__ import annotations

from gate.training.plan import Plan
from gate.training.plan_cost import Return
from gate.training.plan_decision import Advice
from gate.training.plan_memory import PARTS
from gate.training.plan_method import Option
from gate.training.plan_rules import Says
from gate.training.plan_settings import Said, written

HEADINGS: dict[Advice, tuple[str, str]] = {
    "fine_tune": ("FINE-TUNE", "passed"),
    "prompts": ("DO NOT FINE-TUNE", "failed"),
    "prompts_first": ("PROMPTS FIRST", "warned"),
    "retrieval": ("RETRIEVAL INSTEAD", "failed"),
    "unclear": ("NOT CLEAR YET", "warned"),
}
"""What the advice is called, and the colour of its edge."""
SAYS: dict[Says, tuple[str, str]] = {
    "fine_tune": ("fine-tune", "passed"),
    "viable": ("may help", "skipped"),
    "prompts_first": ("prompts first", "warned"),
    "prompts": ("prompts", "failed"),
    "retrieval": ("retrieval", "failed"),
}
MOMENTS = {
    "backward": "backward pass begins",
    "recompute": "last layer computed again",
    "update": "weights change",
    "answering": "samples are written",
}

_GB, _MB = 10**9, 10**6


def heading(plan: Plan) -> tuple[str, str]:
    """What the advice is called, and its edge: never green for what is provisional, or does not fit."""
    word, edge = HEADINGS[plan.verdict.advice]
    if plan.option.fits is False and plan.verdict.advice == "fine_tune":
        return "DOES NOT FIT", "failed"
    if plan.verdict.provisional and plan.verdict.advice == "fine_tune":
        return "MEASURE PROMPTS FIRST", "warned"
    return word, edge


def size(number: int) -> str:
    """`1.25 GB`, `59.5 MB`; 10^9 and 10^6 bytes."""
    if number >= _GB / 10:
        return f"{number / _GB:,.3g} GB" if number < 1000 * _GB else f"{number / _GB:,.0f} GB"
    return f"{number / _MB:,.3g} MB" if number >= _MB / 100 else f"{number:,} B"


def duration(seconds: float) -> str:
    """`less than a minute`, `12 minutes`, `3.5 hours`, `2.1 days`."""
    for length, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {name}" if seconds < 100 * length else f"{seconds / length:,.0f} {name}"
    return "a minute or two" if seconds >= 60 else "less than a minute"


def share(part: int, whole: int) -> str:
    """`0.54 %`."""
    return f"{100 * part / max(whole, 1):.2g} %" if part < whole else "all"


def fits(option: Option) -> tuple[str, str]:
    """Whether a method fits, and its edge."""
    if option.fits is None:
        return "?", "skipped"
    return ("yes", "passed") if option.fits else ("no", "failed")


def with_what(option: Option) -> str:
    """`4 at once, recomputing`."""
    fit = option.memory.recipe
    return f"{fit.device_batch} at once" + (", recomputing" if fit.checkpoint_activations else "")


def parts(option: Option) -> dict[str, int]:
    """What is in memory at the highest moment, in the order of `PARTS`; two columns that go together are added."""
    found = option.memory.peak.parts
    return {part: found[part] for part in PARTS if part in found}


def guide_figures(option: Option) -> str:
    """`G2 120 GB, G5 28-56 GB`."""
    return ", ".join(f"{source} {said}" for source, said in option.guides)


def others(guides: tuple[Said, ...]) -> str:
    """Guides that would set it otherwise."""
    return "; ".join(f"{each.source}: {each.said}" for each in guides if each.agrees is False)


def agreeing(guides: tuple[Said, ...]) -> str:
    """Guides in whose range it lies."""
    return ", ".join(dict.fromkeys(each.source for each in guides if each.agrees))


def value(given: float | int | str | bool) -> str:
    """A setting's value, as it is written."""
    return written(given)


def lengths(plan: Plan) -> str:
    """The data in one line."""
    found = plan.lengths
    held = ", ".join(f"{found.splits.get(split, 0):,} {split}" for split in ("validation", "test"))
    others = f"; {found.others:,} examples of other kinds are for other recipes" if found.others else ""
    return (
        f"{found.examples:,} {found.kind} examples to train on ({held}), {found.total:,} tokens; "
        f"{found.percentile(0.5):,} in the median, {found.percentile(0.95):,} at 95 %, {found.longest:,} at most"
        f"{others}"
    )


def shorter(plan: Plan) -> str:
    """What cutting the longest examples would save; empty where it would change nothing."""
    found = plan.shorter
    if found is None:
        return ""
    return (
        f"The longest example decides: cut at {found.length:,} tokens (--set max_length={found.length}, which cuts "
        f"{found.cut:,} examples) it takes {size(found.bytes)} instead of {size(plan.option.memory.total)}."
    )


def run_facts(plan: Plan) -> list[tuple[str, str]]:
    """Steps, tokens, time."""
    work = plan.work
    packed = f" in {work.sequences:,} packed sequences" if work.sequences != work.examples else ""
    found = [
        ("steps", f"{work.steps:,} of {plan.recipe.batch} examples; {work.examples:,} examples{packed} a pass"),
        (
            "tokens",
            f"{work.tokens:,} read in {plan.recipe.epochs:g} passes, {work.flops:.2g} floating-point operations",
        ),
    ]
    if plan.time is None:
        found.append(("time", "not known"))
    elif plan.time.fastest == plan.time.slowest:
        found.append(("time", f"{duration(plan.time.fastest)} at {plan.time.basis}"))
    else:
        fastest, slowest = duration(plan.time.fastest), duration(plan.time.slowest)
        told = f"{fastest}; {plan.time.basis}" if fastest == slowest else f"{fastest} to {slowest}; {plan.time.basis}"
        found.append(("time", told))
    return found


def cost_facts(plan: Plan) -> list[tuple[str, str]]:
    """Cost and return, and the guides' worked example beside them."""
    found = [] if plan.worth is None else _cost(plan.worth)
    example = plan.example
    told = (
        f"prompts {example.prompt_hours:g} h x {example.rate:g} = {example.prompts:,.0f}; fine-tuning "
        f"{example.tuning_hours:g} h x {example.rate:g} + {example.compute:g} = {example.tuning:,.0f}, "
        f"{example.tuning / example.prompts:.0f} times as much"
    )
    if plan.worth is None:
        found.append(("cost", "not known"))
    return [*found, (f"example ({example.source})", told)]


def _cost(worth: Return) -> list[tuple[str, str]]:
    cost = f"fine-tuning {worth.tuning:,.0f}"
    if worth.prompts:
        cost += f", work on prompts {worth.prompts:,.0f}: {worth.ratio:.3g} times as much"
    if worth.gain is None:
        told = f"not known: it is worth it above {100 * worth.needed:g} points"
    else:
        told = f"{100 * worth.gain:.3g} points, and it is worth it above {100 * worth.needed:g}"
        told += f"; {worth.for_a_point:,.0f} a point" if worth.for_a_point is not None else ""
    return [("cost", cost), ("expected gain", told)]
