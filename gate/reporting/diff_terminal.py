"""What `gate diff` found, for somebody at a terminal: counts, figures that changed, and some of the rows."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.admission.difference import DiffResult
from gate.reporting.diff_rows import ShownRow, counts, number, shown_rows
from gate.reporting.inert import one_line

_ROWS = 12
_FIGURES = 16


def render_diff(result: DiffResult, console: Console) -> None:
    """Print the result; `Text` only, made inert."""
    word = ("DIFFERENT", "bold yellow") if result.differ else ("SAME", "bold green")
    console.print()
    console.print(Text.assemble(word, f"  {one_line(result.a)} → {one_line(result.b)}"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("rows")
    table.add_column("", justify="right")
    for name, count in counts(result):
        table.add_row(Text(name), Text(f"{count:,}"))
    console.print(table)
    figures = [figure for figure in result.figures if figure.changed]
    if figures:
        changes = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        changes.add_column("figure", overflow="fold")
        for name in ("A", "B", "change"):
            changes.add_column(name, justify="right")
        for figure in figures[:_FIGURES]:
            change = "" if figure.a is None or figure.b is None else f"{figure.b - figure.a:+,.6g}"
            changes.add_row(Text(one_line(figure.name)), Text(number(figure.a)), Text(number(figure.b)), Text(change))
        console.print(changes)
        if len(figures) > _FIGURES:
            console.print(Text(f"{len(figures) - _FIGURES} more figures changed: --output json", style="dim"))
    rows = shown_rows(result)
    for row in rows[:_ROWS]:
        _row(row, console)
    total = result.differences.rows.height
    if total > min(len(rows), _ROWS):
        console.print(Text(f"{min(len(rows), _ROWS)} of {total:,} rows; more in --output html=PATH", style="dim"))


def _row(row: ShownRow, console: Console) -> None:
    console.print(Text.assemble((f"{row.change:8}", "bold"), row.place), soft_wrap=True)
    for mark, style, runs in (("-", "red", row.left), ("+", "green", row.right)):
        if runs:
            line = Text(f"  {mark} ", style=style)
            for run in runs:
                shown = f"[{run.text}]" if run.kind == "left_out" else one_line(run.text, 400)
                line.append(shown, style=style if run.kind == "differs" else "dim")
            console.print(line)
