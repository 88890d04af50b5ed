"""How rules end: passed, failed, warned, errored or skipped, and which findings are left."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from gate.admission import run
from gate.admission.bind import BoundRule
from gate.admission.measure import Measured
from gate.admission.prepare import Demand
from gate.admission.result import RuleOutcome
from gate.admission.shards import Crash, InPlace, crash_of
from gate.checks.base import NOTHING_FOUND, Check, CheckFailed, Context, Measurement, Params, check, found
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.errors import MissingDependency
from gate.folders import Folders
from gate.policy.model import Rule

RULE = Rule("a_rule", "a_check", "error", 0, "drop", "because")
CONTEXT = Context(InPlace(), Folders())


class Nothing(Params):
    """No parameters."""


def frames(rows: int = 4, malformed: int = 0) -> Frames:
    examples = pl.DataFrame(
        [{"id": str(row), "file": "a.jsonl", "row": row, "kind": "text", "text": "hi"} for row in range(1, rows + 1)],
        schema=EXAMPLES,
    )
    bad = pl.DataFrame([{"file": "b.jsonl", "row": row} for row in range(1, malformed + 1)], schema=MALFORMED)
    return Frames(examples, bad)


def bound(run: object, rule: Rule = RULE, name: str = "a_check", yields_to: tuple[str, ...] = ()) -> BoundRule:
    made = check(name, params=Nothing, codes={}, fails=(), passes=(), yields_to=yields_to)(run)  # type: ignore[arg-type]
    assert isinstance(made, Check)
    return BoundRule(rule, made, Nothing(), ("text", None))


def flags(*rows: int, severity: str | None = None, remedy: str | None = None, examined: int = 4) -> object:
    def run(frames: Frames, params: Nothing, context: Context) -> Measurement:
        """Flags the rows that it is told to."""
        seen = [{"file": "a.jsonl", "row": row, "message": "m", "severity": severity, "remedy": remedy} for row in rows]
        return Measurement(found(pl.DataFrame(seen)) if seen else NOTHING_FOUND, examined)

    return run


def run_rules(rules: list[BoundRule], rows: Frames, context: Context) -> tuple[tuple[RuleOutcome, ...], pl.DataFrame]:
    """What `gate.admission.run` makes of what checks see in a few rows that are in memory."""
    ran = []
    for each in rules:
        try:
            seen: Measurement | Crash = each.check.run(rows, each.params, context)
        except Exception as error:  # noqa: BLE001 - as a worker does
            seen = crash_of(error)
        demand = Demand(each.check.name, each.params, "", each.kinds, of_rows=True)
        ran.append(run._ran(each, demand, Measured(seen, 0.0)))
    ran = run._yielded(ran)
    return tuple(each.outcome for each in ran), run.findings_of(ran)


@pytest.mark.parametrize(
    ("rule", "flagged", "status"),
    [
        (RULE, (), "passed"),
        (RULE, (1,), "failed"),
        (replace(RULE, tolerate=1), (1,), "passed"),
        (replace(RULE, tolerate=1), (1, 2), "failed"),
        (replace(RULE, tolerate=0.25), (1,), "passed"),
        (replace(RULE, tolerate=0.25), (1, 2), "failed"),
        (replace(RULE, tolerate=0.2), (1,), "failed"),
        (replace(RULE, severity="warning"), (1,), "warned"),
        (replace(RULE, severity="info"), (1, 2, 3), "passed"),
    ],
)
def test_a_rule_fails_when_more_examples_are_flagged_than_it_tolerates(
    rule: Rule, flagged: tuple[int, ...], status: str
) -> None:
    (outcome,), findings = run_rules([bound(flags(*flagged), rule)], frames(), CONTEXT)
    assert (outcome.status, outcome.flagged, outcome.examined) == (status, len(flagged), 4)
    assert findings.height == len(flagged)


def test_several_findings_on_one_row_are_one_flagged_example() -> None:
    (outcome,), findings = run_rules([bound(flags(1, 1, 1), replace(RULE, tolerate=1))], frames(), CONTEXT)
    assert (outcome.flagged, outcome.status, findings.height) == (1, "passed", 3)


def test_a_finding_lowered_to_info_does_not_count() -> None:
    (outcome,), findings = run_rules([bound(flags(1, 2, severity="info"))], frames(), CONTEXT)
    assert (outcome.status, outcome.flagged) == ("passed", 0)
    assert findings["severity"].to_list() == ["info", "info"]


def test_no_tolerance_covers_a_finding_about_the_file_or_the_dataset() -> None:
    def run(frames: Frames, params: Nothing, context: Context) -> Measurement:
        """Finds that a file is broken."""
        return Measurement(found(pl.DataFrame({"file": ["a.parquet"], "message": ["corrupt"]})), 4)

    (outcome,), _ = run_rules([bound(run, replace(RULE, tolerate=0.9))], frames(), CONTEXT)
    assert outcome.status == "failed"


def test_severity_and_remedy_are_the_rules_where_the_check_left_them() -> None:
    _, findings = run_rules([bound(flags(1)), bound(flags(2, remedy="review"))], frames(), CONTEXT)
    assert findings.select("row", "rule", "severity", "remedy").rows() == [
        (1, "a_rule", "error", "drop"),
        (2, "a_rule", "error", "review"),
    ]


def test_a_crash_ends_the_rule_as_errored_and_shows_nothing_of_the_data() -> None:
    def run(frames: Frames, params: Nothing, context: Context) -> Measurement:
        """Crashes on a value."""
        raise ValueError("could not read 'jane.roe@corp.test' or AKIAIOSFODNN7EXAMPLE")

    (broken, fine), findings = run_rules([bound(run), bound(flags(), name="b")], frames(), CONTEXT)
    assert (broken.status, fine.status, findings.height) == ("errored", "passed", 0)
    assert broken.reason is not None
    assert broken.trace is not None
    assert "ValueError at test_run.py:" in broken.reason
    for text in (broken.reason, broken.trace):
        assert "jane.roe" not in text
        assert "AKIAIOSFODNN7EXAMPLE" not in text


def test_a_check_that_could_not_measure_says_why_without_a_traceback() -> None:
    def run(frames: Frames, params: Nothing, context: Context) -> Measurement:
        """Cannot measure."""
        raise CheckFailed("the suite could not be evaluated")

    (outcome,), _ = run_rules([bound(run)], frames(), CONTEXT)
    assert (outcome.status, outcome.reason, outcome.trace) == ("errored", "the suite could not be evaluated", None)


def test_what_a_person_can_mend_is_kept_apart_from_a_crash() -> None:
    crash = crash_of(MissingDependency("no model", remedy="install it"))
    assert isinstance(crash.error, MissingDependency)
    assert crash_of(ValueError("x")).error is None


@pytest.mark.parametrize("measurement", [Measurement(NOTHING_FOUND, 0), Measurement(NOTHING_FOUND, 4, skipped="none")])
def test_nothing_to_look_at_is_skipped_with_a_reason_never_passed(measurement: Measurement) -> None:
    def run(frames: Frames, params: Nothing, context: Context) -> Measurement:
        """Has nothing to measure."""
        return measurement

    (outcome,), _ = run_rules([bound(run)], frames(), CONTEXT)
    assert outcome.status == "skipped"
    assert outcome.reason


def test_a_check_leaves_alone_the_rows_that_the_one_it_yields_to_drops() -> None:
    exact = bound(flags(1, 2), replace(RULE, id="exact"), name="exact")
    near = bound(flags(2, 3), replace(RULE, id="near"), name="near", yields_to=("exact",))
    (_, second), findings = run_rules([exact, near], frames(), CONTEXT)
    assert second.flagged == 1
    assert findings.select("rule", "row").rows() == [("exact", 1), ("exact", 2), ("near", 3)]
    (alone,), _ = run_rules([near], frames(), CONTEXT)
    assert alone.flagged == 2


def test_it_leaves_nothing_alone_that_a_person_is_only_to_look_at() -> None:
    exact = bound(flags(1, 2, remedy="review"), replace(RULE, id="exact"), name="exact")
    near = bound(flags(2, 3), replace(RULE, id="near"), name="near", yields_to=("exact",))
    (_, second), _ = run_rules([exact, near], frames(), CONTEXT)
    assert second.flagged == 2


def test_findings_come_worst_first_then_by_file_and_row() -> None:
    rules = [bound(flags(3), replace(RULE, id="w", severity="warning")), bound(flags(4, 1))]
    _, findings = run_rules(rules, frames(), CONTEXT)
    assert findings.select("severity", "row").rows() == [("error", 1), ("error", 4), ("warning", 3)]
