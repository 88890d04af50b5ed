"""`--output` of commands that print one thing in one of several forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])


def output_option(first: str = "table", *others: str, told: str = "For people, or for programs.") -> Callable[[F], F]:
    """`--output FORM`, handed on as `output: str`: the first form where nobody asks, or another (`json`)."""
    return click.option(
        "--output",
        "-o",
        type=click.Choice([first, *(others or ("json",))]),
        default=first,
        show_default=True,
        help=told,
    )
