"""`gate promote`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.provenance_options import key_options, store_option, trust_options

if TYPE_CHECKING:
    from rich.console import Console

    from gate.reporting.outputs import Output
    from gate.verbs.promote import Promoted

EPILOG = """\b
Examples:
  gate promote support-desk-lora-1 --first --trust trust.yaml
  gate promote support-desk-lora-2 --trust trust.yaml --output html=report.html
  gate promote support-desk-lora-2 --policy release.yaml --output json | jq .reasons
  gate promote support-desk-lora-2 --trust trust.yaml   # again, once it was approved

\b
Exit codes: 0 promoted (passed and approved: the champion's name was moved); 1 it failed, was
turned down, or something behind it does not hold; 2 nothing was judged: a suite, a champion or a
threshold is missing, or a flag is wrong; 3 inconclusive, or passed and waiting for approval;
4 an error while judging.
"""


@click.command("promote", epilog=EPILOG)
@click.argument("candidate")
@click.option(
    "--policy",
    "-p",
    metavar="NAME|FILE",
    help="What is demanded; else the policy by which it passed and was approved, else the default one.",
)
@click.option("--first", is_flag=True, help="There is no champion yet: this is the very first promotion.")
@click.option("--champion", metavar="NAME", help="The name to take over, in place of the policy's.")
@click.option(
    "--output",
    "-o",
    "outputs",
    multiple=True,
    metavar="FORMAT[=PATH]",
    help="json, html, markdown, junit or github; with a path, into that file. May repeat.",
)
@store_option
@trust_options
@key_options
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    candidate: str,
    policy: str | None,
    first: bool,
    champion: str | None,
    outputs: tuple[str, ...],
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    quiet: bool,
) -> int:
    """Judge a candidate by its evaluations, sign the decision, and promote it once it is approved.

    CANDIDATE is a run, a folder with a candidate, or eight or more digits of its digest. It is compared, item by item,
    with the untouched base and with the champion, on the suites that the policy names (`gate eval` scores them).
    Whatever comes out is signed and kept, with a report for the reviewer. A candidate that passed waits for the
    approvals that the trust file demands (`gate approve CANDIDATE`); the same command then moves the champion's name.
    """
    from rich.console import Console

    from gate.reporting.promotion_outputs import prepare, promotion_output
    from gate.reporting.terminal import Progress
    from gate.verbs.promote import promote
    from gate.verbs.surroundings import open_signer, open_trust

    wanted = [promotion_output(spec) for spec in outputs]
    for each in wanted:
        prepare(each)
    believed = open_trust(trust, trust_revision)
    console = Console(stderr=True, quiet=quiet, highlight=False)
    with Progress(console) as progress:
        found = promote(
            candidate, policy=policy, first=first, champion=champion, store=store, trust=believed,
            signer=open_signer(key), on_stage=progress.update,
        )  # fmt: skip
    _written(found, wanted, console, store)
    return found.exit_code


def _written(found: Promoted, wanted: list[Output], console: Console, store: Path | None) -> None:
    from gate.reporting.models_terminal import write_again, write_standing
    from gate.reporting.promotion_outputs import write_output
    from gate.reporting.promotion_terminal import write_promotion
    from gate.verbs.promote import sealed_output

    if found.decided is not None:
        write_promotion(console, found.decided, found.told)
    else:
        write_again(console, found.statement)
    write_standing(
        console,
        found.statement,
        found.stands,
        found.ref,
        found.champion,
        found.replaced,
        fresh=found.decided is not None,
    )
    for output in wanted:
        if found.decided is not None and found.told is not None:
            path = write_output(found.decided, found.told, output)
        else:
            path = sealed_output(found, output, store)
        if path is not None:
            console.print(f"wrote {path}", soft_wrap=True)
