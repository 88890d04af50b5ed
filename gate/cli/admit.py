"""`gate admit`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options

EPILOG = """\b
Examples:
  gate admit data/ --name support-desk --trust trust.yaml --key ana
  gate admit data/ --name support-desk --policy strict --output json | jq -r .snapshot
  GATE_TRUST=trust.yaml GATE_KEY="$SECRET" gate admit data/ --name support-desk --quiet

\b
Exit codes: 0 sealed, and approved already; 3 sealed, and waiting for approval
(or the verdict is inconclusive, and nothing was sealed); 1 fail, 2 usage or
policy error, 4 an error while judging: nothing was sealed.
"""


@click.command("admit", epilog=EPILOG)
@click.argument("paths", nargs=-1)
@click.option("--name", "-n", required=True, metavar="NAME", help="What to call the dataset, such as support-desk.")
@click.option("--policy", "-p", metavar="FILE|NAME", help="Judge by this policy instead of the one for each kind.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="The least severity that fails.",
)
@click.option("--no-report", is_flag=True, help="Do not seal the HTML report with the snapshot.")
@store_option
@trust_options
@key_options
@click.option("--output", "-o", type=click.Choice(["json"]), help="Also write what came of it, for programs.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing for people; outputs and the exit code remain.")
def command(
    paths: tuple[str, ...],
    name: str,
    policy: str | None,
    fail_on: str,
    no_report: bool,
    store: Path | None,
    trust: Path | None,
    trust_revision: str | None,
    key: str | None,
    output: str | None,
    quiet: bool,
) -> int:
    """Judge a dataset and, where it passes, seal it as a snapshot that cannot change.

    PATHS are files, folders, globs, or - for JSONL on standard input; where there are none, `paths:` in gate.yaml.
    Everything is judged afresh, whatever an earlier run kept. A signed statement binds the admitted examples, their
    splits, what was left out and why, the policy and every source file; a reviewer approves it with `gate approve`.
    Nothing is sealed unless the verdict is pass.
    """
    from typing import Literal, cast

    from rich.console import Console

    from gate.reporting.admitted import document, render_admitted, render_refused
    from gate.reporting.terminal import Progress
    from gate.verbs.admit import NotAdmitted, admit
    from gate.verbs.surroundings import open_signer, open_trust

    believed = open_trust(trust, trust_revision)
    signer = open_signer(key)
    console = Console(stderr=True, quiet=quiet)
    try:
        with Progress(console) as progress:
            admitted = admit(
                paths,
                name=name,
                signer=signer,
                trust=believed,
                store=store,
                policy=policy,
                fail_on=cast(Literal["error", "warning"], fail_on),
                report=not no_report,
                on_stage=progress.update,
            )
    except NotAdmitted as refused:
        render_refused(refused.result, refused, console)
        if output:
            sys.stdout.buffer.write(document(refused.result, refused))
        return refused.exit_code
    render_admitted(admitted, console)
    if output:
        sys.stdout.buffer.write(document(admitted))
    return admitted.exit_code
