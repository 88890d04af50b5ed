"""`gate revoke`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options
from gate.cli.signing import agreed, yes_option

EPILOG = """\b
Examples:
  gate revoke support-desk --why 'a customer withdrew consent' --trust trust.yaml
  gate revoke 5a3f09c1 --why 'test answers found in it' --key 'Ana Ruiz'

\b
Exit codes: 0 signed, 1 refused (by the trust file that was named it would not
count), 2 nothing of that name, or no key.
"""


@click.command("revoke", epilog=EPILOG)
@click.argument("what", metavar="WHAT")
@click.option("--why", required=True, metavar="TEXT", help="For whoever meets it; kept in the statement.")
@store_option
@trust_options
@key_options
@yes_option
def command(
    what: str, why: str, store: Path | None, trust: Path | None, trust_revision: str | None, key: str | None, yes: bool
) -> int:
    """Revoke a snapshot or a model: nothing new may rest on it from now on, and nobody can approve it again.

    WHAT is a dataset's name, or eight or more digits of a snapshot's id or of its admission's digest; of a model its
    run, a name that it has (champion), or digits of its digest. What rested on
    it before stays as it was judged then. Prints the digest of the statement: hand it to `gate verify --head`, so that
    nobody can take the revocation away unnoticed.
    """
    from gate.reporting.signing import followed_lines, said_lines
    from gate.verbs.people import revoke
    from gate.verbs.surroundings import named_trust, open_signer

    believed = named_trust(trust, trust_revision)
    said = revoke(
        what,
        why,
        signer=open_signer(key),
        store=store,
        trust=believed,
        confirm=lambda each: agreed("revocation", each.signer, said_lines(each.about, each.stands), yes),
    )
    click.echo("\n".join(["", *followed_lines(said.stands)]), err=True)
    click.echo(said.statement.digest)
    return 0
