"""`gate report`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate report support-desk --trust trust.yaml --out report.html
  gate report 5a3f09c1 --trust trust.yaml --out report.html
  gate report support-desk --status --trust trust.yaml --out status.html
  gate report support-desk --trust trust.yaml | sha256sum

\b
Exit codes: 0 written, 1 there is no such page any more or something is
damaged or not trusted, 2 nothing of that name, no trust file, no place.
"""


@click.command("report", epilog=EPILOG)
@click.argument("what", metavar="WHAT")
@click.option("--status", is_flag=True, help="How the snapshot stands now, instead of the sealed report.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where to; else standard output."
)
@store_option
@trust_options
def command(
    what: str, status: bool, out: Path | None, store: Path | None, trust: Path | None, trust_revision: str | None
) -> int:
    """Give out the report that was sealed with a snapshot, or a page of how the snapshot stands now.

    WHAT is a dataset's name, or eight or more digits of a snapshot's id or of its admission's digest. The sealed
    report is exactly what a reviewer saw, byte for byte, and is checked against what was signed; approvals,
    rejections, waivers that are over, revocations and erasures since then are on the page that --status makes.
    """
    from gate.errors import UsageError
    from gate.reporting.outputs import replace_file
    from gate.verbs.report import sealed_report, status_report

    if out is None and sys.stdout.isatty():
        raise UsageError("the page is HTML, and this is a terminal", remedy="name a file: --out report.html")
    give = status_report if status else sealed_report
    report = give(what, store=store, trust=trust, trust_revision=trust_revision)
    if out is None:
        sys.stdout.buffer.write(report.content)
        sys.stdout.buffer.flush()
        return 0
    replace_file(report.content, out)
    click.echo(f"wrote {out}", err=True)
    return 0
