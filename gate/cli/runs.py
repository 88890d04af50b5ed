"""`gate runs`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import store_option

EPILOG = """\b
Examples:
  gate runs ls
  gate runs show support-desk-lora-1
  gate runs compare support-desk-lora-1 support-desk-lora-2
  gate runs show support-desk-lora-1 --output html=run.html
  gate runs show support-desk-lora-1 --output json | jq '.curves[].loss'

\b
Exit codes: 0 found, 1 a record of it is damaged, 2 usage error, or there is no such run.
"""


LS = """\b
Examples:
  gate runs ls
  gate runs ls --output json | jq -r '.runs[] | select(.state == "interrupted") | .run'
"""
SHOW = """\b
Examples:
  gate runs show support-desk-lora-1
  gate runs show support-desk-lora-1 --output html=run.html
"""
COMPARE = """\b
Examples:
  gate runs compare support-desk-lora-1 support-desk-lora-2
"""


@click.group("runs", epilog=EPILOG)
def command() -> None:
    """List training runs, show one, compare two.

    What is shown is read from the run's folder and from the training statement; whether that is trusted and whole is
    for `gate verify RUN` to say.
    """


@command.command("ls", epilog=LS)
@store_option
@output_option()
def ls(store: Path | None, output: str) -> int:
    """List the runs of the store, the latest first: snapshot, recipe, state, loss."""
    from rich.console import Console

    from gate.reporting.runs_terminal import render_runs, runs_json
    from gate.verbs.runs import list_runs

    found = list_runs(store)
    if output == "json":
        sys.stdout.buffer.write(runs_json(found))
    else:
        render_runs(found, Console(highlight=False))
    return 0


@command.command("show", epilog=SHOW)
@click.argument("run")
@store_option
@click.option(
    "--output",
    "-o",
    default="text",
    show_default=True,
    metavar="text|json|html[=PATH]",
    help="For people, for programs, or as one HTML page with curves (RUN.html where no path is given).",
)
def show(run: str, store: Path | None, output: str) -> int:
    """Show a run: what it was told, its curves, samples, warning signs, books and record."""
    from rich.console import Console

    from gate.reporting.runs_terminal import render_run, run_json
    from gate.verbs.runs import show_run

    form, _, path = output.partition("=")
    if form not in ("text", "json", "html") or (form != "html" and path):
        raise click.BadParameter(f"{output[:100]!r} is none of text, json, html, html=PATH", param_hint="--output")
    found = show_run(run, store)
    if form == "json":
        sys.stdout.buffer.write(run_json(found))
    elif form == "html":
        from gate.folders import Folders
        from gate.policy.settings import find_settings
        from gate.reporting.outputs import replace_file
        from gate.reporting.run_page import Told, to_run_html

        told = Told(
            found.run, found.folder.state, found.folder.stands, found.history, found.accounting, found.preview,
            found.recipe, found.about,
        )  # fmt: skip
        target = Path(path or f"{found.name}.html")
        replace_file(to_run_html(told, Folders(find_settings(Path()).folder)).encode(), target)
        click.echo(f"wrote {target}", err=True)
    else:
        render_run(found, Console(highlight=False))
    return 0


@command.command("compare", epilog=COMPARE)
@click.argument("one")
@click.argument("other")
@store_option
@output_option()
def compare(one: str, other: str, store: Path | None, output: str) -> int:
    """Compare two runs: how they went, and what of recipe, inputs and environment differs."""
    from rich.console import Console

    from gate.reporting.runs_terminal import comparison_json, render_comparison
    from gate.verbs.runs import compare_runs

    found = compare_runs(one, other, store)
    if output == "json":
        sys.stdout.buffer.write(comparison_json(found))
    else:
        render_comparison(found, Console(highlight=False))
    return 0
