"""From the outcomes of the rules to one verdict. A pure function, and the only place where it is decided."""

from __future__ import annotations

from collections.abc import Sequence

from gate.admission.result import FailOn, RuleOutcome, Status, Verdict


def judge(outcomes: Sequence[RuleOutcome], *, rows: int, fail_on: FailOn = "error") -> tuple[Verdict, str]:
    """The verdict, and one sentence that says why.

    An errored rule makes it an error, whatever else was found; a failed one a fail; nothing judged at all is
    inconclusive, never a pass.

    Args:
        rows: rows read, of which there must be at least one.
        fail_on: the least severity that fails; `never` changes the exit code, not the verdict.
    """

    def named(*statuses: Status) -> list[str]:
        return sorted({outcome.rule.id for outcome in outcomes if outcome.status in statuses})

    if errored := named("errored"):
        return "error", f"{_listed(errored)} could not be judged"
    if failed := named("failed"):
        return "fail", f"{_listed(failed)} failed"
    if fail_on == "warning" and (warned := named("warned")):
        return "fail", f"{_listed(warned)} warned, and warnings fail here"
    if rows == 0 or not named("passed", "warned"):
        return "inconclusive", "no rule had anything to judge"
    if warned := named("warned"):
        return "pass", f"nothing blocks; {_listed(warned)} warned"
    return "pass", "every rule passed"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
