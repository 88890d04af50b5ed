"""`gate models`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Examples:
  gate models ls
  gate models show champion
  gate models show support-desk-lora-2 --output html=report.html
  gate models compare champion support-desk-lora-2 --trust trust.yaml
  gate models rollback --why 'answers in French since Monday' --trust trust.yaml

\b
Exit codes: 0 found, or rolled back; 1 a model may not be brought back (revoked, not approved), or
something of it is damaged; 2 usage error, or there is no such model.
"""
LS = """\b
Examples:
  gate models ls --trust trust.yaml
  gate models ls --output json | jq -r '.models[] | select(.state == "waiting") | .name'
"""
SHOW = """\b
Examples:
  gate models show champion --trust trust.yaml
  gate models show support-desk-lora-2 --output html=report.html
"""
COMPARE = """\b
Examples:
  gate models compare support-desk-lora-1 support-desk-lora-2 --trust trust.yaml
"""
ROLLBACK = """\b
Examples:
  gate models rollback --why 'refuses harmless questions' --trust trust.yaml
  gate models rollback --to 3 --why 'the last good one' --trust trust.yaml
  gate models rollback --to support-desk-lora-1 --why 'the last good one' --trust trust.yaml
"""


@click.group("models", epilog=EPILOG)
def command() -> None:
    """List models with what was decided of them, show one, compare two, bring a champion back.

    With a trust file only the word of the people in it counts; without one everything is shown as it was said.
    """


@command.command("ls", epilog=LS)
@store_option
@trust_options
@output_option()
def ls(store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """List the models of the store, the youngest first: last verdict, how it stands, and the champions so far."""
    from rich.console import Console

    from gate.reporting.models_json import models_json
    from gate.reporting.models_terminal import render_models
    from gate.verbs.models import list_models

    found = list_models(store, trust, trust_revision)
    if output == "json":
        sys.stdout.buffer.write(models_json(found))
    else:
        render_models(found, Console(highlight=False))
    return 0


@command.command("show", epilog=SHOW)
@click.argument("model")
@store_option
@trust_options
@click.option(
    "--output",
    "-o",
    default="text",
    show_default=True,
    metavar="text|json|html[=PATH]",
    help="For people, for programs, or the sealed report of the last decision (MODEL.html where no path is given).",
)
def show(model: str, store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """Show a model: what it was made of, its scores, what was decided of it and by whom."""
    from rich.console import Console

    from gate.errors import UsageError
    from gate.promotion.naming import sealed_bytes
    from gate.provenance.ledger import Ledger
    from gate.reporting.models_json import model_json
    from gate.reporting.models_terminal import render_model
    from gate.reporting.outputs import replace_file
    from gate.verbs.models import show_model
    from gate.verbs.surroundings import open_store

    form, _, path = output.partition("=")
    if form not in ("text", "json", "html") or (form != "html" and path):
        raise click.BadParameter(f"{output[:100]!r} is none of text, json, html, html=PATH", param_hint="--output")
    found = show_model(model, store, trust, trust_revision)
    if form == "json":
        sys.stdout.buffer.write(model_json(found))
    elif form == "html":
        if found.last is None:
            raise UsageError(f"nothing was decided of {found.name} yet", remedy=f"gate promote {found.name}")
        target = Path(path or f"{found.name}.html")
        replace_file(sealed_bytes(Ledger(open_store(store)), found.last.report, "html"), target)
        click.echo(f"wrote {target}", err=True)
    else:
        render_model(found, Console(highlight=False))
    return 0


@command.command("compare", epilog=COMPARE)
@click.argument("one")
@click.argument("other")
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05, show_default=True,
              help="Of each end of an interval.")  # fmt: skip
@store_option
@trust_options
@output_option()
def compare(
    one: str,
    other: str,
    alpha: float,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    output: str,
) -> int:
    """Compare two models task by task, from what they were scored on: nothing is decided."""
    from rich.console import Console

    from gate.reporting.models_json import compared_json
    from gate.reporting.models_terminal import render_compared
    from gate.verbs.models import compare_models

    found = compare_models(one, other, store, trust, trust_revision, alpha=alpha)
    if output == "json":
        sys.stdout.buffer.write(compared_json(found))
    else:
        render_compared(found, Console(highlight=False))
    return 0


@command.command("rollback", epilog=ROLLBACK)
@click.option("--to", metavar="NUMBER|MODEL", help="Which one; else the one before the last that may be used.")
@click.option("--why", required=True, metavar="TEXT", help="For whoever asks; kept for good.")
@click.option("--champion", default="champion", show_default=True, metavar="NAME", help="Whose name it is.")
@store_option
@trust_options
@key_options
def rollback(
    to: str | None,
    why: str,
    champion: str,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
) -> int:
    """Let the champion's name stand for an earlier one again, signed and with a reason; nothing is taken away.

    Only a model that was promoted under this name, is still approved and was not revoked is brought back. Prints the
    digest of the new ref.
    """
    from gate.reporting.inert import one_line
    from gate.verbs.models import roll_back
    from gate.verbs.surroundings import open_signer, open_trust

    believed = open_trust(trust, trust_revision)
    ref, promoted = roll_back(why=why, to=to, name=champion, store=store, trust=believed, signer=open_signer(key))
    number = ref.about.number  # type: ignore[attr-defined]  # a ModelRef
    click.echo(f"{one_line(promoted.name, 80)} is {champion} again, number {number}", err=True)
    click.echo(ref.digest)
    return 0
