"""What is shown of recipes: one in a line, one in full, and a copy of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.training.advice import Advice
from gate.training.recipe_files import Resolved


@dataclass(frozen=True, slots=True)
class Listed:
    """A recipe, in a line."""

    name: str
    objective: str
    """Empty where it cannot be read."""
    method: str
    about: str
    file: str
    needs: tuple[str, ...]
    """Keys that its user has to give."""
    problem: str | None = None
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a recipe."""

    key: str
    """Dotted."""
    value: object
    """JSON-able."""
    origin: str | None
    """Where it was written; None for a default."""
    meaning: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A recipe in full."""

    resolved: Resolved
    values: tuple[Value, ...]
    """Of the keys that its method and objective know."""
    script: str
    """The trainer's script."""
    advice: tuple[Advice, ...]
    """Where it leaves the guides' ranges, as far as that can be told without data and model."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A file of the user's own, from now on."""

    path: Path
    status: Literal["written", "replaced", "same"]
    why: str
