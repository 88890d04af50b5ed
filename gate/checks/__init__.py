"""One module per check; found by name, imported when a rule names it."""

from __future__ import annotations

from importlib import import_module

from gate.checks.base import Check
from gate.folders import Folders

BUILT_IN = {
    "structure": "gate.checks.structure",
    "exact_duplicates": "gate.checks.exact_duplicates",
    "near_duplicates": "gate.checks.near_duplicates",
    "leakage": "gate.checks.leakage",
    "conflicting_answers": "gate.checks.conflicting_answers",
    "pii": "gate.checks.pii",
    "secrets": "gate.checks.secrets",
    "contamination": "gate.checks.contamination",
    "language": "gate.checks.language",
    "expectations": "gate.checks.expectations",
}


def names(folders: Folders) -> tuple[str, ...]:
    """Every check that a rule may name here."""
    return tuple(BUILT_IN)


def load(name: str, folders: Folders | None = None) -> Check:
    """The check of that name.

    Raises:
        KeyError: no check has that name.
    """
    found = getattr(import_module(BUILT_IN[name]), name)
    assert isinstance(found, Check)
    return found
