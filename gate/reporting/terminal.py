"""The result for somebody at a terminal: the verdict, one line per rule, the worst findings, and what to do next.

Only `rich.text.Text` is printed, so that no text of a dataset is ever read as markup, and all of it is made inert.
"""

from __future__ import annotations

import os
import re

import polars as pl
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gate.admission.result import AdmissionResult, RuleOutcome, Status, Verdict
from gate.reporting.counts import base_told, counted, findings_told
from gate.reporting.findings import masked_findings
from gate.reporting.inert import one_line as _one_line
from gate.reporting.kinds import kinds_of
from gate.reporting.progress import Progress
from gate.reporting.waivers import waivers_used
from gate.reporting.worst import worst_of_each

__all__ = ["Progress", "render"]

WORST = 10
VERDICT_STYLES: dict[Verdict, str] = {
    "pass": "bold green",
    "fail": "bold red",
    "inconclusive": "bold yellow",
    "error": "bold magenta",
}
STATUS_STYLES: dict[Status, str] = {
    "errored": "bold magenta",
    "failed": "red",
    "warned": "yellow",
    "passed": "green",
    "skipped": "dim",
}
_SEVERITY_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


_COMMAND = re.compile(r"::|##\[")
"""What a line of a job's log on GitHub begins or holds when the runner takes it for a command."""


def one_line(text: str, limit: int | None = None) -> str:
    """The text on a single line, inert, and no command to a runner that reads the log."""
    shown = _one_line(text, limit)
    return _COMMAND.sub(lambda m: " ".join(m.group()), shown) if os.environ.get("GITHUB_ACTIONS") else shown


def render(result: AdmissionResult, console: Console) -> None:
    """Print the result. Readable at 80 columns; coloured only where the console is a terminal."""
    console.print()
    console.print(
        Text.assemble((result.verdict.upper(), VERDICT_STYLES[result.verdict]), "  ", one_line(result.reason))
    )
    if result.comparison is not None:
        console.print(Text(one_line(base_told(result.comparison))))
    console.print()
    console.print(_compared_rules(result) if result.comparison is not None else _rules(result))
    _reasons(result.outcomes, console)
    for waiver in waivers_used(result):
        console.print(Text(one_line(waiver.sentence), style="yellow"))
    _worst(result, console)
    _counts(result, console)
    _next(result, console)


def _rules(result: AdmissionResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("rule", overflow="fold")
    table.add_column("rows", overflow="fold", max_width=12)
    waiving = any(outcome.waived for outcome in result.outcomes)
    for name in ("flagged", *(("waived",) if waiving else ()), "examined", "tolerated"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    # In the order of the table's colours: what blocks first.
    for outcome in sorted(result.outcomes, key=lambda outcome: list(STATUS_STYLES).index(outcome.status)):
        judged = outcome.status not in ("errored", "skipped")
        waived = (outcome.waived,) if waiving else ()
        numbers = (outcome.flagged, *waived, outcome.examined, outcome.tolerated)
        table.add_row(
            Text(one_line(outcome.rule.id)),
            Text(kinds_of(outcome, result), style="dim"),
            *(Text(f"{number:,}" if judged else "–") for number in numbers),
            Text(outcome.status, style=STATUS_STYLES[outcome.status]),
        )
    return table


def _compared_rules(result: AdmissionResult) -> Table:
    """The rules where there is a base: what is new counts, what is unchanged or fixed is told."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("rule", overflow="fold")
    waiving = any(outcome.waived for outcome in result.outcomes)
    for name in ("new", "unchanged", *(("waived",) if waiving else ()), "fixed", "examined", "tolerated"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    ids = [outcome.rule.id for outcome in result.outcomes]
    for outcome in sorted(result.outcomes, key=lambda outcome: list(STATUS_STYLES).index(outcome.status)):
        judged = outcome.status not in ("errored", "skipped")
        waived = (outcome.waived,) if waiving else ()
        numbers = (outcome.flagged, outcome.unchanged, *waived, outcome.fixed, outcome.examined, outcome.tolerated)
        rule = Text(one_line(outcome.rule.id))
        if ids.count(outcome.rule.id) > 1:
            rule.append(f" {kinds_of(outcome, result)}", style="dim")
        table.add_row(
            rule,
            *(Text(f"{number:,}" if judged else "–") for number in numbers),
            Text(outcome.status, style=STATUS_STYLES[outcome.status]),
        )
    return table


def _reasons(outcomes: tuple[RuleOutcome, ...], console: Console) -> None:
    """Why a rule was not judged, in full: nothing may seem to have passed that never ran."""
    for outcome in outcomes:
        if outcome.reason is not None:
            style = STATUS_STYLES[outcome.status]
            line = Text.assemble((f"{one_line(outcome.rule.id)} {outcome.status}", style), ": ")
            console.print(line.append(one_line(outcome.reason, 600)))


def _worst(result: AdmissionResult, console: Console) -> None:
    """The worst findings that count."""
    findings = result.findings.filter(pl.col("state") == "new")
    if findings.is_empty():
        return
    worst = masked_findings(worst_of_each(findings, WORST))
    console.print()
    new = "new " if result.comparison is not None else ""
    some = f"The worst {worst.height} of {findings.height:,} {new}findings"
    heading = some if findings.height > WORST else f"{new}findings".capitalize()
    console.print(Text(heading, style="bold"))
    for finding in worst.iter_rows(named=True):
        place = "dataset" if finding["file"] is None else one_line(finding["file"], 200)
        if finding["row"] is not None:
            place += f":{finding['row']}"
        style = _SEVERITY_STYLES[finding["severity"]]
        console.print(
            Text.assemble(
                (f"{finding['severity']:7}", style), "  ", (place, "bold"), "  ", (one_line(finding["rule"]), "dim")
            ),
            soft_wrap=True,  # so that file:row stays in one piece for whoever clicks or copies it
        )
        detail = one_line(finding["message"], 300)
        if finding["evidence"] is not None:
            detail += f"  [{one_line(finding['evidence'], 120)}]"
        console.print(Padding(Text(detail), (0, 0, 0, 9), expand=False))


def _counts(result: AdmissionResult, console: Console) -> None:
    files, skipped = result.dataset.files, len(result.dataset.skipped)
    examples, malformed = sum(file.examples for file in files), sum(file.malformed for file in files)
    console.print()
    console.print(
        Text(f"{examples + malformed:,} rows read = {examples:,} examples + {malformed:,} malformed, ").append(
            f"from {counted(len(files), 'file')}" + (f" ({counted(skipped, 'other file')} skipped)" if skipped else "")
        )
    )
    console.print(Text(f"{findings_told(result)}; {result.seconds:.1f} s"))


def _next(result: AdmissionResult, console: Console) -> None:
    """The command that explains what blocks."""
    blocking = [outcome for outcome in result.outcomes if outcome.status in ("failed", "warned", "errored")]
    order = list(STATUS_STYLES)
    commands = [
        f"gate rules explain {one_line(outcome.rule.id)}"
        for outcome in sorted(blocking, key=lambda outcome: order.index(outcome.status))
    ]
    for command in list(dict.fromkeys(commands))[:3]:
        console.print(Text.assemble(("what it means, and what to do: ", "dim"), command), soft_wrap=True)
