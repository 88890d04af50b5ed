"""Checks: one module per check of gate's own, and those that a team writes; found by name, loaded when a rule names
one.

What a team's own check needs is here: `from gate.checks import Measurement, Params, check, found`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.checks.base import (
        FOUND,
        NOTHING_FOUND,
        Check,
        CheckFailed,
        Context,
        Measurement,
        Params,
        check,
        found,
    )
    from gate.data.corpus import Corpus
    from gate.data.masking import mask_text, mask_value
    from gate.data.views import Frames
    from gate.folders import Folders

__all__ = [
    "FOUND",
    "NOTHING_FOUND",
    "Check",
    "CheckFailed",
    "Context",
    "Corpus",
    "Frames",
    "Measurement",
    "Params",
    "check",
    "found",
    "mask_text",
    "mask_value",
]

_ELSEWHERE = {
    "Corpus": "gate.data.corpus",
    "Frames": "gate.data.views",
    "mask_text": "gate.data.masking",
    "mask_value": "gate.data.masking",
}


def __getattr__(name: str) -> object:
    # Loaded when it is asked for: a worker that runs Presidio needs none of it, and starts in half the time.
    if name not in __all__:
        raise AttributeError(f"module 'gate.checks' has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "gate.checks.base")), name)


BUILT_IN = {
    "structure": "gate.checks.structure",
    "exact_duplicates": "gate.checks.exact_duplicates",
    "near_duplicates": "gate.checks.near_duplicates",
    "leakage": "gate.checks.leakage",
    "conflicting_answers": "gate.checks.conflicting_answers",
    "pii": "gate.checks.pii",
    "secrets": "gate.checks.secrets",
    "encoding": "gate.checks.encoding",
    "answer_format": "gate.checks.answer_format",
    "consistency": "gate.checks.consistency",
    "contamination": "gate.checks.contamination",
    "language": "gate.checks.language",
    "size": "gate.checks.size",
    "splits": "gate.checks.splits",
    "balance": "gate.checks.balance",
    "diversity": "gate.checks.diversity",
    "synthetic": "gate.checks.synthetic",
    "card": "gate.checks.card",
    "drift": "gate.checks.drift",
    "quality": "gate.checks.quality",
    "toxicity": "gate.checks.toxicity",
    "bias": "gate.checks.bias",
    "expectations": "gate.checks.expectations",
    "spot_check": "gate.checks.spot_check",
}


def names(folders: Folders) -> tuple[str, ...]:
    """Every check that a rule may name here: gate's own, then those of the team. No code of theirs is run.

    Raises:
        PolicyError: a plug-in's file or name that cannot be used.
    """
    from gate.checks.plugins import plugin_names

    return (*BUILT_IN, *plugin_names(folders, frozenset(BUILT_IN)))


def load(name: str, folders: Folders | None = None) -> Check:
    """The check of that name.

    Args:
        folders: where a team's own checks lie; nowhere else are they looked for. Without, gate's own only.

    Raises:
        KeyError: no check has that name.
        PolicyError: it is a plug-in that cannot be loaded.
    """
    if name not in BUILT_IN and folders is not None:
        from gate.checks.plugins import load_plugin

        return load_plugin(name, folders, frozenset(BUILT_IN))
    made: Check = getattr(import_module(BUILT_IN[name]), name)
    return made
