"""A promotion for people at a terminal: the verdict with its reasons, a line for each demand, what is next. Readable at
80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.promotion.decided import Decided
from gate.reporting.inert import one_line
from gate.reporting.promotion_changed import counted
from gate.reporting.promotion_lines import Line
from gate.reporting.promotion_page import Page, promotion_page
from gate.reporting.promotion_told import Told

STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
_EDGES = {"pass": "green", "fail": "red", "inconclusive": "yellow", "skipped": "dim"}


def write_promotion(console: Console, decided: Decided, told: Told | None = None) -> None:
    """Print the decision."""
    page = promotion_page(decided, told or Told())
    console.print(
        Text.assemble((page.word.upper(), STYLES[decided.verdict]), "  ", one_line(decided.candidate.name, 120)),
        soft_wrap=True,
    )
    for reason in page.reasons:
        console.print(Text(f"• {reason.said}"))
        if reason.change:
            console.print(Text(f"  what would change it: {reason.change}", style="dim"))
    for warning in decided.warnings:
        console.print(Text(f"! {one_line(warning, 600)}", style="yellow"))
    for title, lines in (("", page.lines), ("against the champion", page.champion_lines)):
        if lines:
            console.print()
            console.print(_table(lines, title))
    _rest(console, page)


def _table(lines: Sequence[Line], title: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", title=title or None, title_justify="left")
    table.add_column("task", overflow="fold", max_width=30)
    table.add_column("ended")
    table.add_column("before → after", justify="right")
    table.add_column("difference", justify="right")
    table.add_column("margin", justify="right")
    table.add_column("n", justify="right")
    for line in lines:
        style = _EDGES[line.edge]
        scores = f"{line.before} → {line.after}" if line.before else line.after
        difference = f"{line.difference.removesuffix(' points')}\n({line.interval.replace(' points', '')})"
        table.add_row(
            Text(one_line(line.name, 80)),
            Text(line.ended, style=style),
            Text(scores),
            Text(difference if line.difference else ""),
            Text(line.margin.removesuffix(" points")),
            Text(line.n),
        )
    return table


def _rest(console: Console, page: Page) -> None:
    decided, counts = page.decided, counted(page.changed)
    console.print()
    kept = page.forgetting.kept
    if kept is not None and kept.retained is not None:
        known = f"of {kept.known:,} general items that the base got right {100 * kept.retained:.1f} % are kept"
        console.print(Text(f"forgetting: {known}; {kept.lost:,} lost, {kept.gained:,} gained"))
    console.print(Text(f"answers: {counts['lost']:,} right before and wrong now, {counts['gained']:,} the other way"))
    console.print(Text(page.criteria))
    if decided.verdict == "pass":
        console.print(Text(page.sign_off.needed, style="bold"))
        for what, typed in page.sign_off.commands:
            console.print(Text(f"  {what}: {typed}"), soft_wrap=True)
