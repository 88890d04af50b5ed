"""How bad the end of a rule is, in the two words that every tool has: error and warning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gate.admission.result import AdmissionResult, RuleOutcome, Status

Level = Literal["error", "warning"]

STATUSES: tuple[Status, ...] = ("errored", "failed", "warned", "passed", "skipped")
"""In the order in which they are shown: what blocks comes first."""


def level_of(outcome: RuleOutcome, result: AdmissionResult) -> Level | None:
    """`error` for what blocks, which a warning does where warnings fail; None where nobody has to do anything."""
    if outcome.status in ("errored", "failed") or (outcome.status == "warned" and result.fail_on == "warning"):
        return "error"
    return "warning" if outcome.status == "warned" else None


def in_order(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """The outcomes, what blocks first."""
    return sorted(outcomes, key=lambda outcome: STATUSES.index(outcome.status))
