"""`gate check`: arguments in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate check data/
  gate check train.jsonl test.jsonl --policy strict
  gate check data/ --select near_duplicates,pii --output json | jq .verdict
  gate check data/ --output html=report.html --output findings.parquet
  gate check data/ --base origin/main
  gate check data/ --trust trust.yaml
  cat rows.jsonl | gate check -

\b
Exit codes: 0 pass, 1 fail, 2 usage or policy error (nothing was judged),
3 inconclusive, 4 an error while judging.
"""


def _names(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


@click.command("check", epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--policy", "-p", metavar="FILE|NAME", help="Judge by this policy instead of the one for each kind.")
@click.option(
    "--base",
    "-b",
    metavar="REV|PATH",
    help="Only what this git revision or folder does not have counts, and its own rules judge.",
)
@click.option("--select", "-s", multiple=True, callback=_names, metavar="RULE", help="Run only these rules.")
@click.option("--ignore", "-i", multiple=True, callback=_names, metavar="RULE", help="Leave these rules out.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="The least severity that fails. An errored rule exits with 4 even under `never`.",
)
@click.option(
    "--output",
    "-o",
    multiple=True,
    metavar="FORMAT[=PATH]",
    help="Also write json, html, parquet, or for CI github, markdown, sarif, junit, gitlab. May repeat.",
)
@click.option(
    "--no-cache",
    is_flag=True,
    help="Work everything out anew, and keep nothing for the next run.",
)
@store_option
@trust_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    paths: tuple[str, ...],
    policy: str | None,
    base: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    output: tuple[str, ...],
    no_cache: bool,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    quiet: bool,
) -> int:
    """Judge a dataset: a verdict, the rows behind it, and what to do about them.

    PATHS are files, folders, globs, or - for JSONL on standard input; where there are none, `paths:` in gate.yaml.
    Reads JSONL, JSON, CSV, TSV, Parquet, Arrow and `save_to_disk` folders, also as .gz and .zst. Where somebody says
    whom to trust, waivers and reviews in the store count as they do for `gate admit`.
    """
    from typing import cast

    from rich.console import Console

    from gate.admission.result import FailOn
    from gate.reporting.outputs import parse_output, prepare, write
    from gate.reporting.terminal import Progress, render
    from gate.verbs.check import check

    outputs = [parse_output(spec) for spec in output]
    for each in outputs:
        prepare(each)
    said: Mapping[str, Any] = {}
    if store or trust or trust_revision or os.environ.get("GATE_TRUST"):
        from gate.verbs.said import said_before

        before = said_before(paths, store, trust, trust_revision)
        said = {"reviews": before.reviews, "waivers": before.waivers}
    console = Console(stderr=True, quiet=quiet)
    with Progress(console) as progress:
        result = check(
            paths,
            policy=policy,
            base=base,
            select=select,
            ignore=ignore,
            fail_on=cast(FailOn, fail_on),
            cache=not no_cache,
            **said,
            on_stage=progress.update,
        )
    render(result, console)
    for each in outputs:
        path = write(result, each, result.folders)
        if path is not None:
            console.print(f"wrote {path}", markup=False, highlight=False, soft_wrap=True)
    for outcome in result.outcomes:
        if outcome.trace is not None:
            print(outcome.trace, file=sys.stderr)
    return result.exit_code
