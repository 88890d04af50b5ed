"""`gate cache`: arguments in, exit code out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gate.cli.output_option import output_option

if TYPE_CHECKING:
    from pathlib import Path

EPILOG = """\b
Examples:
  gate cache ls
  gate cache ls --output json | jq .bytes
  gate cache clear
"""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.group("cache", epilog=EPILOG)
def command() -> None:
    """Show and clear what gate keeps between runs.

    It keeps what it worked out of each file: the nearest .gate/cache upwards from the data, else the user's cache
    folder; GATE_CACHE names another. At most 10 GiB are kept (GATE_CACHE_LIMIT, such as 500M or 20G), what was not
    used for longest goes first. Everything in it may be deleted at any time.
    """


def _start(context: click.Context, parameter: click.Parameter, value: str) -> Path:
    from pathlib import Path

    return Path(value)


_PATH = click.argument("path", type=click.Path(exists=True), default=".", callback=_start)


@command.command("ls", epilog="\b\nExamples:\n  gate cache ls\n  gate cache ls data/ --output json | jq .bytes\n")
@_PATH
@output_option()
def ls(path: Path, output: str) -> int:
    """List what is kept for data at PATH (here, where none is given)."""
    from gate.verbs.cache import listed

    found = listed(path)
    if output == "json":
        import orjson

        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
        return 0
    for kind in found.kinds:
        click.echo(f"{_size(kind.bytes):>10}  {kind.entries:>7,}  {kind.kind}")
    click.echo(f"{_size(found.bytes):>10}  {found.entries:>7,}  in all, at most {_size(found.limit)}: {found.folder}")
    return 0


@command.command("clear", epilog="\b\nExamples:\n  gate cache clear\n  gate cache clear data/\n")
@_PATH
def clear(path: Path) -> int:
    """Throw away what is kept for data at PATH (here, where none is given)."""
    from gate.verbs.cache import cleared

    folder, freed = cleared(path)
    click.echo(f"{_size(freed)} set free in {folder}")
    return 0


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError
