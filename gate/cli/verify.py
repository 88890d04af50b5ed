"""`gate verify`: arguments in, exit code out."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import store_option, trust_options

EPILOG = """\b
Examples:
  gate verify support-desk --trust trust.yaml
  gate verify 3f9a1c20 --trust trust.yaml --data data/
  gate verify support-desk-lora-1 --trust trust.yaml   # the model of a run, down to every row
  gate verify --all --trust-revision v1.2:trust.yaml
  gate verify support-desk --trust trust.yaml --head 8c1f…  # all 64 digits
  gate verify --all --trust trust.yaml --output json | jq .first_broken

\b
Exit codes: 0 whole (and approved, where a snapshot is asked for), 1 broken, rejected, revoked,
expired or erased, 2 usage error (nothing was verified), 3 whole, and waiting for approval.
"""


@click.command("verify", epilog=EPILOG)
@click.argument("what", required=False)
@click.option("--all", "every", is_flag=True, help="Verify everything in the store; so does leaving WHAT away.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also compare the source files in this folder with those that were judged.",
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="DIGEST",
    help="A statement that has to be there still, as an earlier run printed it; notices a removed revocation.",
)
@store_option
@trust_options
@output_option("tree")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; JSON and the exit code remain.")
def command(
    what: str | None,
    every: bool,
    data: Path | None,
    heads: tuple[str, ...],
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    output: str,
    quiet: bool,
) -> int:
    """Check every byte, signature, date and count that something rests on, without the network.

    WHAT is a snapshot (a name such as support-desk, an id, or eight or more digits of one), a statement (its digest, or
    as many digits of it), a training run, a model (its digest), a folder with a model, or one that was exported; the
    whole store where it is left away. The chain is printed as a tree, and the first broken link is named with what to
    do about it.
    """
    from rich.console import Console

    from gate.errors import UsageError
    from gate.reporting.chain_json import chain_json
    from gate.reporting.chain_terminal import render_chain
    from gate.reporting.terminal import Progress
    from gate.verbs.surroundings import open_trust
    from gate.verbs.verify import verify

    if what is not None and every:
        raise UsageError("both WHAT and --all are given", remedy="leave one of them away")
    believed = open_trust(trust, trust_revision)
    begun = time.perf_counter()
    with Progress(Console(stderr=True, quiet=quiet)) as progress:
        found = verify(what, store=store, trust=believed, heads=heads, data=data, on_stage=progress.update)
    seconds = time.perf_counter() - begun
    if output == "json":
        sys.stdout.buffer.write(chain_json(found, believed.origin, seconds))
    else:
        render_chain(found, Console(quiet=quiet, highlight=False), seconds)
    return found.exit_code
