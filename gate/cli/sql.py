"""`gate sql`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate sql
  gate sql "select split, count(*) from examples where name = 'support-desk' group by all"
  gate sql "from findings where severity = 'warning'" --format csv
  gate sql "select * from excluded" --format parquet --out excluded.parquet
  gate sql - < question.sql
"""


@click.command("sql", epilog=EPILOG)
@click.argument("query", required=False)
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="A table for people shows the first 100 rows; the others have all.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to this file.")
@store_option
@trust_options
def command(
    query: str | None, form: str, out: Path | None, store: Path | None, trust: Path | None, trust_revision: str | None
) -> int:
    """Ask the store in SQL (DuckDB's): examples, findings, snapshots, statements and more are views.

    QUERY is one SELECT (or - for standard input); without it, the views and their columns are listed. It reads, and
    reaches no file, network, extension or setting. What a view shows is verified before. With --trust, only snapshots
    count that somebody trusted has admitted; without it, whatever the store says. Rows to train on come from
    gate.open_snapshot.
    """
    from gate.reporting.sql_outputs import views, write
    from gate.verbs.sql import answered
    from gate.verbs.sql_views import ABOUT, SCHEMAS
    from gate.verbs.surroundings import named_trust, open_store

    if query is None:
        views(SCHEMAS, ABOUT)
        return 0
    if form == "parquet" and out is None and sys.stdout.isatty():
        raise click.UsageError("Parquet is nothing for a terminal: name a file with --out.")
    asked = sys.stdin.read() if query == "-" else query
    with answered(asked, open_store(store), named_trust(trust, trust_revision)) as answer:
        write(answer, form, out)
    return 0
