"""gate: a data-quality and evaluation gate for people who fine-tune language models.

>>> import gate
>>> result = gate.check("data/")
>>> result.verdict, result.findings.height
('fail', 12)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gate.errors import GateError, InputError, MissingDependency, PolicyError, UsageError
from gate.version import __version__

if TYPE_CHECKING:
    from gate.admission.result import AdmissionResult, RuleOutcome
    from gate.verbs.admit import admit
    from gate.verbs.check import check
    from gate.verbs.diff import diff
    from gate.verbs.evaluate import evaluate
    from gate.verbs.fix import fix
    from gate.verbs.plan import plan
    from gate.verbs.promote import promote
    from gate.verbs.release import export
    from gate.verbs.snapshot import open_snapshot
    from gate.verbs.sql import sql
    from gate.verbs.train import train

__all__ = [
    "AdmissionResult",
    "GateError",
    "InputError",
    "MissingDependency",
    "PolicyError",
    "RuleOutcome",
    "UsageError",
    "__version__",
    "admit",
    "check",
    "diff",
    "evaluate",
    "export",
    "fix",
    "open_snapshot",
    "plan",
    "promote",
    "sql",
    "train",
]

_LAZY = {
    "admit": "gate.verbs.admit",
    "check": "gate.verbs.check",
    "diff": "gate.verbs.diff",
    "evaluate": "gate.verbs.evaluate",
    "export": "gate.verbs.release",
    "fix": "gate.verbs.fix",
    "open_snapshot": "gate.verbs.snapshot",
    "plan": "gate.verbs.plan",
    "promote": "gate.verbs.promote",
    "sql": "gate.verbs.sql",
    "train": "gate.verbs.train",
    "AdmissionResult": "gate.admission.result",
    "RuleOutcome": "gate.admission.result",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'gate' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
