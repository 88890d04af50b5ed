"""Which rows a rule was applied to, in as few words as will do."""

from __future__ import annotations

from gate.admission.result import AdmissionResult, RuleOutcome


def kinds_of(outcome: RuleOutcome, result: AdmissionResult) -> str:
    """The kinds of example that the rule judged; `all` when these are all that the dataset has, of several."""
    present = {None if kind == "base" else kind for kind in result.policies}
    if len(present) > 1 and present <= set(outcome.kinds):
        return "all"
    return ", ".join(kind or "unreadable" for kind in outcome.kinds)
