"""Great Expectations passes what it did not judge, and quotes cells where it fails. None of either comes out here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gate.checks.base import CheckFailed, Context, Measurement
from gate.checks.expectations import ExpectationsParams, expectations
from gate.checks.great_expectations_results import judged, with_rows
from gate.checks.great_expectations_suite import known_types, read_suite
from gate.checks.great_expectations_worker import Evaluation, Table, evaluate, warm
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import GateError, PolicyError
from gate.folders import Folders

Run = Callable[..., Measurement]

SECRET = "hunter2-zebra"
SECRET_NUMBER = 987654321012


class Here:
    """Runs what is submitted in this process."""

    cores = 1

    def submit(self, lane: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def frames(*records: dict[str, object]) -> Frames:
    """One chat per record; its messages do not matter here."""
    messages = [
        {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}
        for role, content in (("user", "Why?"), ("assistant", "Because."))
    ]
    rows = [
        {
            "id": f"id{at}",
            "file": "a.jsonl",
            "row": at,
            "kind": "chat",
            "messages": messages,
            "source": json.dumps(each),
        }
        for at, each in enumerate(records, start=1)
    ]
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def expect(kind: str, **kwargs: object) -> dict[str, object]:
    return {"type": kind, "kwargs": kwargs}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a suite over frames: a list of expectations, or the content of the file."""

    def run(examples: Frames, content: object) -> Measurement:
        if isinstance(content, list):
            content = {"name": "suite", "expectations": content}
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "suite.json").write_text(text)
        return expectations.run(examples, ExpectationsParams(suite="suite.json"), Context(Here(), Folders(tmp_path)))

    return run


ROWS = expect("expect_table_row_count_to_be_between", min_value=1)
ONE = ({"note": "a", "stars": 1},)


# ── what the file says ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([ROWS, expect("expect_column_values_to_be_sensible", column="note")], "has no expectation"),
        ([ROWS, expect("expect_column_values_to_be_betwen", column="note")], "did you mean"),
        ([], "the suite is empty"),
        ({"name": "suite"}, "no list of `expectations`"),
        ([ROWS, "expect_column_to_exist"], "an object with a `type`"),
        ([ROWS, {"type": "expect_column_to_exist", "kwargs": []}], "`kwargs` must be an object"),
        ('{"name": "suite", "expectations": [', "not JSON: line 1"),
        ("[]", "not a suite"),
        ({"expectation_suite_name": "old", "expectations": []}, "before 1.0"),
        ([{"expectation_type": "expect_column_to_exist", "kwargs": {"column": "note"}}], "before 1.0"),
        ([expect("expect_column_max_to_be_between", column="stars", max_value={"$PARAMETER": "top"})], "'top'"),
        (
            [expect("expect_column_to_exist", column="note") | {"kwargs": {"row_condition": "@exit()"}}],
            "Python objects",
        ),
    ],
)
def test_a_file_that_gx_would_run_in_part_or_not_at_all_is_a_policy_error_before_anything_runs(
    run: Run, tmp_path: Path, content: object, says: str
) -> None:
    with pytest.raises(PolicyError, match=r"suite\.json") as error:
        run(frames(*ONE), content)
    assert says in str(error.value)
    with pytest.raises(PolicyError), LocalEngine() as engine:
        expectations.warm(ExpectationsParams(suite="suite.json"), Context(engine, Folders(tmp_path)))


@pytest.mark.parametrize(
    "entry",
    [
        expect("expect_table_row_count_to_be_between"),
        expect("expect_column_values_to_be_between", column="stars", min_value=None),
        expect("expect_column_values_to_match_regex", column="note"),
        expect("expect_column_values_to_be_in_set", column="note", value_set=None),
        expect("expect_column_distinct_values_to_be_in_set", column="note"),
        expect("expect_column_values_to_be_of_type", column="note"),
        expect("expect_table_columns_to_match_set"),
    ],
    ids=lambda entry: str(entry["type"]),
)
def test_an_expectation_that_expects_nothing_is_a_policy_error(run: Run, entry: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match="expects nothing"):
        run(frames(*ONE), [entry])


def test_whatever_gx_passes_without_arguments_is_refused_or_needs_none(tmp_path: Path) -> None:
    import great_expectations as gx
    import pandas as pd
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    frame = pd.DataFrame({"a": [1, 2, 3], "b": [5, 6, 7]})
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = context.data_sources.pandas_default.read_dataframe(frame)
    columns = ({"column": "a"}, {"column_A": "a", "column_B": "b"}, {"column_list": ["a", "b"]}, {})
    passing = set()
    for kind in known_types():
        for kwargs in columns if not kind.startswith("expect_table") else [{}]:
            try:
                built = ExpectationConfiguration(type=kind, kwargs=dict(kwargs)).to_domain_obj()
                passed = bool(batch.validate(built).success)
            except Exception:  # noqa: BLE001 - whatever GX refuses does not pass
                continue
            try:
                (tmp_path / "s.json").write_text(json.dumps({"expectations": [{"type": kind, "kwargs": kwargs}]}))
                read_suite("s.json", Folders(tmp_path))
            except PolicyError:
                passed = False
            passing |= {kind} if passed else set()
    assert passing == {
        "expect_column_to_exist",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_not_be_outliers",
        "expect_compound_columns_to_be_unique",
        "expect_select_column_values_to_be_unique_within_record",
    }


def test_a_suite_that_is_not_there_is_a_policy_error_that_names_those_that_are(tmp_path: Path) -> None:
    context = Context(Here(), Folders(tmp_path))
    with pytest.raises(PolicyError, match=r"(?s)no suite 'chatt'.*did you mean 'chat'"):
        expectations.run(frames(*ONE), ExpectationsParams(suite="chatt"), context)
    with pytest.raises(PolicyError, match="no suite at"):
        expectations.run(frames(*ONE), ExpectationsParams(suite="mine.json"), context)
    with pytest.raises(PolicyError, match="no folder"):
        expectations.run(frames(*ONE), ExpectationsParams(suite="mine.json"), Context(Here(), Folders()))


def test_a_path_cannot_leave_the_users_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({"name": "x", "expectations": [ROWS]}))
    (home / "link.json").symlink_to(outside)
    for name in ("../outside.json", str(outside), "link.json", "a/../../outside.json"):
        with pytest.raises(PolicyError, match="leads out"):
            expectations.run(frames(*ONE), ExpectationsParams(suite=name), Context(Here(), Folders(home)))
    with pytest.raises(PolicyError, match="no suite"):
        expectations.run(frames(*ONE), ExpectationsParams(suite="../expectations/chat"), Context(Here(), Folders(home)))


@pytest.mark.parametrize(
    "entry",
    [
        expect("expect_column_values_to_be_between", column="stars", max_value=1, mostly=2),
        expect("expect_column_values_to_be_between", colum="stars", max_value=1),
        expect("expect_column_values_to_be_in_set", column="stars", value_set=3),
        expect("expect_column_value_z_scores_to_be_less_than", column="stars", double_sided=True),
    ],
)
def test_arguments_that_gx_does_not_take_are_a_policy_error(run: Run, entry: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=r"suite.json: expectations\[1\].*does not take its arguments"):
        run(frames(*ONE), [ROWS, entry])


# ── what GX makes of it ────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_frame_is_never_handed_to_gx_where_mostly_would_pass(run: Run) -> None:
    entry = expect("expect_column_values_to_be_between", column="turns", min_value=1000, mostly=0.5)
    measured = run(frames(), [entry])
    assert measured.skipped is not None
    assert measured.examined == 0


@pytest.mark.parametrize("column", ["system", "nothing"])
def test_an_expectation_without_a_single_value_to_judge_does_not_pass(run: Run, column: str) -> None:
    rows = frames({"nothing": None, "lang": "en"}, {"nothing": None, "lang": "de"})
    entries = [
        expect("expect_column_values_to_match_regex", column=column, regex="^x", mostly=0.5),
        expect("expect_column_distinct_values_to_be_in_set", column=column, value_set=["x"]),
    ]
    findings = run(rows, entries).findings
    assert findings["code"].to_list() == ["nothing_evaluated", "nothing_evaluated"]
    assert findings["row"].to_list() == [None, None]
    # A condition that no row meets is the suite's own intention.
    conditional = expect(
        "expect_column_values_to_match_regex",
        column="lang",
        regex="^x",
        row_condition='lang=="fr"',
        condition_parser="pandas",
    )
    assert run(rows, [conditional]).findings.is_empty()
    assert run(rows, [expect("expect_column_values_to_be_null", column=column)]).findings.is_empty()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (expect("expect_column_values_to_not_be_null", column="nope"), "no example has a column 'nope'"),
        (expect("expect_column_values_to_not_be_null", column="not"), "did you mean 'note'"),
        (expect("expect_column_pair_values_to_be_equal", column_A="note", column_B="source.x"), "'source.x'"),
        (expect("expect_column_stdev_to_be_between", column="stars", max_value=3), "not a number"),
        (expect("expect_column_mean_to_be_between", column="system_chars", max_value=3), "not a number"),
        # `exception_info`, flat:
        (expect("unexpected_rows_expectation", unexpected_rows_query="select * from {batch}"), "raised"),
        # … and by metric:
        (expect("expect_column_values_to_be_between", column="note", min_value=1), "raised TypeError"),
        (expect("expect_column_values_to_match_regex", column="note", regex="("), "raised"),
        (expect("expect_column_values_to_match_like_pattern", column="note", like_pattern="a%"), "raised"),
        (
            expect(
                "expect_column_values_to_not_be_null",
                column="note",
                row_condition="missing > 1",
                condition_parser="pandas",
            ),
            "raised",
        ),
    ],
)
def test_an_expectation_that_gx_cannot_evaluate_is_an_error_that_names_it(
    run: Run, entry: dict[str, object], says: str
) -> None:
    with pytest.raises(CheckFailed, match=r"suite.json: expectations\[1\]") as error:
        run(frames(*ONE), [ROWS, entry])
    assert str(entry["type"]) in str(error.value)
    assert says in str(error.value)
    assert not isinstance(error.value, GateError)


def test_records_that_are_not_at_hand_are_an_error(run: Run) -> None:
    examples = frames(*ONE, *ONE).examples.with_columns(source=pl.Series([None, '{"note": "a"}'], dtype=pl.String))
    with pytest.raises(CheckFailed, match="not at hand"):
        run(Frames(examples, pl.DataFrame(schema=MALFORMED)), [expect("expect_column_to_exist", column="note")])


def test_a_result_that_gx_lost_is_an_error() -> None:
    entry = ("expect_table_row_count_to_be_between", {"min_value": 1})
    lost = judged(0, None, None, entry, frozenset())  # type: ignore[arg-type]
    assert not lost.success
    assert lost.error == "Great Expectations returned no result for it"


def test_fewer_results_than_expectations_are_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.datasource.fluent.interfaces import Batch

    whole = Batch.validate

    def loses_one(self: Batch, *args: Any, **kwargs: Any) -> Any:
        result = whole(self, *args, **kwargs)
        result.results.pop()
        return result

    monkeypatch.setattr(Batch, "validate", loses_one)
    with pytest.raises(CheckFailed, match="returned no result"):
        run(frames(*ONE), [ROWS, expect("expect_column_values_to_not_be_null", column="note")])


def test_a_worker_that_answers_for_fewer_expectations_than_it_was_given_is_an_error(tmp_path: Path) -> None:
    class Forgetful(Here):
        def submit(self, lane: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(Evaluation(function(*args, **kwargs).results[:-1]))
            return future

    entries = [ROWS, expect("expect_column_values_to_not_be_null", column="id")]
    (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": entries}))
    with pytest.raises(CheckFailed, match="1 of 2 expectations were evaluated"):
        expectations.run(frames(*ONE), ExpectationsParams(suite="suite.json"), Context(Forgetful(), Folders(tmp_path)))


def test_rows_that_gx_counts_and_does_not_name_are_an_error() -> None:
    class Half:
        exception_info: dict[str, object] = {}  # noqa: RUF012 - stands for one of GX's results
        result = {"unexpected_index_list": [0]}  # noqa: RUF012

    entries = [("expect_column_values_to_be_in_set", {"column": "a", "value_set": [9]})]
    table = Table(2, pl.DataFrame({"a": [1, 2]}))
    (basic,) = evaluate(entries, frozenset(), table, (), frozenset()).results
    assert basic.rows == (0, 1)
    assert with_rows(basic, Half()).error == "2 rows failed, 1 were named"
    assert with_rows(basic, None).error is not None


# ── what never comes out ───────────────────────────────────────────────────────────────────────────────────────


LEAKY = [
    expect("expect_column_distinct_values_to_be_in_set", column="note", value_set=["x"]),
    expect("expect_column_distinct_values_to_contain_set", column="note", value_set=["x"]),
    expect("expect_column_distinct_values_to_equal_set", column="note", value_set=["x"]),
    expect("expect_column_most_common_value_to_be_in_set", column="note", value_set=["x"]),
    expect("expect_column_values_to_be_in_set", column="note", value_set=["x"]),
    expect("expect_column_values_to_not_match_regex", column="note", regex="[a-z]"),
    expect("expect_column_max_to_be_between", column="phone", max_value=1),
    expect("expect_column_min_to_be_between", column="phone", max_value=1),
    expect("expect_column_sum_to_be_between", column="phone", max_value=1),
    expect("expect_column_mean_to_be_between", column="phone", max_value=1),
    expect("expect_column_median_to_be_between", column="phone", max_value=1),
    expect(
        "expect_column_quantile_values_to_be_between",
        column="phone",
        quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 1]]},
    ),
    expect("expect_column_values_to_be_between", column="phone", max_value=1),
    expect("expect_column_pair_values_to_be_equal", column_A="note", column_B="phone"),
    expect("expect_compound_columns_to_be_unique", column_list=["note", "phone"]),
]

RAISING = [
    expect("expect_column_values_to_be_between", column="note", min_value=1),
    expect("expect_column_mean_to_be_between", column="note", min_value=1),
    expect("expect_column_values_to_match_json_schema", column="note", json_schema={"type": "object"}),
    expect("expect_column_value_z_scores_to_be_less_than", column="note", threshold=1, double_sided=True),
    expect("expect_column_values_to_match_strftime_format", column="phone", strftime_format="%Y"),
    expect("expect_multicolumn_sum_to_equal", column_list=["note", "phone"], sum_total=1),
    expect("expect_column_kl_divergence_to_be_less_than", column="note", threshold=1, partition_object={"x": 1}),
]


def secretive() -> Frames:
    return frames(*[{"note": SECRET, "phone": SECRET_NUMBER}] * 3)


def said(*texts: object) -> bool:
    everything = " ".join(map(str, texts)).replace(",", "")
    return "hunter2" in everything or "zebra" in everything or str(SECRET_NUMBER)[:9] in everything


def test_no_cell_value_is_in_any_finding(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    with pl.Config(fmt_str_lengths=10_000, tbl_rows=-1, tbl_cols=-1):
        measured = run(secretive(), LEAKY)
        assert measured.figures["met"] == 0
        assert not said(measured.findings.to_dicts(), measured.figures)
    assert not said(*capfd.readouterr())


@pytest.mark.parametrize("entry", RAISING, ids=lambda entry: str(entry["type"]))
def test_no_cell_value_is_in_an_error_or_on_the_terminal(
    tmp_path: Path, entry: dict[str, object], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": [entry]}))
    params, context = ExpectationsParams(suite="suite.json"), Context(Here(), Folders(tmp_path))
    with caplog.at_level(logging.DEBUG):
        try:
            outcome: object = expectations.run(secretive(), params, context).findings.to_dicts()
            error = None
        except CheckFailed as raised:
            outcome, error = None, raised
    assert outcome != []
    assert not said(outcome, error, error and error.__cause__, error and error.__context__)
    assert not said(*capfd.readouterr(), caplog.text)


def test_what_gx_would_log_of_an_exception_is_switched_off() -> None:
    warm()
    assert not logging.getLogger("great_expectations.validator.validator").isEnabledFor(logging.CRITICAL)


def test_a_worker_keeps_quiet_about_cells_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": [*LEAKY, *RAISING]}))
    params = ExpectationsParams(suite="suite.json")
    with LocalEngine() as engine:
        context = Context(engine, Folders(tmp_path))
        with pytest.raises(CheckFailed) as error:
            expectations.run(secretive(), params, context)
    assert not said(error.value)
    printed = capfd.readouterr()
    assert not said(*printed)
    assert printed.out == printed.err == ""


def test_a_statistic_of_what_gate_measured_is_shown_and_one_of_the_data_is_not(run: Run) -> None:
    entries = [
        expect("expect_column_max_to_be_between", column="turns", max_value=1),
        expect("expect_column_max_to_be_between", column="stars", max_value=1),
        expect("expect_column_unique_value_count_to_be_between", column="stars", min_value=9),
    ]
    findings = run(frames({"stars": 41}, {"stars": 42}), entries).findings
    assert [": observed 2" in message for message in findings["message"]] == [True, False, True]
    assert findings["score"].to_list() == [1.0, None, 7.0]  # how far beyond what is asked


def test_a_regular_expression_that_never_ends_is_an_error_within_the_bound(tmp_path: Path) -> None:
    endless = expect("expect_column_values_to_match_regex", column="response", regex="^(?=(a+)+$)")
    (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": [endless]}))
    rows = frames({"note": "a"})
    texts = [[{"role": "assistant", "content": "a" * 60 + "!"}]] * rows.examples.height
    hostile = Frames(rows.examples.with_columns(messages=pl.Series(texts, dtype=EXAMPLES["messages"])), rows.malformed)
    with LocalEngine() as engine, pytest.raises(CheckFailed, match="took more than 8 s"):
        expectations.run(hostile, ExpectationsParams(suite="suite.json", timeout=8), Context(engine, Folders(tmp_path)))
