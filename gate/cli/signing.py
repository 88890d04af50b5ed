"""What commands that sign have in common at a terminal: showing what is about to be signed, and asking."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


def yes_option(function: F) -> F:
    """`--yes`, handed on as `yes: bool`."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask; on a terminal what is signed is shown first.")(
        function
    )


def agreed(kind: str, signer: str, lines: Sequence[str], yes: bool) -> bool:
    """Show what is about to be signed, and whether a person at the terminal agrees; nobody is asked elsewhere."""
    click.echo(f"{kind}, signed as {signer}:", err=True)
    for line in lines:
        click.echo(f"  {line}", err=True)
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    return click.confirm("Sign this?", default=False, err=True)
