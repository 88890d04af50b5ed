"""What `gate fix` did, for somebody at a terminal: rows in and out, what was done by which rule, and what is left."""

from __future__ import annotations

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.admission.fixed import FixResult
from gate.reporting.inert import one_line

_LEFT = 6  # rules whose remaining findings are listed


def render_fix(result: FixResult, console: Console) -> None:
    """Print the result; `Text` only, made inert."""
    console.print()
    lost = result.rows_in - result.rows_out
    head = f"{result.rows_in:,} rows in = {result.rows_out:,} rows out + {lost:,} dropped"
    done = ", ".join(f"{rows:,} {name}" for name in ("redacted", "mended") if (rows := result.rows(name)))
    console.print(Text.assemble((head, "bold"), f"; {done}" if done else ""))
    if result.log.height:
        console.print(_by_rule(result.log))
    changed = sum(file.changed for file in result.files)
    console.print(Text(f"{changed} of {len(result.files)} data files changed; the others are the same byte for byte"))
    if result.copied:
        console.print(Text(f"{len(result.copied)} other files go along as they are; nobody looked at what is in them"))
    for name in result.log.filter(pl.col("action") == "file_left_out")["file"]:
        console.print(Text(f"{one_line(name)} is left out: none of its rows is left"))
    _left(result, console)
    if result.out is None:
        console.print(Text("dry run: nothing was written"))
    else:
        console.print(
            Text(f"wrote {one_line(str(result.out))}; what was done, row by row: {result.log_path}"), soft_wrap=True
        )


def _by_rule(log: pl.DataFrame) -> Table:
    counted = (
        log.filter(pl.col("rule").is_not_null())
        .group_by("action", "rule", "code")
        .agg(rows=pl.struct("file", "row").n_unique())
        .sort("action", "rule", "code")
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in ("action", "rule", "code"):
        table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right")
    for action, rule, code, rows in counted.iter_rows():
        table.add_row(Text(action), Text(one_line(rule)), Text(one_line(code)), Text(f"{rows:,}"))
    return table


def _left(result: FixResult, console: Console) -> None:
    verdict = result.after.verdict
    console.print(Text(f"the fixed data: {verdict} ({one_line(result.after.reason)})"))
    left = result.left.group_by("rule", "remedy").len().sort("len", descending=True)
    if left.height:
        console.print(Text("left for a person:", style="bold"))
    for rule, remedy, count in left.head(_LEFT).iter_rows():
        console.print(Text(f"  {count:,} × {one_line(rule)} ({remedy}): gate rules explain {one_line(rule)}"))
