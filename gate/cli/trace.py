"""`gate trace`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate trace 3f9a1c20
  gate trace "How do I reset my password?"
  gate trace - < words.txt            # nobody sees the words in the list of processes
  gate trace 3f9a1c20 --trust trust.yaml --output json | jq '.lives[].admitted[].snapshot'

\b
Exit codes: 0 found, 1 something in the store is damaged, 2 usage error, or nothing was found.
"""


@click.command("trace", epilog=EPILOG)
@click.argument("what", metavar="ID|TEXT")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Examples told; 0 for all.")
@store_option
@trust_options
@output_option("text")
def command(
    what: str, limit: int, store: Path | None, trust: Path | None, trust_revision: str | None, output: str
) -> int:
    """Tell an example's life: files, findings, snapshots, exclusions, reviews, training runs, erasures.

    ID is a content id, as in findings and reports, or at least its first eight digits. TEXT is what a message says as a
    whole, or else a part of it; - reads it from standard input. What an example says is never printed.
    """
    from rich.console import Console

    from gate.reporting.trace_terminal import render_trace, trace_json
    from gate.verbs.trace import trace

    text = sys.stdin.buffer.read().decode("utf-8", "replace") if what == "-" else None
    found = trace(
        None if text is not None else what,
        text=text,
        store=store,
        trust=trust,
        trust_revision=trust_revision,
        limit=limit,
    )
    if output == "json":
        sys.stdout.buffer.write(trace_json(found))
    else:
        render_trace(found, Console(highlight=False))
    return 0
