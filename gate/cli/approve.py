"""`gate approve`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options
from gate.cli.signing import agreed, yes_option

EPILOG = """\b
Examples:
  gate approve support-desk --trust trust.yaml
  gate approve 5a3f09c1 --trust trust.yaml --key 'Bo Lind' --note 'read 100 rows'
  gate approve support-desk-lora-1 --trust trust.yaml   # a model that gate promote judged
  gate approve support-desk --trust-revision v1.2:trust.yaml --yes

\b
Exit codes: 0 signed, 1 refused (it would not count, or what was admitted is
not whole), 2 nothing of that name, no key or no trust file.
"""


@click.command("approve", epilog=EPILOG)
@click.argument("what", metavar="WHAT")
@click.option("--note", default="", metavar="TEXT", help="What you looked at; kept in the statement.")
@store_option
@trust_options
@key_options
@yes_option
def command(
    what: str, note: str, store: Path | None, trust: Path | None, trust_revision: str | None, key: str | None, yes: bool
) -> int:
    """Approve a snapshot or a promotion: say, signed, that you looked at it and stand behind it.

    WHAT is a dataset's name, or eight or more digits of a snapshot's id or of its admission's digest; of a model that
    was judged its run, or digits of the promotion. What you are about to sign is shown first. Nobody approves their
    own, unless the trust file lets them. Prints the digest of the statement.
    """
    from gate.reporting.signing import followed_lines, said_lines
    from gate.verbs.people import approve
    from gate.verbs.surroundings import open_signer, open_trust

    believed = open_trust(trust, trust_revision)
    said = approve(
        what,
        signer=open_signer(key),
        note=note,
        store=store,
        trust=believed,
        confirm=lambda each: agreed("approval", each.signer, said_lines(each.about, each.stands), yes),
    )
    click.echo("\n".join(["", *followed_lines(said.stands)]), err=True)
    click.echo(said.statement.digest)
    return 0
