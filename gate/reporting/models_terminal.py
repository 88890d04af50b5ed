"""Models for people at a terminal: what followed from a promotion, the list, one of them, two side by side."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from gate.provenance.model_standing import ModelStanding
from gate.provenance.moments import minute_of
from gate.provenance.statements import ModelRef, Promotion, Statement
from gate.reporting.inert import one_line

STYLES = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}


def write_again(console: Console, statement: Statement) -> None:
    """A decision that was made before on the same evidence."""
    about = statement.about
    assert isinstance(about, Promotion)
    console.print(
        Text.assemble((about.verdict.upper(), STYLES[about.verdict]), f"  {one_line(about.name, 120)}"), soft_wrap=True
    )
    console.print(Text(f"decided on {minute_of(statement.made)} by {one_line(statement.author, 80)}; nothing changed"))
    for reason in about.reasons:
        console.print(Text(f"• {one_line(reason, 600)}"))


def write_standing(
    console: Console,
    statement: Statement,
    stands: ModelStanding,
    ref: Statement | None,
    champion: bool,
    replaced: str | None,
) -> None:
    """Where the statement is, how it stands, and what is next."""
    about = statement.about
    assert isinstance(about, Promotion)
    console.print()
    console.print(Text(f"promotion {statement.digest}"), soft_wrap=True)
    if about.verdict != "pass":
        console.print(Text("it is signed and stays on record; the champion is as it was"))
        return
    for reason in stands.reasons:
        console.print(Text(f"{stands.status}: {one_line(reason, 400)}"))
    for each in stands.ignored:
        console.print(Text(f"ignored: {one_line(each, 300)}", style="dim"))
    if ref is not None and isinstance(ref.about, ModelRef):
        after = f", after {one_line(replaced, 80)}" if replaced else ""
        said = f"{one_line(about.name, 80)} is {about.champion_name} number {ref.about.number}{after}"
        console.print(Text(said, style="bold green"))
    elif champion:
        console.print(Text(f"{one_line(about.name, 80)} is {about.champion_name} already", style="bold green"))
    elif stands.status == "waiting":
        console.print(Text(f"next: gate approve {statement.digest[:12]}, then gate promote {about.name} once more"))
