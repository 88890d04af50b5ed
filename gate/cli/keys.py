"""`gate keys`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import trust_options

EPILOG = """\b
Examples:
  gate keys new 'Ana Ruiz' --passphrase
  gate keys ls
  gate keys trust 'Ana Ruiz' --role owner --trust trust.yaml
  gate keys trust 5wQ2…= --name 'Bo Lind' --role reviewer --trust trust.yaml
  gate keys revoke 'Bo Lind' --why 'laptop stolen' --trust trust.yaml

\b
Roles: an owner admits datasets, a reviewer approves them, a release key promotes models.
"""


@click.group("keys", epilog=EPILOG)
def command() -> None:
    """Make the keys that people sign with, and say whose word counts.

    A private key (Ed25519) lies in your configuration folder, readable by you alone; GATE_KEYS names another folder,
    and in CI GATE_KEY holds the key itself. Public keys stand with names and roles in a trust file, which every
    command that verifies is told by name.
    """


@command.command(
    "new",
    epilog="\b\nExamples:\n  gate keys new 'Ana Ruiz'\n  gate keys new 'Ana Ruiz' --passphrase\n"
    '  public=$(gate keys new "github ci")\n',
)
@click.argument("name")
@click.option(
    "--passphrase", is_flag=True, help="Lock it with a passphrase: asked for, or taken from GATE_KEY_PASSPHRASE."
)
def new(name: str, passphrase: bool) -> int:
    """Make a key for NAME, the person or machine that will sign with it.

    Prints the public key, which is for everybody.
    """
    from shlex import quote

    from gate.provenance.keys import keys_folder, public_text
    from gate.provenance.trust_edit import quoted
    from gate.verbs import keys

    key = keys.new(name, passphrase=_new_passphrase() if passphrase else None)
    public = public_text(key.public)
    click.echo(f"The private key of {key.name} is kept in {keys_folder()}: nobody else needs it.", err=True)
    click.echo("The public key is for everybody:", err=True)
    click.echo(public)
    click.echo(
        f"\nAn owner trusts it with\n  gate keys trust {public} --name {quote(key.name)} --role reviewer --trust FILE\n"
        "or with these lines under `keys:` in the trust file:\n"
        f"  - name: {quoted(key.name)}\n    public: {public}\n    roles: [reviewer]",
        err=True,
    )
    return 0


def _new_passphrase() -> str:
    import os

    from gate.errors import UsageError

    if given := os.environ.get("GATE_KEY_PASSPHRASE"):
        return given
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a passphrase", remedy="set GATE_KEY_PASSPHRASE")
    asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return asked


@command.command("ls", epilog="\b\nExamples:\n  gate keys ls\n  gate keys ls --trust trust.yaml --output json\n")
@trust_options
@output_option()
def ls(trust: Path | None, trust_revision: str | None, output: str) -> int:
    """List the keys that you can sign with, and what a trust file says of them."""
    from gate.provenance.keys import keys_folder
    from gate.verbs.keys import listed

    found = listed(trust, trust_revision)
    if output == "json":
        import orjson

        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
        return 0
    if not found:
        click.echo(f"there is no key in {keys_folder()}; `gate keys new NAME` makes one", err=True)
    width = max((len(key.name) for key in found), default=0)
    for key in found:
        notes = [
            *(["GATE_KEY"] if key.place == "GATE_KEY" else []),
            *(["passphrase"] if key.passphrase else []),
            *([key.trusted] if key.trusted is not None else []),
        ]
        click.echo(f"{key.name:<{width}}  {key.public}  {'; '.join(notes)}".rstrip())
    return 0


_TRUST_FILE = click.option(
    "--trust",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="GATE_TRUST",
    metavar="FILE",
    help="The trust file to change; else GATE_TRUST.",
)


@command.command(
    "trust",
    epilog="\b\nExamples:\n  gate keys trust 'Ana Ruiz' --role owner --role reviewer --trust trust.yaml\n"
    "  gate keys trust 5wQ2…= --name 'Bo Lind' --role reviewer --trust trust.yaml\n",
)
@click.argument("who", metavar="NAME|PUBLIC")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="owner, reviewer or release. May repeat.")
@click.option("--name", metavar="NAME", help="Whose the public key is.")
@click.option("--since", metavar="DATE", help="Nothing that it signed before counts.")
@_TRUST_FILE
def trust_(who: str, roles: tuple[str, ...], name: str | None, since: str | None, trust: Path) -> int:
    """Add a key to a trust file, or roles to one that is there: your own by NAME, another person's by its PUBLIC key.

    The file is made where there is none. Comments and order stay as they are.
    """
    from gate.verbs.keys import trusted

    key = trusted(who, roles, trust, name=name, since=since)
    click.echo(f"{trust}: {key.name} is trusted as {' and '.join(key.roles)} (key {key.keyid[:12]})", err=True)
    return 0


@command.command(
    "revoke",
    epilog="\b\nExamples:\n  gate keys revoke 'Bo Lind' --why 'laptop stolen' --trust trust.yaml\n"
    "  gate keys revoke 'Bo Lind' --why 'left' --at 2026-12-31 --trust trust.yaml\n",
)
@click.argument("who", metavar="NAME|PUBLIC")
@click.option("--why", required=True, metavar="TEXT", help="Shown to whoever meets a signature by this key.")
@click.option("--at", metavar="TIME", help="From when on it does not count (a date is its first moment, UTC); now.")
@_TRUST_FILE
def revoke(who: str, why: str, at: str | None, trust: Path) -> int:
    """Say in a trust file that a key does not count any more.

    What it signed before that moment stays as valid as it was.
    """
    from gate.provenance.moments import minute_of
    from gate.verbs.keys import revoked

    key = revoked(who, why, trust, at=at)
    assert key.revoked is not None
    click.echo(f"{trust}: nothing counts that the key of {key.name} signs from {minute_of(key.revoked)} on", err=True)
    return 0
