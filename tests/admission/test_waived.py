"""A waiver covers the findings that it names, of its rule, until it is over, and nothing that came later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from gate.admission.bind import BoundRule
from gate.admission.finding_ids import finding_ids
from gate.admission.measure import Measured
from gate.admission.outcome import Against
from gate.admission.prepare import Demand
from gate.admission.result import FINDINGS
from gate.admission.run import Ran, findings_of
from gate.admission.shards import Crash
from gate.admission.verdict import judge
from gate.admission.waived import waived
from gate.checks.base import NOTHING_FOUND, Measurement, Params
from gate.checks.structure import structure
from gate.policy.model import Rule
from gate.provenance.envelope import Envelope
from gate.provenance.statements import About, Approval, Statement, Waiver

NOW = "2026-11-21T12:00:00.000000Z"
LATER = "2026-12-01T00:00:00.000000Z"
EARLIER = "2026-11-01T00:00:00.000000Z"
BEFORE = "2026-10-01T00:00:00.000000Z"


def ran(*findings: dict[str, Any], rule: str = "pii", **settings: Any) -> Ran:
    """A rule whose check found this."""
    rows = [
        {"rule": rule, "code": "c", "severity": "error", "id": f"{number:064x}", "file": "a", "row": number}
        | {"remedy": "redact", "state": "new"}
        | finding
        for number, finding in enumerate(findings, start=1)
    ]
    made = replace(Rule(rule, "c", "error", 0, "fix", "w"), **settings)
    bound = BoundRule(made, structure, Params(), ("text",))
    seen = Measured(Measurement(NOTHING_FOUND, 100), 0.0)
    return Ran(
        bound, Demand("structure", Params(), "key", ("text",), of_rows=True), seen, pl.DataFrame(rows, schema=FINDINGS)
    )


def said(about: About, made: str = EARLIER, digest: str = "d" * 64) -> Statement:
    nothing = Envelope(digest, b"", {}, "k" * 64, b"")
    return Statement(digest, made, "Ana Ruiz", "k" * 64, (), None, "0", about, nothing)


def waiver(each: Ran, *rows: int, rule: str = "pii", until: str = LATER, **settings: Any) -> Statement:
    """A waiver of the findings at some rows."""
    ids = each.findings.with_columns(finding_ids(each.findings)).filter(pl.col("row").is_in(rows))["finding"]
    return said(Waiver(rule=rule, findings=ids.to_list(), until=until, why="checked by hand"), **settings)


def states(rules: list[Ran]) -> list[str | None]:
    return findings_of(rules)["state"].cast(pl.String).to_list()


def test_a_rule_whose_every_finding_is_waived_passes_and_says_so() -> None:
    rule = ran({}, {})
    (after,) = waived([rule], [waiver(rule, 1, 2)], NOW)
    assert states([after]) == ["waived", "waived"]
    outcome = after.outcome
    assert (outcome.status, outcome.flagged, outcome.waived) == ("passed", 0, 2)
    assert [one.digest for one in outcome.waivers] == ["d" * 64]
    assert judge([outcome], rows=100) == ("pass", "every rule passed; waivers cover findings of pii")


def test_what_is_not_named_counts() -> None:
    rule = ran({}, {})
    (after,) = waived([rule], [waiver(rule, 2)], NOW)
    assert states([after]) == ["new", "waived"]
    assert (after.outcome.status, after.outcome.flagged, after.outcome.waived) == ("failed", 1, 1)


def test_a_finding_that_came_later_counts() -> None:
    before, after = ran({}), ran({}, {})
    (now,) = waived([after], [waiver(before, 1)], NOW)
    assert states([now]) == ["waived", "new"]


def test_one_more_copy_of_a_waived_row_counts() -> None:
    one, same = ran({}), {"id": f"{1:064x}"}
    (now,) = waived([ran({}, same)], [waiver(one, 1)], NOW)
    assert states([now]) == ["waived", "new"]


def test_copies_are_counted_over_all_kinds_of_a_rule() -> None:
    first, second = ran({}), ran({"id": f"{1:064x}", "file": "b"})
    now = waived([first, second], [waiver(first, 1)], NOW)
    assert states(now) == ["waived", "new"]
    assert [len(each.waivers) for each in now] == [1, 0]


@pytest.mark.parametrize(
    ("until", "made"),
    [(NOW, EARLIER), (EARLIER, BEFORE), (LATER, "2026-11-22T00:00:00.000000Z")],
    ids=["over at this moment", "over", "made later"],
)
def test_a_waiver_that_is_over_or_not_yet_made_covers_nothing(until: str, made: str) -> None:
    rule = ran({})
    (after,) = waived([rule], [waiver(rule, 1, until=until, made=made)], NOW)
    assert states([after]) == ["new"]
    assert (after.outcome.status, after.waivers) == ("failed", ())


def test_a_waiver_of_another_rule_covers_nothing() -> None:
    rule, other = ran({}), ran({}, rule="secrets")
    after = waived([rule, other], [waiver(rule, 1, rule="secrets")], NOW)
    assert states(after) == ["new", "new"]
    # Nor does the right rule with the id of another rule's finding.
    assert states(waived([rule, other], [waiver(other, 1)], NOW)) == ["new", "new"]
    # Not even where another waiver is about that other rule.
    both = ran({}, {}, rule="secrets")
    given = [waiver(both, 1), waiver(both, 2, rule="secrets")]
    assert states(waived([rule, both], given, NOW)) == ["new", "new", "waived"]


def test_a_statement_of_another_kind_covers_nothing() -> None:
    rule = ran({})
    assert waived([rule], [said(Approval(statement="a" * 64))], NOW) == [rule]


def test_tolerance_is_of_what_is_not_waived() -> None:
    rule = ran({}, {}, {}, tolerate=1)
    assert waived([rule], [waiver(rule, 1)], NOW)[0].outcome.status == "failed"
    assert waived([rule], [waiver(rule, 1, 2)], NOW)[0].outcome.status == "passed"


def test_a_row_with_a_finding_left_is_flagged_and_not_waived() -> None:
    rule = ran({"row": 1, "field": "a"}, {"row": 1, "field": "b"})
    one = finding_ids(rule.findings)[0]
    (after,) = waived([rule], [said(Waiver(rule="pii", findings=[one], until=LATER, why="w"))], NOW)
    assert (after.outcome.flagged, after.outcome.waived) == (1, 0)
    assert len(after.outcome.waivers) == 1


def test_findings_about_the_dataset_can_be_waived() -> None:
    rule = ran({"id": None, "file": None, "row": None, "message": "too small", "score": 3.0})
    one = finding_ids(rule.findings)[0]
    given = said(Waiver(rule="pii", findings=[one], until=LATER, why="w"))
    assert waived([rule], [given], NOW)[0].outcome.waived == 1
    worse = ran({"id": None, "file": None, "row": None, "message": "too small", "score": 2.0})
    assert waived([worse], [given], NOW)[0].outcome.status == "failed"


def test_a_crash_is_no_finding_and_cannot_be_waived() -> None:
    rule = ran({})
    crashed = replace(rule, measured=Measured(Crash("no model", "trace"), 0.0))
    (after,) = waived([crashed], [waiver(rule, 1)], NOW)
    assert after.outcome.status == "errored"


def test_with_a_base_waived_is_told_apart_from_unchanged() -> None:
    against = Against(rows=100, new_rows=50, malformed=0, new_malformed=0)
    rule = replace(ran({"state": "unchanged"}, {}, {"state": "unchanged"}), against=against)
    (after,) = waived([rule], [waiver(rule, 1, 2)], NOW)
    outcome = after.outcome
    assert (outcome.status, outcome.flagged, outcome.unchanged, outcome.waived) == ("passed", 0, 1, 2)


def test_nothing_but_the_state_is_touched() -> None:
    first, second = ran({}, {}), ran({}, rule="secrets")
    after = waived([first, second], [waiver(first, 2)], NOW)
    assert after[1] is second
    assert after[0].findings.drop("state").equals(first.findings.drop("state"))
    assert first.findings["state"].to_list() == ["new", "new"]
