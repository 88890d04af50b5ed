"""`gate waive promotion/SUITE MODEL`: a dated exception to what a promotion found, where its policy allows it.

The waiver names the outcomes of the last decision on the model that did not pass, by digests of what they are about:
the model, the task with its data, the metric and against whom. Another model, or another version of the task, is not
covered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from gate.errors import UsageError
from gate.evaluation.task_document import SUITES
from gate.promotion.naming import find_promotion
from gate.promotion.policy import policy_of
from gate.promotion.waived import RULE
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Promotion, Statement, Waiver, now
from gate.provenance.trust import Trust
from gate.store.objects import Damaged, Store
from gate.verbs.surroundings import named_trust, open_store
from gate.verbs.waive import ending, reason

Path_ = str | os.PathLike[str]
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Waivable:
    """An outcome that did not pass."""

    digest: str
    task: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class WaivingOutcomes:
    """What somebody is about to waive."""

    rule: str
    name: str
    """The model's."""
    outcomes: tuple[Waivable, ...]
    until: str
    signer: str


def waive_outcomes(
    rule: str,
    what: str,
    *,
    until: str,
    why: str,
    signer: Signer,
    findings: Collection[str] = (),
    store: Store | Path_ | None = None,
    trust: Trust | Path_ | None = None,
    trust_revision: str | None = None,
    confirm: Callable[[WaivingOutcomes], bool] = lambda exception: True,
) -> Statement:
    """Waive what the last decision on a model found on a suite.

    Args:
        rule: `promotion/SUITE`.
        what: the model (its run, a name, a digest) or the promotion.
        until: a date (its end, UTC) or a time, at most 366 days ahead.
        findings: digests of outcomes, or eight or more digits of them, where not all are meant.
        trust: where it is named, the signer has to be an owner or a reviewer by it, and the promotion trusted.

    Raises:
        UsageError: no such suite, nothing was decided, the policy allows no exception, or there is nothing to waive.
        Untrusted: the waiver would not count.
        Damaged: the result of the decision is not what was sealed.
    """
    end, said = ending(until), reason(why)
    suite = rule.removeprefix(RULE)
    if suite not in SUITES:
        raise UsageError(f"there is no suite {suite[:60]!r}", remedy=f"promotion/SUITE, of {', '.join(SUITES)}")
    believed = (
        trust if isinstance(trust, Trust) else named_trust(None if trust is None else Path(trust), trust_revision)
    )
    ledger = Ledger(store if isinstance(store, Store) else open_store(None if store is None else Path(store)))
    if believed is not None:
        believed.signer(signer.keyid, signer.name, "waiver", now())
    promotion = find_promotion(ledger, what, believed)
    if promotion is None:
        raise UsageError(f"nothing was decided of {what[:100]}", remedy=f"gate promote {what[:100]} judges it")
    about = promotion.about
    assert isinstance(about, Promotion)
    where = f"promotion {promotion.digest[:12]}"
    allowed = policy_of(ledger.store.read(about.policy, "json"), where).form.waivable
    if suite not in allowed:
        listed = ", ".join(allowed) or "none"
        raise UsageError(
            f"the policy lets nothing of {suite} be waived", where=where, remedy=f"suites that may be waived: {listed}"
        )
    found = _chosen(_waivable(ledger, about, suite), findings, suite, where)
    if not confirm(WaivingOutcomes(rule, about.name, tuple(found), end, signer.name)):
        raise UsageError("nothing was signed")
    digests = sorted({each.digest for each in found})
    return ledger.say(Waiver(rule=rule, findings=digests, until=end, why=said), signer, parents=[promotion.digest])


def _waivable(ledger: Ledger, about: Promotion, suite: str) -> list[Waivable]:
    try:
        listed = orjson.loads(ledger.store.read(about.result, "json"))["waivable"]
        return [
            Waivable(str(each["digest"]), str(each["task"]), str(each["verdict"]), str(each["why"]))
            for each in listed
            if each["suite"] == suite
        ]
    except (ValueError, KeyError, TypeError):
        path = ledger.store.path(about.result, "json")
        raise Damaged("it is not the result of a promotion", where=ledger.store.name(path)) from None


def _chosen(found: Sequence[Waivable], wanted: Collection[str], suite: str, where: str) -> list[Waivable]:
    if not found:
        raise UsageError(f"everything of {suite} passed: there is nothing to waive", where=where)
    if not wanted:
        return list(found)
    chosen = []
    for asked in wanted:
        digits = asked.strip().lower()
        matches = [each for each in found if len(digits) >= _SHORTEST and each.digest.startswith(digits)]
        if len({each.digest for each in matches}) != 1:
            known = ", ".join(f"{each.digest[:_SHORTEST]} ({each.task})" for each in found)
            raise UsageError(f"{asked[:80]!r} is no outcome of it", where=where, remedy=f"there are {known}")
        chosen += matches
    return chosen
