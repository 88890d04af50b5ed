"""Suites for people: a table of them, one with its tasks, and what was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from gate.reporting.inert import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from gate.evaluation.suite_overview import ShownSuite, ShownTask


def render_suites(suites: Sequence[ShownSuite], console: Console) -> None:
    """Print a line for each suite."""
    from rich.text import Text

    table = _table("suite", "tasks", "items", "from", "what for")
    for suite in suites:
        about = Text(one_line(suite.about).rstrip(".") + ".")
        if suite.made:
            about.append(f" Added when a model is scored: {suite.made}.", style="dim")
        if suite.problem:
            about = Text(f"cannot be read: {one_line(suite.problem)}", style="red")
        origin = suite.files[0].partition(":")[0] if suite.files and ":" in suite.files[0] else "repository"
        count = Text(str(len(suite.tasks))) if not suite.problem else Text("")
        table.add_row(
            Text(suite.name, style="bold"), count, Text(f"{suite.items:,}" if not suite.problem else ""),
            Text(origin if len(suite.files) < 2 else f"{origin} (and gate)"), about,
        )  # fmt: skip
    console.print(table)


def render_suite(suite: ShownSuite, console: Console) -> None:
    """Print a suite's tasks, and where they come from."""
    from rich.text import Text

    console.print(Text(f"{suite.name}: {one_line(suite.about)}", style="bold"))
    console.print(Text(f"  {', '.join(map(one_line, suite.files))}", style="dim"))
    if suite.made:
        console.print(Text(f"  added when a model is scored: {suite.made}", style="dim"))
    if not suite.tasks:
        return
    table = _table("task", "items", "asks by", "primary", "chance", "digest", "about")
    for task in suite.tasks:
        table.add_row(
            Text(one_line(task.name), style="bold"),
            Text("hub" if task.items is None else f"{task.items:,}"),
            Text(_ways(task)),
            Text(one_line(task.primary)),
            Text("" if task.chance is None else f"{task.chance:.3g}"),
            Text(task.digest[:12]),
            Text(one_line(task.about)),
        )
    console.print(table)


def render_checked(suites: Sequence[ShownSuite], console: Console) -> None:
    """Print what was read, and is right."""
    from rich.text import Text

    for suite in suites:
        count = f"{len(suite.tasks):,} task{'' if len(suite.tasks) == 1 else 's'}, {suite.items:,} items"
        made = f"; {suite.made} are added when a model is scored" if suite.made else ""
        console.print(Text.assemble((f"{suite.name}: ", "bold"), f"{count}, every one can be asked{made}"
                                    if suite.tasks else f"no tasks of its own{made}"))  # fmt: skip


def suites_json(suites: Sequence[ShownSuite]) -> bytes:
    """`gate.suites/1`: the same for programs, with a final line feed."""
    content = {"schema": "gate.suites/1", "suites": [asdict(suite) | {"items": suite.items} for suite in suites]}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _ways(task: ShownTask) -> str:
    ways = {
        "generate_until": "generation", "loglikelihood": "likelihood", "loglikelihood_rolling": "likelihood of a text",
        "multiple_choice": "choices", "hub": "lm-eval's own",
    }  # fmt: skip
    shots = f", {task.shots} shots" if task.shots else ""
    return ways.get(task.kind, task.kind) + shots + (", with code" if task.code else "")


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(
            name, no_wrap=name not in ("about", "what for"), overflow="fold",
            justify="right" if name in ("items", "tasks") else "left",
        )  # fmt: skip
    return table
