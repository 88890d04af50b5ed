"""A plan for somebody at a terminal: the advice first, then what it rests on, then what to do."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gate.reporting import plan_words as words
from gate.reporting.inert import one_line
from gate.training.plan import Plan
from gate.training.plan_memory import PARTS

_STYLES = {"passed": "green", "warned": "yellow", "failed": "red", "skipped": "dim", "unknown": "yellow"}


def render_plan(plan: Plan, console: Console) -> None:
    """Print the plan. Readable at 80 columns; coloured only where the console is a terminal."""
    word, edge = words.heading(plan)
    sentence = plan.verdict.sentence
    console.print()
    console.print(Text.assemble((word, f"bold {_STYLES[edge]}"), "  ", one_line(sentence[:1].upper() + sentence[1:])))
    console.print(Text(f"{one_line(plan.name, 80)} ({plan.snapshot[:12]}) on {one_line(plan.base, 120)}"))
    console.print(Text(words.lengths(plan)))
    _decision(plan, console)
    _base(plan, console)
    _methods(plan, console)
    _memory(plan, console)
    _settings(plan, console)
    _run(plan, console)
    _next(plan, console)


def _decision(plan: Plan, console: Console) -> None:
    _head("Is fine-tuning the right tool?", console)
    table = _table("question", "answer", "says")
    for step in plan.verdict.steps:
        says, edge = words.SAYS[step.says] if step.says else ("", "skipped")
        answer = (
            Text("not known", style="yellow" if step.needed else "dim") if step.answer is None else Text(step.answer)
        )
        why = Text.assemble(step.question, ("\n" + f"{step.why} ({step.source})", "dim"))
        table.add_row(why, answer, Text(says, style=_STYLES[edge]))
    console.print(table)


def _base(plan: Plan, console: Console) -> None:
    _head("The base", console)
    pairs = _pairs()
    for fact in plan.facts:
        source = f" ({fact.source})" if fact.source else ""
        value = Text(one_line(fact.value, 80), style=_STYLES[fact.level])
        pairs.add_row(fact.name, value.append(f": {one_line(fact.why, 300)}{source}", style="default"))
    console.print(pairs)


def _methods(plan: Plan, console: Console) -> None:
    device = f"on {plan.room.name}" if plan.room.name else "on one device"
    room = f" with {words.size(plan.room.bytes)}" if plan.room.bytes is not None else ", whose memory is not known"
    _head(f"The method, {device}{room}", console)
    table = _table("method", "trains", "needs", "with", "fits", "guides say", right=(1, 2))
    total = plan.shape.facts.parameters
    for option in plan.options:
        fits, edge = words.fits(option)
        mark = "bold" if option.method == plan.recipe.method else ""
        table.add_row(
            Text(option.method, style=mark),
            words.share(option.trainable, total),
            Text(words.size(option.memory.total), style=mark),
            words.with_what(option),
            Text(fits, style=_STYLES[edge]),
            words.guide_figures(option),
        )
    console.print(table)
    console.print(Text(f"{plan.chosen.method}: {plan.chosen.why}"))
    for guide in plan.chosen.guides:
        console.print(Text(f"{guide.source}: {guide.said}", style="dim"))


def _memory(plan: Plan, console: Console) -> None:
    """The plan's own method by part, at each moment."""
    memory = plan.option.memory
    batch = words.with_what(plan.option)
    _head(f"Memory of {plan.option.method}: {batch}, {plan.length:,} tokens, {memory.recipe.precision}", console)
    table = _table("", *(words.MOMENTS[each.name] for each in memory.moments), right=(1, 2, 3, 4))
    for part in (each for each in PARTS if each in memory.largest):
        cells = [words.size(each.parts[part]) if part in each.parts else "–" for each in memory.moments]
        table.add_row(part, *cells)
    totals = [Text(words.size(each.total), style="bold" if each is memory.peak else "") for each in memory.moments]
    table.add_row(Text("in all", style="bold"), *totals)
    console.print(table)
    if shorter := words.shorter(plan):
        console.print(Text(shorter))


def _settings(plan: Plan, console: Console) -> None:
    given = "as you named it; what gate would set" if plan.given else "the nearest, adapted"
    _head(f"Settings: recipe {one_line(plan.named, 80)}, {given}", console)
    table = _table("setting", "value", "why", right=(1,))
    for setting in plan.settings:
        why = Text(setting.why)
        if agreeing := words.agreeing(setting.guides):
            why.append(f"  agrees: {agreeing}", style="dim")
        if others := words.others(setting.guides):
            why.append(f"\notherwise: {others}", style="yellow")
        changed = setting.flag is not None
        value = Text(words.value(setting.value), style="bold" if changed else "")
        if changed:
            value.append(f"\nnot {words.value(setting.recipe)}", style="dim not bold")
        table.add_row(setting.key, value, why)
    console.print(table)


def _run(plan: Plan, console: Console) -> None:
    _head("The run", console)
    pairs = _pairs()
    for name, told in [*words.run_facts(plan), *words.cost_facts(plan)]:
        pairs.add_row(name, Text(told))
    console.print(pairs)


def _next(plan: Plan, console: Console) -> None:
    asks = [*plan.verdict.asks, *plan.asks]
    if asks:
        _head("To make it firmer", console)
        for ask in asks:
            console.print(Padding(Text(ask), (0, 0, 0, 2)))
    console.print()
    console.print(Text.assemble(("to train so: ", "dim"), one_line(plan.command)), soft_wrap=True)


def _head(text: str, console: Console) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _pairs() -> Table:
    """Names and what is said of them, which keeps its own margin."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _table(*columns: str, right: tuple[int, ...] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at in right else "left", overflow="fold")
    return table
