"""From the outcomes of the rules to one verdict. A pure function, and the only place where it is decided."""

from __future__ import annotations

from collections.abc import Sequence

from gate.admission.result import FailOn, RuleOutcome, Status, Verdict


def judge(
    outcomes: Sequence[RuleOutcome],
    *,
    rows: int,
    fail_on: FailOn = "error",
    before: Sequence[RuleOutcome] = (),
    compared: bool = False,
) -> tuple[Verdict, str]:
    """The verdict, and one sentence that says why.

    An errored rule makes it an error, whatever else was found, and so does one that errored on the base; a failed one
    a fail; nothing judged at all is inconclusive, never a pass, and neither is a dataset of which nothing is left.
    What a waiver covers was left out of the outcomes' counts; a pass says that there was some.

    Args:
        rows: rows read, of which there must be at least one.
        fail_on: the least severity that fails; `never` changes the exit code, not the verdict.
        before: how rules ended on the base, as far as they were judged there.
        compared: whether there is a base.
    """

    def named(*statuses: Status) -> list[str]:
        return sorted({outcome.rule.id for outcome in outcomes if outcome.status in statuses})

    if errored := named("errored"):
        return "error", f"{_listed(errored)} could not be judged"
    if errored := sorted({outcome.rule.id for outcome in before if outcome.status == "errored"}):
        return "error", f"{_listed(errored)} could not be judged on the base"
    if failed := named("failed"):
        return "fail", f"{_listed(failed)} failed"
    if fail_on == "warning" and (warned := named("warned")):
        return "fail", f"{_listed(warned)} warned, and warnings fail here"
    if rows == 0 and compared:
        return "inconclusive", "nothing is left of the dataset"
    # Gate's own rules (of no kind) look at no row.
    if rows == 0 or not any(outcome.status in ("passed", "warned") and outcome.kinds for outcome in outcomes):
        return "inconclusive", "no rule had anything to judge"
    about = "nothing new blocks" if compared else "nothing blocks"
    waived = _waived(outcomes)
    if warned := named("warned"):
        return "pass", f"{about}; {_listed(warned)} warned{waived}"
    if compared and (
        unjudged := sorted({each.rule.id for each in outcomes if each.status == "skipped" and each.flagged})
    ):
        return "pass", f"{about}; too few new rows to judge {_listed(unjudged)}{waived}"
    return "pass", f"every rule passed{waived}"


def _waived(outcomes: Sequence[RuleOutcome]) -> str:
    """What a pass rests on beside the data."""
    rules = sorted({outcome.rule.id for outcome in outcomes if outcome.waived})
    return f"; waivers cover findings of {_listed(rules)}" if rules else ""


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
