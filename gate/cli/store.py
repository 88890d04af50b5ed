"""`gate store`: arguments in, exit code out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gate.cli.output_option import output_option
from gate.cli.provenance_options import store_option, trust_options

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from gate.store.inspect import Problem
    from gate.store.transfer import Copied

EPILOG = """\b
Examples:
  gate store ls
  gate store check
  gate store push s3://team/gate
  gate store bundle support-desk --out support-desk.tar
"""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SHOWN = 200  # problems or files that a terminal gets; --output json has all


@click.group("store", epilog=EPILOG)
def command() -> None:
    """Look after the store: list it, check it, clear it up, and move it to another machine.

    A store is a folder of files that are never rewritten: objects named by the SHA-256 of what is in them, signed
    statements, and refs. It is the nearest .gate upwards; --store or GATE_STORE names another.
    """


@command.command("ls", epilog="\b\nExamples:\n  gate store ls\n  gate store ls --output json | jq .bytes\n")
@store_option
@output_option()
def ls(store: Path | None, output: str) -> int:
    """List what lies in the store: objects by kind, statements by what they say, refs by name."""
    from gate.verbs.store import listed
    from gate.verbs.surroundings import open_store

    found = listed(open_store(store))
    if output == "json":
        _json(found)
        return 0
    for kind in found.kinds:
        click.echo(f"{_size(kind.bytes):>10}  {kind.files:>7,}  {kind.part:<10}  {kind.kind}")
    click.echo(f"{_size(found.bytes):>10}  {found.files:>7,}  in all: {found.store}")
    return 0


@command.command(
    "check",
    epilog="\b\nExamples:\n  gate store check\n  gate store check --output json | jq -r '.problems[].file'\n"
    "\n\b\nExit codes: 0 whole, 1 something is damaged or missing.\n",
)
@store_option
@output_option()
def check(store: Path | None, output: str) -> int:
    """Hash every object and statement again, read every statement and ref, and name what is not as it should be.

    What is damaged or missing fails. What writers that were killed have left (gate store gc removes it) and files that
    are not of the store are listed too. Whose signatures count is for `gate verify`.
    """
    from rich.console import Console

    from gate.reporting.transfer import Transfer
    from gate.verbs.store import checked
    from gate.verbs.surroundings import open_store

    opened = open_store(store)
    with Transfer(Console(stderr=True), "hashing") as progress:
        found = checked(opened, progress.update)
    if output == "json":
        _json(found)
        return found.exit_code
    _problems(found.problems)
    graves = sum(problem.grave for problem in found.problems)
    rate = f", {_size(found.bytes / found.seconds)}/s" if found.bytes >= 1 << 20 else ""
    said = f"{graves:,} damaged or missing" if graves else "whole"
    click.echo(f"{said}: {found.files:,} files, {_size(found.bytes)}{rate}: {found.store}")
    return found.exit_code


def _problems(problems: tuple[Problem, ...]) -> None:
    from gate.reporting.inert import one_line

    for problem in problems[:_SHOWN]:
        click.echo(f"{problem.what:<9} {one_line(problem.file, 200)}\n          {one_line(problem.why, 200)}")
    if len(problems) > _SHOWN:
        click.echo(f"… and {len(problems) - _SHOWN:,} more (--output json lists them all)")


@command.command(
    "gc", epilog="\b\nExamples:\n  gate store gc\n  gate store gc --delete\n  gate store gc --delete --now\n"
)
@click.option("--delete", is_flag=True, help="Delete what was found; otherwise it is only listed.")
@click.option("--now", is_flag=True, help="What is younger than an hour, too. No other gate may be writing.")
@store_option
@trust_options
@output_option()
def gc(delete: bool, now: bool, store: Path | None, trust: Path | None, trust_revision: str | None, output: str) -> int:
    """List the objects that no statement and no ref leads to, and what writers that were killed have left.

    Nothing is deleted without --delete, and nothing younger than an hour without --now, because a writer puts its
    statement down last. What an erasure replaced goes only where --trust names who may say so.
    """
    from gate.reporting.inert import one_line
    from gate.verbs.store import YOUNGEST, collected
    from gate.verbs.surroundings import named_trust, open_store

    found = collected(
        open_store(store),
        trust=named_trust(trust, trust_revision),
        delete=delete,
        youngest=0.0 if now else YOUNGEST,
    )
    if output == "json":
        _json(found)
        return 0
    for file in found.files[:_SHOWN]:
        click.echo(f"{_size(file.bytes):>10}  {one_line(file.name, 200)}")
    if len(found.files) > _SHOWN:
        click.echo(f"… and {len(found.files) - _SHOWN:,} more (--output json lists them all)")
    done = "deleted" if delete else "would be deleted (--delete does it)"
    click.echo(f"{len(found.files):,} files, {_size(found.bytes)}, {done}: {found.store}")
    if found.young:
        click.echo(f"{found.young:,} more are younger than an hour and stay (--now takes them too)")
    if found.erased:
        click.echo(f"{found.erased:,} objects were erased and are still here (--trust says whose erasures count)")
    return 0


@command.command(
    "push", epilog="\b\nExamples:\n  gate store push /mnt/team/gate\n  gate store push s3://team/gate --store .gate\n"
)
@click.argument("url", metavar="URL")
@store_option
@output_option()
def push(url: str, store: Path | None, output: str) -> int:
    """Copy what the store at URL lacks: objects first, then statements, then refs.

    URL is a folder or anything that fsspec opens (s3://, gs://, abfs://, sftp://, …; its package has to be installed).
    A store is made there where there is none. Nothing there is overwritten: a ref whose number is taken by another one
    is a conflict, and exits with 1.
    """
    from rich.console import Console

    from gate.reporting.transfer import Transfer
    from gate.verbs.store_moves import pushed
    from gate.verbs.surroundings import open_store

    opened = open_store(store)
    with Transfer(Console(stderr=True), "copying") as progress:
        copied = pushed(opened, url, progress.update)
    return _copied(copied, "pushed", output)


@command.command(
    "pull", epilog="\b\nExamples:\n  gate store pull /mnt/team/gate\n  gate store pull s3://team/gate --store .gate\n"
)
@click.argument("url", metavar="URL")
@store_option
@output_option()
def pull(url: str, store: Path | None, output: str) -> int:
    """Copy what this store lacks and the one at URL has; every file is verified before it is put in place.

    The store is made where there is none. That files are whole says nothing of who signed them: `gate verify` does.
    """
    from rich.console import Console

    from gate.reporting.transfer import Transfer
    from gate.store.remote import open_side
    from gate.verbs.store_moves import pulled
    from gate.verbs.surroundings import open_store

    open_side(url)  # an address that is wrong leaves no empty store behind
    opened = open_store(store, create=True)
    with Transfer(Console(stderr=True), "copying") as progress:
        copied = pulled(opened, url, progress.update)
    return _copied(copied, "pulled", output)


@command.command(
    "bundle",
    epilog="\b\nExamples:\n  gate store bundle support-desk --out support-desk.tar\n"
    "  gate store bundle 4f1c2a9b --out snapshot.tar\n",
)
@click.argument("what", metavar="SNAPSHOT|NAME|STATEMENT")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The file to write.")
@store_option
def bundle(what: str, out: Path, store: Path | None) -> int:
    """Write a snapshot's whole chain into one file, to carry it where the store does not reach.

    It holds the objects, every statement about it with what these rest on, and the refs that point at it; never the
    trust file, which the reader has to have from somebody they know. The same chain is the same bytes.
    """
    from gate.verbs.store_moves import bundled
    from gate.verbs.surroundings import open_store

    written = bundled(open_store(store), what, out)
    click.echo(f"wrote {written.path}: {written.files:,} files, {_size(written.bytes)}", err=True)
    return 0


@command.command(
    "unbundle",
    epilog="\b\nExamples:\n  gate store unbundle support-desk.tar\n"
    "  gate store unbundle snapshot.tar --store review/.gate\n",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE")
@store_option
@output_option()
def unbundle(file: Path, store: Path | None, output: str) -> int:
    """Put what a bundle holds into the store, which is made where there is none; each file once it is whole.

    That files are whole says nothing of who signed them: `gate verify` does.
    """
    from gate.verbs.store_moves import unbundled
    from gate.verbs.surroundings import open_store

    return _copied(unbundled(open_store(store, create=True), file), "unbundled", output)


@command.command("migrate", epilog="\b\nExamples:\n  gate store migrate\n")
@store_option
def migrate(store: Path | None) -> int:
    """Bring a store that an older gate wrote to the present format. Run it again if it was interrupted."""
    from gate.store.migrate import migrate as migrated
    from gate.store.objects import find_store

    root = store if store is not None else find_store(Path())
    before, after = migrated(root)
    said = f"is of format {after} already" if before == after else f"went from format {before} to {after}"
    click.echo(f"{root} {said}", err=True)
    return 0


def _copied(copied: Copied, done: str, output: str) -> int:
    code = int(bool(copied.conflicts))
    if output == "json":
        _json(copied)
        return code
    click.echo(
        f"{done} {copied.objects:,} objects ({_size(copied.bytes)}), {copied.statements:,} statements, "
        f"{copied.refs:,} refs",
        err=True,
    )
    if copied.erased:
        click.echo(f"{copied.erased:,} objects were erased, and were not copied", err=True)
    for conflict in copied.conflicts:
        told = f"conflict: {conflict.ref} is another one there than here; the refs of that name were not copied"
        click.echo(told, err=True)
    if copied.conflicts:
        remedy = "decide which is right, move the other file away, copy again, and admit what it named anew"
        click.echo(f"  {remedy}", err=True)
    return code


def _json(found: DataclassInstance) -> None:
    import json
    from dataclasses import asdict

    # Not orjson: names of files that are no Unicode are lone surrogates, which it refuses.
    sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1024 or unit == _UNITS[-1]:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1024
    raise AssertionError
