"""What came of `gate admit`, for people at a terminal and for programs."""

from __future__ import annotations

from collections import Counter

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.admission.result import AdmissionResult
from gate.data.frame import SPLITS
from gate.errors import GateError
from gate.reporting.counts import counted
from gate.reporting.inert import one_line
from gate.reporting.terminal import render
from gate.snapshots.admitted import Admitted

SCHEMA = "gate.admission/1"


def render_refused(result: AdmissionResult, refused: GateError, console: Console) -> None:
    """Print the check's own report, and that nothing was sealed."""
    render(result, console)
    console.print()
    console.print(Text(one_line(str(refused), 600), style="bold red"), soft_wrap=True)


def render_admitted(admitted: Admitted, console: Console) -> None:
    """Print the snapshot, what is in it, what was left out, and what is next. Readable at 80 columns."""
    sealed, stands = admitted.sealed, admitted.standing
    approved = stands.status == "approved"
    heading = ("APPROVED", "bold green") if approved else (stands.status.upper(), "bold yellow")
    console.print()
    console.print(Text.assemble(heading, "  ", f"{admitted.name} #{admitted.number}"), soft_wrap=True)
    again = "; the name stood for this very snapshot already" if admitted.again else ""
    console.print(Text(f"snapshot   {admitted.snapshot}{again}"), soft_wrap=True)
    console.print(
        Text(f"statement  {admitted.statement.digest} by {one_line(admitted.statement.author)}"), soft_wrap=True
    )
    console.print()
    console.print(_splits(admitted))
    for note in admitted.division.notes:
        console.print(Text(one_line(note.message, 300), style="yellow"))
    admission = admitted.admission
    console.print(
        Text(
            f"{admission.rows:,} rows read = {admission.examples:,} examples + {admission.malformed:,} malformed; "
            f"{admission.examples:,} examples = {admission.admitted:,} admitted + {admission.excluded:,} excluded"
        )
    )
    for rule, rows in sorted(excluded_by_rule(admitted).items()):
        console.print(Text(f"  {counted(rows, 'row')} excluded by {one_line(rule)}", style="yellow"))
    console.print(Text(f"verdict pass: {one_line(admitted.result.reason)}"))
    console.print(Text(f"{sealed.written:,} new bytes in {one_line(str(admitted.store), 200)}"), soft_wrap=True)
    if not approved:
        console.print()
        for reason in stands.reasons:
            console.print(Text(one_line(reason, 400), style="yellow"))
        if stands.status == "waiting":
            _next(f"gate approve {admitted.statement.digest[:12]}", console)
    else:
        _next(f"gate snapshots show {admitted.name}", console)


def excluded_by_rule(admitted: Admitted) -> dict[str, int]:
    """How many rows each rule excludes; a row that several exclude counts for each."""
    return dict(Counter(admitted.sealed.excluded["rules"].explode().drop_nulls().to_list()))


def document(outcome: Admitted | AdmissionResult, refused: GateError | None = None) -> bytes:
    """`gate.admission/1`: what came of it, as JSON with a final line feed.

    Args:
        refused: why nothing was sealed, where nothing was.
    """
    if isinstance(outcome, AdmissionResult):
        content: dict[str, object] = {
            "verdict": outcome.verdict,
            "reason": outcome.reason,
            "snapshot": None,
            "refused": None if refused is None else refused.what,
        }
    else:
        about = outcome.admission
        content = {
            "verdict": outcome.result.verdict,
            "reason": about.reason,
            "name": about.name,
            "number": outcome.number,
            "snapshot": outcome.snapshot,
            "again": outcome.again,
            "statement": outcome.statement.digest,
            "status": outcome.standing.status,
            "reasons": list(outcome.standing.reasons),
            "descriptor": about.descriptor,
            "policy": about.policy,
            "findings": about.findings,
            "report": about.report,
            "rows": about.rows,
            "examples": about.examples,
            "malformed": about.malformed,
            "admitted": about.admitted,
            "excluded": about.excluded,
            "excluded_by_rule": excluded_by_rule(outcome),
            "splits": {split: about.splits[split] for split in SPLITS if split in about.splits},
            "split_by": "data" if outcome.division.given else "rules",
            "notes": [{"code": note.code, "message": note.message} for note in outcome.division.notes],
            "waivers": list(about.waivers),
            "reviews": list(about.reviews),
            "written": outcome.sealed.written,
        }
    return orjson.dumps({"schema": SCHEMA} | content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _splits(admitted: Admitted) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("split")
    table.add_column("examples", justify="right")
    table.add_column("share", justify="right")
    for split, count in admitted.sealed.splits.items():
        table.add_row(split, f"{count:,}", f"{count / admitted.sealed.admitted:.1%}")
    return table


def _next(command: str, console: Console) -> None:
    console.print(Text.assemble(("next: ", "dim"), command), soft_wrap=True)
