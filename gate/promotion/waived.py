"""Waivers of outcomes: which one is meant, by a digest that another model, task or rule does not have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from gate.promotion.decided import Outcome
from gate.provenance.envelope import canonical
from gate.provenance.statements import Statement, Waiver

RULE = "promotion/"
"""What the rule of a waiver begins with; a suite's name follows."""


def outcome_digest(outcome: Outcome, model: str) -> str:
    """SHA-256 (hex) of what an outcome is about: the candidate, the task with its data and scoring, the metric, the
    demand, and against whom. Its figures are no part of it: they follow from these.

    Args:
        model: the candidate's digest.
    """
    whole = {
        "against": outcome.against,
        "demand": outcome.demand,
        "metric": outcome.metric,
        "model": model,
        "task": hashlib.sha256(canonical(outcome.task.model_dump(mode="json"))).hexdigest(),
    }
    return hashlib.sha256(canonical(whole)).hexdigest()


def with_waivers(
    outcomes: Iterable[Outcome], model: str, waivable: Iterable[str], waivers: Iterable[Statement]
) -> list[Outcome]:
    """The same outcomes, those marked that a waiver covers and the policy lets be waived.

    Args:
        waivers: that hold now, by people whose word counts.
    """
    allowed = {f"{RULE}{suite}" for suite in waivable}
    covering: dict[tuple[str, str], str] = {}
    for one in waivers:
        if isinstance(one.about, Waiver) and one.about.rule in allowed:
            for digest in one.about.findings:
                covering[one.about.rule, digest] = one.digest
    return [
        replace(each, waiver=covering.get((f"{RULE}{each.suite}", outcome_digest(each, model))))
        if each.gated and each.verdict != "pass"
        else each
        for each in outcomes
    ]
