"""With a base a rule judges what is new: it flags new findings, shares are of new rows, and of enough of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from gate.admission.bind import BoundRule
from gate.admission.outcome import Against, outcome_of
from gate.admission.result import FINDINGS, RuleOutcome
from gate.admission.shards import Crash
from gate.checks.base import NOTHING_FOUND, Measurement, Params
from gate.checks.structure import structure
from gate.data.frame import KINDS
from gate.policy.model import Rule

RULE = Rule("r", "structure", "error", 0, "fix", "w")
SHARE = replace(RULE, tolerate=0.01, min_examples=100)


def findings(*states: str | None, **columns: Any) -> pl.DataFrame:
    """One finding per state, each at a row of its own unless `row` says otherwise."""
    rows = [
        {"rule": "r", "code": "c", "severity": "error", "file": "a", "row": number, "state": state} | columns
        for number, state in enumerate(states, start=1)
    ]
    return pl.DataFrame(rows, schema=FINDINGS)


def against(new: int, rows: int = 1000, **others: Any) -> Against:
    return Against(**({"rows": rows, "new_rows": new, "malformed": 0, "new_malformed": 0} | others))


def ended(rule: Rule, found: pl.DataFrame, compared: Against | None, examined: int = 1000) -> RuleOutcome:
    bound = BoundRule(rule, structure, Params(), ("text",))
    return outcome_of(bound, Measurement(NOTHING_FOUND, examined), found, 0.0, compared)


def test_only_new_findings_are_flagged() -> None:
    outcome = ended(RULE, findings("unchanged", "unchanged"), against(10, fixed=4))
    assert (outcome.status, outcome.examined, outcome.flagged, outcome.unchanged, outcome.fixed) == (
        "passed",
        10,
        0,
        2,
        4,
    )
    outcome = ended(RULE, findings("unchanged", "new"), against(10))
    assert (outcome.status, outcome.flagged, outcome.unchanged) == ("failed", 1, 1)


def test_a_finding_without_a_state_counts() -> None:
    assert ended(RULE, findings(None), against(10)).status == "failed"


def test_a_share_is_one_of_the_new_rows() -> None:
    assert ended(SHARE, findings(*["new"] * 2), against(200)).status == "passed"
    assert ended(SHARE, findings(*["new"] * 3), against(200)).status == "failed"
    assert ended(SHARE, findings(*["new"] * 3), None).status == "passed"  # of all 1,000


def test_a_share_is_not_judged_on_a_few_rows_and_says_so() -> None:
    outcome = ended(SHARE, findings("new"), against(99))
    assert (outcome.status, outcome.flagged, outcome.examined) == ("skipped", 1, 99)
    assert outcome.reason is not None
    assert "min_examples: 100" in outcome.reason
    assert ended(SHARE, findings("new", "new"), against(100)).status == "failed"


def test_a_few_clean_rows_pass_a_share() -> None:
    assert ended(SHARE, findings("unchanged"), against(3)).status == "passed"


def test_a_count_is_judged_on_any_number() -> None:
    rule = replace(RULE, tolerate=1, min_examples=None)
    assert ended(rule, findings("new", "new"), against(2)).status == "failed"
    assert ended(RULE, findings("new"), against(1)).status == "failed"


def test_without_a_base_a_share_is_judged_on_a_few_rows_too() -> None:
    assert ended(SHARE, findings("new"), None, examined=5).status == "failed"


def test_a_pull_request_that_only_deletes_is_judged() -> None:
    outcome = ended(RULE, findings("unchanged"), against(0))
    assert (outcome.status, outcome.examined, outcome.reason) == ("passed", 0, "no new rows")


@pytest.mark.parametrize("rule", [RULE, SHARE])
def test_it_fails_when_it_makes_the_dataset_worse(rule: Rule) -> None:
    assert ended(rule, findings("new", row=None, file=None), against(0)).status == "failed"
    assert ended(rule, findings("new", row=None), against(5)).status == "failed"
    assert ended(rule, findings("new"), against(0)).status == "failed"


def test_info_never_fails_and_warnings_warn() -> None:
    for severity, status in (("info", "passed"), ("warning", "warned")):
        rule = replace(RULE, severity=severity)  # type: ignore[arg-type]
        assert ended(rule, findings("new", severity=severity), against(5)).status == status


def test_a_crash_on_either_side_is_an_error() -> None:
    assert ended(RULE, findings(), against(5, before=Crash("it broke", None))).status == "errored"
    bound = BoundRule(RULE, structure, Params(), ("text",))
    assert outcome_of(bound, Crash("it broke", None), findings(), 0.0, against(5)).status == "errored"


def test_what_was_not_looked_at_is_skipped() -> None:
    assert ended(RULE, findings(), against(5), examined=0).status == "skipped"


def test_how_many_new_rows_were_looked_at() -> None:
    compared = against(50, rows=200, malformed=4, new_malformed=2)
    assert compared.examined(204) == 52  # malformed rows too
    assert compared.examined(200) == 50
    assert compared.examined(20) == 5  # a tenth of all
    assert compared.examined(1) == 1
    assert against(0).examined(20) == 0


def test_rows_are_counted_by_kind() -> None:
    rows = pl.DataFrame(
        {"kind": ["chat", "chat", "text"], "old": [True, False, False]}, schema_overrides={"kind": pl.Enum(KINDS)}
    )
    malformed = pl.DataFrame({"kind": ["chat", None, None]}, schema={"kind": pl.Enum(KINDS)})
    old = pl.Series([False, True, False])
    assert Against.of(rows, malformed, old, ("chat",)) == Against(2, 1, 1, 1)
    assert Against.of(rows, malformed, old, ("chat", "text", None)) == Against(3, 2, 3, 2)
