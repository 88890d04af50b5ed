"""`gate snapshots`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate snapshots ls
  gate snapshots show support-desk --trust trust.yaml
  gate snapshots diff support-desk@1 support-desk
  gate snapshots export support-desk --as datasets --out exported/ --trust trust.yaml

\b
A snapshot is named by a dataset's name (what it stands for now), NAME@NUMBER
(what it stood for), or eight or more digits of its id or of its
admission's digest.
"""


@click.group("snapshots", epilog=EPILOG)
def command() -> None:
    """List, show, compare and export snapshots.

    Without a trust file, ls, show and diff say what the statements of the store claim; with one, how each snapshot
    stands. Rows are only ever handed out of an approved one.
    """


@command.command("ls", epilog="\b\nExamples:\n  gate snapshots ls --trust trust.yaml\n  gate snapshots ls -o json\n")
@store_option
@trust_options
@output_option()
def ls(store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """List every name with the snapshots that it stood for; a star marks what it stands for now."""
    from gate.reporting.snapshot_terminal import entries_table, reasons
    from gate.verbs.snapshots import listed
    from gate.verbs.surroundings import named_trust, open_store

    entries = listed(open_store(store), named_trust(trust, trust_revision))
    if output == "json":
        _json({"schema": "gate.snapshots/1", "snapshots": entries})
    else:
        click.echo(entries_table(entries), nl=False)
        for reason in reasons(entries):
            click.echo(reason, err=True)
    return 1 if any(entry.problem for entry in entries) else 0


@command.command(
    "show",
    epilog="\b\nExamples:\n  gate snapshots show support-desk --trust trust.yaml\n"
    "  gate snapshots show 4f1d2c -o json | jq .excluded_by\n",
)
@click.argument("what")
@store_option
@trust_options
@output_option()
def show(what: str, store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """Show a snapshot: counts, splits, what each rule left out, sources, policy, and what people said of it."""
    from gate.reporting.snapshot_terminal import overview_document, overview_text
    from gate.verbs.snapshots import shown
    from gate.verbs.surroundings import named_trust, open_store

    found = shown(what, store=open_store(store), trust=named_trust(trust, trust_revision))
    if output == "json":
        _json(overview_document(found))
    else:
        click.echo(overview_text(found), nl=False)
    return 0


@command.command(
    "diff",
    epilog="\b\nExamples:\n  gate snapshots diff support-desk@1 support-desk@2\n"
    "  gate snapshots diff 4f1d2c 77ab01 -o markdown\n\n"
    "\b\nExit codes, as `diff` has them: 0 the same, 1 different, 2 an argument has\nto be mended first.\n",
)
@click.argument("a")
@click.argument("b")
@store_option
@trust_options
@output_option("table", "json", "markdown", told="For people, for programs, or for a comment.")
def diff(a: str, b: str, store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """Compare two snapshots: rows added, removed and moved between splits, rules and sources that changed.

    Rows are compared by content and split, whatever file they came from. The snapshots need not be approved.
    """
    from gate.reporting.snapshot_terminal import difference_document, difference_markdown, difference_text
    from gate.verbs.snapshots import diff_snapshots
    from gate.verbs.surroundings import named_trust, open_store

    result = diff_snapshots(a, b, store=open_store(store), trust=named_trust(trust, trust_revision))
    if output == "json":
        _json(difference_document(result))
    else:
        click.echo(difference_markdown(result) if output == "markdown" else difference_text(result), nl=False)
    return result.exit_code


@command.command(
    "export",
    epilog="\b\nExamples:\n"
    "  gate snapshots export support-desk --as datasets --out exported/ --trust trust.yaml\n"
    "  gate snapshots export support-desk --as chat --split train --out train.jsonl\n"
    "  gate snapshots export 4f1d2c --as parquet --out exported/ --force\n",
)
@click.argument("what")
@click.option(
    "--as",
    "form",
    type=click.Choice(["original", "chat", "parquet", "datasets"]),
    required=True,
    help="The records as they were read; messages as TRL takes them; all canonical columns; "
    "or a folder for datasets.load_dataset.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR|FILE",
    help="A folder that is empty or not there; or a .jsonl or .parquet file, for one split.",
)
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Only this one.")
@click.option(
    "--card",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A README.md whose licence, languages, creators and citation go into the card of a datasets folder, "
    "instead of those that the admission binds.",
)
@click.option("--force", is_flag=True, help="Take the place of an older export; of nothing else.")
@store_option
@trust_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; the exit code remains.")
def export(
    what: str,
    form: str,
    out: Path,
    split: str | None,
    card: Path | None,
    force: bool,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    quiet: bool,
) -> int:
    """Write an approved snapshot for tools that do not know gate.

    Everything in it is verified first. Texts are written exactly as they were admitted: nothing is masked. Beside the
    files lies gate-export.json with the snapshot's id, the statements behind it and the SHA-256 of every file; the
    same snapshot gives the same bytes.
    """
    from typing import cast

    from rich.console import Console

    from gate.data.frame import Split
    from gate.reporting.snapshot_terminal import exported_text
    from gate.reporting.terminal import Progress
    from gate.snapshots.export import Form
    from gate.verbs.snapshots import export_snapshot
    from gate.verbs.surroundings import open_store, open_trust

    believed, place = open_trust(trust, trust_revision), open_store(store)
    with Progress(Console(stderr=True, quiet=quiet)) as progress:
        exported = export_snapshot(
            what,
            out,
            cast(Form, form),
            store=place,
            trust=believed,
            split=cast("Split | None", split),
            card=card,
            force=force,
            on_stage=progress.update,
        )
    if not quiet:
        click.echo(exported_text(exported), nl=False, err=True)
    return 0


def _json(value: object) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
