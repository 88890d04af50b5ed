"""Models for people at a terminal: what followed from a promotion, the list, one of them, two side by side."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gate.promotion.models import Compared, Model, ModelList, Row
from gate.provenance.model_standing import ModelStanding
from gate.provenance.moments import minute_of
from gate.provenance.statements import Evaluation, ModelRef, Promotion, Statement, Training
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
    *,
    fresh: bool,
) -> None:
    """Where the statement is, how it stands, and what is next.

    Args:
        fresh: it was just decided, and who has to approve it was told with the decision.
    """
    about = statement.about
    assert isinstance(about, Promotion)
    console.print()
    console.print(Text(f"promotion {statement.digest}"), soft_wrap=True)
    if about.verdict != "pass":
        console.print(Text("it is signed and stays on record; the champion is as it was"))
        return
    for reason in stands.reasons if not (fresh and stands.status == "waiting") else ():
        console.print(Text(f"{stands.status}: {one_line(reason, 400)}"))
    for each in stands.ignored:
        console.print(Text(f"ignored: {one_line(each, 300)}", style="dim"))
    if ref is not None and isinstance(ref.about, ModelRef):
        after = f", after {one_line(replaced, 80)}" if replaced else ""
        said = f"{one_line(about.name, 80)} is {about.champion_name} number {ref.about.number}{after}"
        console.print(Text(said, style="bold green"))
    elif champion:
        console.print(Text(f"{one_line(about.name, 80)} is {about.champion_name} already", style="bold green"))
    elif stands.status == "waiting" and not fresh:
        console.print(Text(f"next: gate approve {statement.digest[:12]}, then gate promote {about.name} once more"))


_STATES = {
    "approved": "green",
    "waiting": "yellow",
    "inconclusive": "yellow",
    "fail": "red",
    "rejected": "red",
    "revoked": "bold red",
    "expired": "red",
    "not judged": "dim",
}


def render_models(found: ModelList, console: Console) -> None:
    """Print the list, and who was champion when."""
    if not found.models:
        console.print(Text("no models yet: gate train makes one"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("model", overflow="fold")
    table.add_column("digest", no_wrap=True)
    table.add_column("stands", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("scored on", overflow="fold")
    table.add_column("decided", no_wrap=True)
    for each in found.models:
        suites = dict.fromkeys(one.about.suite for one in each.evaluations if isinstance(one.about, Evaluation))
        table.add_row(
            Text(one_line(each.name, 80)),
            Text(each.model[:12], style="dim"),
            Text(each.state, style="bold green" if each.champion_of else _STATES.get(each.state, "")),
            Text(each.last.verdict if each.last is not None else "–"),
            Text(", ".join(suites) or "–"),
            Text(each.promotions[-1].made[:10] if each.promotions else "–"),
        )
    console.print(table)
    if found.history:
        console.print(Text("who was it when", style="bold"))
    for ref in found.history:
        console.print(Text(_moved(ref, found)), soft_wrap=True)
    if not found.trusted:
        console.print(Text("everything as it was said: --trust says whose word counts", style="dim"))


def _moved(ref: Statement, found: ModelList) -> str:
    about = ref.about
    assert isinstance(about, ModelRef)
    name = next((each.name for each in found.models if each.model == about.model), about.model[:12])
    why = f": {one_line(about.why, 200)}" if about.why else ""
    return f"{about.name}@{about.number}  {one_line(name, 80)}  {minute_of(ref.made)}, {one_line(ref.author, 60)}{why}"


def render_model(found: Model, console: Console) -> None:
    """Print everything that is known of a model."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style=style), soft_wrap=True)

    style = "bold green" if found.champion_of else _STATES.get(found.state, "bold")
    console.print(Text.assemble((found.state.upper(), style), f"  {one_line(found.name, 120)}"), soft_wrap=True)
    line(f"digest     {found.model}")
    if found.training is not None and isinstance(found.training.about, Training):
        about = found.training.about
        trained = ", ".join(f"{on.name} ({on.trained:,} rows)" for on in about.snapshots)
        line(f"trained    on {one_line(trained, 300)}, {about.objective} by {about.method}")
        line(f"base       {one_line(about.base_name, 120)}  {about.base[:12]}")
        line(f"statement  {found.training.digest[:12]} by {one_line(found.training.author, 60)}")
    for one in found.evaluations:
        if isinstance(one.about, Evaluation):
            what = "repeat of " if one.about.repeat else "prompts on " if one.about.prompts else ""
            scores = ", ".join(
                f"{each.task} {value:.4g}" for each in one.about.tasks for value in list(each.scores.values())[:1]
            )
            line(f"scored     {what}{one.about.suite}: {one_line(scores, 400)}")
    for one in found.promotions:
        if isinstance(one.about, Promotion):
            who = f"  {minute_of(one.made)}, {one_line(one.author, 60)}  {one.digest[:12]}"
            ended = (one.about.verdict, STYLES[one.about.verdict])
            console.print(Text.assemble("decided    ", ended, who), soft_wrap=True)
            for reason in one.about.reasons:
                line(f"           {one_line(reason, 600)}")
    if found.stands is not None:
        line(f"stands     {found.stands.status}")
        for reason in found.stands.reasons:
            line(f"           {one_line(reason, 400)}")
    for ref in found.refs:
        line(f"named      {_moved(ref, ModelList((found,), (), trusted=True))}")
    if found.last is not None:
        line(f"report     gate models show {one_line(found.name, 80)} --output html", "dim")


def render_compared(found: Compared, console: Console) -> None:
    """Print two models side by side."""
    if not found.rows:
        console.print(Text("they were scored on no task in common"))
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        table.add_column("task", overflow="fold")
        table.add_column("metric", overflow="fold")
        table.add_column(one_line(found.one, 40), justify="right", overflow="fold")
        table.add_column(one_line(found.other, 40), justify="right", overflow="fold")
        table.add_column("difference", justify="right")
        table.add_column("n", justify="right")
        for row in found.rows:
            table.add_row(
                Text(f"{row.suite}/{one_line(row.task, 60)}"), Text(row.metric), Text(f"{row.one:.4g}"),
                Text(f"{row.other:.4g}"), *_difference(row),
            )  # fmt: skip
        console.print(table)
        console.print(Text("differences as gains: above 0 the second is better"))
    for row in found.rows:
        if row.why_not:
            console.print(Text(f"{row.task}: not compared: {one_line(row.why_not, 300)}", style="yellow"))
    if found.alone:
        listed = ", ".join(f"{suite}/{task}" for suite, task in found.alone)
        console.print(Text(f"only one of them was scored on: {one_line(listed, 400)}", style="dim"))


def _difference(row: Row) -> tuple[Text, Text]:
    found = row.comparison
    if found is None:
        return Text("–"), Text("–")
    clear = found.lower > 0 or found.upper < 0
    style = ("green" if found.lower > 0 else "red") if clear else ""
    said = f"{found.difference:+.3f} ({found.lower:+.3f} to {found.upper:+.3f})"
    return Text(said, style=style), Text(f"{found.n:,}")
