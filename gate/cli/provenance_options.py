"""Options that every command with a store, a trust file or a signature shares, under the same names.

They only say what was asked for; `gate.verbs.surroundings` opens it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(path_type=Path)


def store_option(function: F) -> F:
    """`--store DIR`, handed on as `store: Path | None`; `GATE_STORE` is looked up where the store is opened."""
    return click.option(
        "--store",
        type=_FOLDER,
        metavar="DIR",
        help="The store; else GATE_STORE, else the nearest .gate upwards.",
    )(function)


def trust_options(function: F) -> F:
    """`--trust FILE` and `--trust-revision REV:PATH`, handed on as `trust: Path | None` and
    `trust_revision: str | None`; `GATE_TRUST` is looked up where the file is read."""
    revision = click.option(
        "--trust-revision",
        metavar="REV:PATH",
        help="The trust file as this git revision has it, such as v1.2:trust.yaml.",
    )
    file = click.option(
        "--trust",
        type=_FILE,
        metavar="FILE",
        help="Whose word counts; else GATE_TRUST. Never guessed.",
    )
    return file(revision(function))


def key_options(function: F) -> F:
    """`--key NAME`, handed on as `key: str | None`; `GATE_KEY` and `GATE_KEY_PASSPHRASE` are looked up where the key
    is read, and a passphrase is asked for on a terminal."""
    return click.option(
        "--key",
        metavar="NAME",
        help="Sign with this key (gate keys ls); else the one in GATE_KEY, else your only one.",
    )(function)
