"""The waivers of a store that hold at a moment, by people whose word counts."""

from __future__ import annotations

from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Waiver
from gate.provenance.trust import Trust, Untrusted


def waivers_in_force(ledger: Ledger, trust: Trust, at: str) -> list[Statement]:
    """Waivers that were made by then and are not over, the oldest first. Those of people whose word does not count
    cover nothing, and are left out.

    Args:
        at: the moment, as statements write time.

    Raises:
        Damaged: a statement in the store is none.
    """
    return [one for one in ledger.all() if _holds(one, at) and _counts(one, trust)]


def _holds(one: Statement, at: str) -> bool:
    return isinstance(one.about, Waiver) and one.made <= at < one.about.until


def _counts(one: Statement, trust: Trust) -> bool:
    try:
        trust.vouched(one)
    except Untrusted:
        return False
    return True
