"""`gate erase`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Examples:
  gate erase 3f9a1c20 --why "request 2026-118" --trust trust.yaml
  gate erase 3f9a1c20 --why "request 2026-118" --trust trust.yaml --key ana --yes
  gate trace - --limit 0 -o json < words.txt | jq -r '.lives[].id' | xargs gate erase --why "request 2026-118"

\b
Exit codes: 0 done (or nothing left to do), 1 the store is damaged or your word does not count, 2 usage error.
"""


@click.command("erase", epilog=EPILOG)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--why", required=True, metavar="WORDS", help="Kept in the tombstone for ever: name a case, no person.")
@click.option("--yes", is_flag=True, help="Do it; without, only what would be done is said.")
@store_option
@trust_options
@key_options
@output_option("text")
def command(
    ids: tuple[str, ...],
    why: str,
    yes: bool,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    output: str,
) -> int:
    """Remove what examples say from every object of the store, and leave a signed tombstone.

    ID is a content id, or at least its first eight digits (gate trace finds them). Each object that has such an example
    is written anew without it, so that verification still closes; snapshots that had one are marked, and have to be
    admitted anew. Copies elsewhere are listed: they are for you to see to. The same command finishes an interrupted
    run.
    """
    from rich.console import Console

    from gate.reporting.erasure_terminal import erasure_json, render_erasure
    from gate.verbs.erase import erase
    from gate.verbs.surroundings import open_signer

    signer = open_signer(key) if yes else None
    found = erase(ids, why=why, signer=signer, store=store, trust=trust, trust_revision=trust_revision)
    shown = (found.plan, found.done, found.caches, found.leftovers)
    if output == "json":
        sys.stdout.buffer.write(erasure_json(*shown))
    else:
        render_erasure(*shown, Console(stderr=True, highlight=False))
    return 0
