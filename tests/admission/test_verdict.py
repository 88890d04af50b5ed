"""The verdict, over every mix of outcomes: errors before fails, fails before passes, nothing never passes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from gate.admission.result import FailOn, RuleOutcome, Status
from gate.admission.verdict import judge
from gate.policy.model import Rule


def outcome(status: Status) -> RuleOutcome:
    return RuleOutcome(Rule(f"rule_{status}", "c", "error", 0, "drop", "w"), ("text",), status)


@pytest.mark.parametrize("statuses", list(product(get_args(Status), repeat=2)))
@pytest.mark.parametrize("fail_on", get_args(FailOn))
def test_every_pair_of_outcomes(statuses: tuple[Status, Status], fail_on: FailOn) -> None:
    verdict, reason = judge([outcome(status) for status in statuses], rows=1, fail_on=fail_on)
    if "errored" in statuses:
        expected = "error"
    elif "failed" in statuses or ("warned" in statuses and fail_on == "warning"):
        expected = "fail"
    elif "passed" in statuses or "warned" in statuses:
        expected = "pass"
    else:
        expected = "inconclusive"
    assert verdict == expected
    assert reason


def test_no_rules_or_no_rows_is_inconclusive() -> None:
    assert judge([], rows=10)[0] == "inconclusive"
    assert judge([outcome("passed")], rows=0)[0] == "inconclusive"


def test_the_reason_names_the_rules() -> None:
    assert judge([outcome("failed"), outcome("passed")], rows=1)[1] == "rule_failed failed"


def test_a_rule_that_errored_on_the_base_is_an_error() -> None:
    verdict, reason = judge([outcome("failed")], rows=1, before=[outcome("errored")], compared=True)
    assert (verdict, reason) == ("error", "rule_errored could not be judged on the base")
    assert judge([outcome("passed")], rows=1, before=[outcome("failed")], compared=True)[0] == "pass"


def test_a_dataset_of_which_nothing_is_left_never_passes() -> None:
    verdict, reason = judge([outcome("passed")], rows=0, compared=True)
    assert (verdict, reason) == ("inconclusive", "nothing is left of the dataset")


def test_shares_that_were_not_judged_are_named_and_pass_nothing_by_themselves() -> None:
    unjudged = replace(outcome("skipped"), flagged=1)
    assert judge([outcome("passed"), unjudged], rows=1, compared=True) == (
        "pass",
        "nothing new blocks; too few new rows to judge rule_skipped",
    )
    assert judge([unjudged], rows=1, compared=True)[0] == "inconclusive"
