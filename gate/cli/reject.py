"""`gate reject`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path

import click

from gate.cli.provenance_options import key_options, store_option, trust_options
from gate.cli.signing import agreed, yes_option

EPILOG = """\b
Examples:
  gate reject support-desk --why 'answers of May are cut off' --trust trust.yaml
  gate reject 5a3f09c1 --why 'no consent for the calls' --key 'Bo Lind'

\b
Exit codes: 0 signed, 1 refused (by the trust file that was named it would not
count), 2 nothing of that name, or no key.
"""


@click.command("reject", epilog=EPILOG)
@click.argument("what", metavar="WHAT")
@click.option("--why", required=True, metavar="TEXT", help="For whoever asks; kept in the statement.")
@store_option
@trust_options
@key_options
@yes_option
def command(
    what: str, why: str, store: Path | None, trust: Path | None, trust_revision: str | None, key: str | None, yes: bool
) -> int:
    """Reject a snapshot or a promotion: say, signed, that it must not be used as it is.

    It is not approved then, whoever else approves it, until you approve it yourself. WHAT is a dataset's name, or
    eight or more digits of a snapshot's id or of its admission's digest; of a model that was judged its run, or digits
    of the promotion. Prints the digest of the statement.
    """
    from gate.reporting.signing import followed_lines, said_lines
    from gate.verbs.people import reject
    from gate.verbs.surroundings import named_trust, open_signer

    believed = named_trust(trust, trust_revision)
    said = reject(
        what,
        why,
        signer=open_signer(key),
        store=store,
        trust=believed,
        confirm=lambda each: agreed("rejection", each.signer, said_lines(each.about, each.stands), yes),
    )
    click.echo("\n".join(["", *followed_lines(said.stands)]), err=True)
    click.echo(said.statement.digest)
    return 0
