"""A suite of Great Expectations' becomes findings: on rows, on the dataset, or none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.expectations import ExpectationsParams, expectations
from gate.checks.great_expectations_columns import CANONICAL
from gate.checks.great_expectations_suite import known_types, read_suite
from gate.checks.great_expectations_worker import Table, evaluate
from gate.data.frame import EXAMPLES, KINDS, MALFORMED, Kind
from gate.data.read import read
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.folders import Folders

Run = Callable[..., Measurement]


class Here:
    """Runs what is submitted in this process, and remembers what it was handed."""

    cores = 1

    def __init__(self) -> None:
        self.handed: list[tuple[Any, ...]] = []

    def submit(self, lane: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        assert lane == "great_expectations"
        self.handed.append(args)
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


def turn(role: str, content: str) -> dict[str, object]:
    return {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}


def chats(answers: Iterable[str], sources: Iterable[dict[str, object]] | None = None) -> Frames:
    """One chat per answer, with the records they were read from."""
    answers = list(answers)
    records = list(sources) if sources is not None else [{"question": "Why?", "answer": each} for each in answers]
    rows = [
        {
            "id": f"id{at}",
            "file": "a.jsonl",
            "row": at,
            "shape": "question_answer",
            "kind": "chat",
            "messages": [turn("user", "Why?"), turn("assistant", answer)],
            "source": json.dumps(record),
        }
        for at, (answer, record) in enumerate(zip(answers, records, strict=True), start=1)
    ]
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def expect(kind: str, **kwargs: object) -> dict[str, object]:
    return {"type": kind, "kwargs": kwargs}


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def run(tmp_path: Path, here: Here) -> Run:
    """Runs a suite of these expectations over frames."""

    def run(frames: Frames, *entries: dict[str, object]) -> Measurement:
        (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": entries}))
        return expectations.run(frames, ExpectationsParams(suite="suite.json"), Context(here, Folders(tmp_path)))

    return run


def test_a_row_level_expectation_finds_the_rows_that_fail_it(run: Run) -> None:
    entry = expect("expect_column_values_to_be_between", column="response_chars", max_value=3)
    measured = run(chats(["Yes", "No idea", "No", "Certainly"]), entry | {"meta": {"rule": "short-answers"}})
    assert measured.findings.schema == FOUND
    assert measured.findings["row"].to_list() == [2, 4]
    assert measured.findings["id"].to_list() == ["id2", "id4"]
    assert measured.findings["code"].unique().to_list() == ["expect_column_values_to_be_between"]
    assert measured.findings["field"].unique().to_list() == ["response_chars"]
    assert measured.findings["message"][0] == (
        "short-answers: response_chars does not meet expect_column_values_to_be_between (max_value 3)"
    )
    assert measured.examined == 4
    assert measured.figures == {"expectations": 1, "met": 0, "rows_unexpected": 2, "rows_within_mostly": 0}


def test_an_aggregate_finds_the_dataset_with_what_it_observed(run: Run) -> None:
    entry = expect("expect_column_mean_to_be_between", column="response_chars", min_value=10)
    (finding,) = run(chats(["Yes", "Maybe"]), entry).findings.to_dicts()
    assert (finding["id"], finding["file"], finding["row"], finding["remedy"]) == (None, None, None, "review")
    assert finding["message"] == (
        "response_chars does not meet expect_column_mean_to_be_between (min_value 10): observed 4"
    )
    assert finding["score"] == 6.0  # how far beyond what is asked


def test_rows_within_mostly_are_no_findings_and_are_counted(run: Run) -> None:
    frames = chats(["Yes", "No", "Certainly", "No"])
    entry = expect("expect_column_values_to_be_between", column="response_chars", max_value=3, mostly=0.75)
    measured = run(frames, entry)
    assert measured.findings.is_empty()
    assert measured.figures["rows_within_mostly"] == 1
    stricter = expect("expect_column_values_to_be_between", column="response_chars", max_value=3, mostly=0.8)
    assert run(frames, stricter).findings["row"].to_list() == [3]


def test_severity_info_of_the_suite_lowers_the_rules_own_and_others_leave_it(run: Run) -> None:
    entry = expect("expect_column_values_to_be_between", column="response_chars", max_value=3)
    for severity, lowered in (("info", "info"), ("warning", None), ("critical", None)):
        (finding,) = run(chats(["Perhaps"]), entry | {"severity": severity}).findings.to_dicts()
        assert finding["severity"] == lowered


def test_two_expectations_of_one_type_about_one_column_are_both_run(run: Run) -> None:
    measured = run(
        chats(["Yes", "Perhaps"]),
        expect("expect_column_value_lengths_to_be_between", column="response", min_value=5),
        expect("expect_column_value_lengths_to_be_between", column="response", max_value=5),
    )
    assert sorted(measured.findings["row"].to_list()) == [1, 2]
    assert measured.figures["expectations"] == 2


def test_results_find_back_to_their_expectations_whatever_order_gx_gives_them_in(run: Run) -> None:
    # GX puts aggregates and row-level results in an order of its own.
    measured = run(
        chats(["Yes", "Perhaps"]),
        expect("expect_column_values_to_be_in_set", column="response", value_set=["Yes"]),
        expect("expect_column_max_to_be_between", column="turns", max_value=1),
        expect("expect_table_row_count_to_equal", value=3),
        expect("expect_column_values_to_not_be_null", column="split"),
        expect("expect_column_values_to_be_unique", column="response"),
        expect("expect_column_median_to_be_between", column="response_chars", max_value=100),
    )
    assert measured.findings.select("code", "field", "row").rows() == [
        ("expect_column_values_to_be_in_set", "response", 2),
        ("expect_column_max_to_be_between", "turns", None),
        ("expect_table_row_count_to_equal", None, None),
        ("expect_column_values_to_not_be_null", "split", 1),
        ("expect_column_values_to_not_be_null", "split", 2),
    ]
    assert measured.findings["score"].to_list() == [None, 1.0, None, None, None]


@pytest.mark.parametrize("column", CANONICAL)
def test_every_canonical_column_can_be_named(run: Run, column: str) -> None:
    entry = expect("expect_column_values_to_be_null", column=column)
    measured = run(chats(["Yes"]), entry)
    assert measured.figures["expectations"] == 1
    assert measured.examined == 1


def test_slots_that_a_template_left_unfilled_are_counted_in_prose_only(run: Run) -> None:
    answers = ["I am {{name}}, by {{ author }}.", "Write `{{name}}`.", "<b>{{name}}</b>", "I am Ada."]
    measured = run(chats(answers), expect("expect_column_values_to_be_between", column="unfilled_slots", max_value=0))
    assert measured.findings["row"].to_list() == [1]


def test_source_columns_keep_their_types_and_a_prefix_reaches_those_that_a_canonical_one_hides(run: Run) -> None:
    records: list[dict[str, object]] = [
        {"stars": 4, "price": 1.5, "ok": True, "prompt": "raw", "tags": ["a"], "lang": "en"},
        {"stars": 5, "price": None, "ok": False, "prompt": "raw", "tags": [], "lang": "de"},
    ]
    measured = run(
        chats(["Yes", "No"], records),
        expect("expect_column_values_to_be_of_type", column="stars", type_="int64"),
        expect("expect_column_values_to_be_of_type", column="price", type_="float64"),
        expect("expect_column_values_to_be_of_type", column="ok", type_="bool"),
        expect("expect_column_values_to_be_of_type", column="lang", type_="str"),
        expect("expect_column_values_to_be_of_type", column="lang", type_="object"),
        expect("expect_column_values_to_be_between", column="stars", max_value=4),
        expect("expect_column_values_to_be_in_set", column="prompt", value_set=["Why?"]),
        expect("expect_column_values_to_be_in_set", column="source.prompt", value_set=["raw"]),
    )
    assert measured.findings.select("field", "row").rows() == [("stars", 2)]


def test_expectations_about_columns_see_the_source_columns_in_their_order_and_nothing_else(run: Run) -> None:
    frames = chats(["Yes", "No"], [{"b": 1, "a": 2}, {"a": 2, "c": None}])
    measured = run(
        frames,
        expect("expect_table_columns_to_match_ordered_list", column_list=["b", "a", "c"]),
        expect("expect_table_columns_to_match_set", column_set=["a", "b", "c"]),
        expect("expect_table_column_count_to_equal", value=3),
        expect("expect_column_to_exist", column="a", column_index=1),
        expect("expect_column_values_to_be_between", column="response_chars", max_value=2),
    )
    assert measured.findings.select("code", "row").rows() == [("expect_column_values_to_be_between", 1)]
    missing = run(frames, expect("expect_column_to_exist", column="d"))
    assert missing.findings.select("code", "field", "row").rows() == [("expect_column_to_exist", "d", None)]
    assert run(frames, expect("expect_column_to_exist", column="response_chars")).findings.is_empty()


def test_row_conditions_may_be_about_other_columns(run: Run) -> None:
    frames = chats(["Yes", "Perhaps", "Certainly"], [{"lang": "en"}, {"lang": "de"}, {"lang": "en"}])
    short = {"column": "response_chars", "max_value": 3}
    text = expect("expect_column_values_to_be_between", **short, row_condition='lang=="en"', condition_parser="pandas")
    assert run(frames, text).findings["row"].to_list() == [3]
    condition = {"type": "comparison", "column": {"name": "lang"}, "operator": "==", "parameter": "de"}
    structured = expect("expect_column_values_to_be_between", **short, row_condition=condition)
    assert run(frames, structured).findings["row"].to_list() == [2]


def test_only_what_the_suite_names_is_handed_to_gx(run: Run, here: Here) -> None:
    run(chats(["Yes"]), expect("expect_column_values_to_be_between", column="full_chars", max_value=9))
    assert not here.handed, "a look at the column settles it"
    run(chats(["Yes"]), expect("expect_column_values_to_be_between", column="full_chars", max_value=1))
    table = here.handed[-1][2]
    assert isinstance(table, Table)
    assert (table.canonical.columns, table.listed) == (["full_chars"], {})


def test_the_source_is_asked_for_only_where_a_suite_names_its_columns(tmp_path: Path) -> None:
    def needed(entry: dict[str, object]) -> bool:
        (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": [entry]}))
        return expectations.needs_source(ExpectationsParams(suite="suite.json"), Folders(tmp_path))

    assert not needed(expect("expect_column_values_to_not_be_null", column="prompt"))
    assert not needed(expect("expect_table_row_count_to_be_between", min_value=1))
    assert needed(expect("expect_column_values_to_not_be_null", column="question"))
    assert needed(expect("expect_column_values_to_not_be_null", column="source.prompt"))
    assert needed(expect("expect_table_column_count_to_equal", value=2))


def test_a_suite_that_gx_saved_elsewhere_is_judged_as_gx_judges_it_there(tmp_path: Path, here: Here) -> None:
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pandas as pd

    records: list[dict[str, object]] = [
        {"question": f"What is {at} + {at}?", "answer": str(2 * at), "level": at % 4, "tag": None if at % 5 else "x"}
        for at in range(40)
    ]
    made = [
        gxe.ExpectTableRowCountToBeBetween(min_value=10),
        gxe.ExpectTableColumnsToMatchOrderedList(column_list=["question", "answer", "level", "tag"]),
        gxe.ExpectColumnValuesToBeBetween(column="level", min_value=1, max_value=3),
        gxe.ExpectColumnValuesToBeBetween(column="level", min_value=1, max_value=3, mostly=0.7),
        gxe.ExpectColumnValuesToNotBeNull(column="tag"),
        gxe.ExpectColumnValuesToMatchRegex(column="answer", regex=r"^\d{2}$"),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A="level", column_B="level", or_equal=True),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=["level", "answer"]),
        gxe.ExpectColumnValueLengthsToEqual(column="answer", value=2),
        gxe.ExpectColumnMedianToBeBetween(column="level", min_value=2, max_value=3),
        gxe.ExpectColumnDistinctValuesToEqualSet(column="level", value_set=[0, 1, 2, 3]),
    ]
    suite = gx.ExpectationSuite(name="elsewhere", expectations=made)
    (tmp_path / "saved.json").write_text(json.dumps(suite.to_json_dict()))

    batch = gx.get_context(mode="ephemeral").data_sources.pandas_default.read_dataframe(pd.DataFrame(records))
    oracle = batch.validate(suite, result_format="COMPLETE")
    failed = {
        (each.expectation_config.type, each.expectation_config.kwargs.get("column"), row)
        for each in oracle.results
        if not each.success
        for row in (each.result.get("unexpected_index_list") or [None])
    }
    frames = chats(["Yes"] * 40, records)
    measured = expectations.run(frames, ExpectationsParams(suite="saved.json"), Context(here, Folders(tmp_path)))
    ours = {(code, field, row and row - 1) for code, field, row in measured.findings["code", "field", "row"].rows()}
    assert ours == failed
    assert len({code for code, *_ in failed}) == 5
    assert measured.figures["met"] == sum(bool(each.success) for each in oracle.results)


def test_it_runs_in_a_worker_process(tmp_path: Path) -> None:
    entry = expect("expect_column_values_to_be_between", column="response_chars", max_value=3)
    (tmp_path / "suite.json").write_text(json.dumps({"name": "suite", "expectations": [entry]}))
    params = ExpectationsParams(suite="suite.json")
    with LocalEngine() as engine:
        context = Context(engine, Folders(tmp_path))
        expectations.warm(params, context)
        measured = expectations.run(chats(["Yes", "Perhaps"]), params, context)
    assert measured.findings["row"].to_list() == [2]


def test_gx_has_no_type_that_is_unknown_here() -> None:
    import great_expectations  # noqa: F401
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    assert set(list_registered_expectation_implementations()) <= set(known_types())
    assert set(known_types()) <= set(expectations.codes)


@pytest.mark.parametrize("kind", KINDS)
def test_our_suites_are_what_gx_itself_would_save(kind: str) -> None:
    import great_expectations as gx

    path = Folders().find(f"rules/expectations/{kind}.json")
    assert path is not None
    ours = json.loads(path.read_text())
    suite = gx.ExpectationSuite(**ours)
    saved = {key: value for key, value in suite.to_json_dict().items() if value is not None}
    assert saved == ours
    rules = [each["meta"]["rule"] for each in ours["expectations"]]
    assert len(set(rules)) == len(rules)
    assert all(each["notes"] for each in ours["expectations"])


@pytest.mark.parametrize("kind", KINDS)
def test_our_suites_need_no_source(kind: str) -> None:
    assert len(read_suite(kind, Folders()).expectations) >= 3
    assert not expectations.needs_source(ExpectationsParams(suite=kind), Folders())


def test_the_examples_of_the_rule_reference_do_what_they_say(here: Here, tmp_path: Path) -> None:
    for records, codes in (
        (expectations.fails, ["expect_column_unique_value_count_to_be_between"]),
        (expectations.passes, []),
    ):
        path = tmp_path / "data.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        dataset = read([path])
        frames = Frames(dataset.examples, dataset.malformed)
        measured = expectations.run(frames, ExpectationsParams(suite="feedback"), Context(here, Folders()))
        assert measured.findings["code"].to_list() == codes


def test_a_worker_that_imported_gx_sends_nothing_home() -> None:
    import great_expectations as gx

    evaluate([], frozenset(), Table(1, pl.DataFrame({"a": [1]})), (), frozenset())
    context = gx.get_context(mode="ephemeral")
    assert context.config.analytics_enabled is False or context.variables.analytics_enabled is not True


@pytest.mark.parametrize("kind", KINDS)
def test_real_datasets_meet_our_suites(shared_data: Path, here: Here, kind: Kind) -> None:
    dataset = read([shared_data])
    of_kind = Frames(dataset.examples.filter(pl.col("kind") == kind), dataset.malformed.clear())
    measured = expectations.run(of_kind, ExpectationsParams(suite=kind), Context(here, Folders()))
    assert measured.examined == of_kind.examples.height > 0
    assert measured.findings.is_empty()
