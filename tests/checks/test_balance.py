"""Which proportions of labels, categories and sources are found, and that no value that may be private is shown."""

from __future__ import annotations

import json
from typing import cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.balance import BalanceParams, balance
from gate.checks.base import Context, Measurement
from gate.checks.meta_columns import meta_value, shown
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
PARAMS = BalanceParams(
    columns=("category", "about.topic"),
    sources=("source",),
    max_share=0.8,
    max_ratio=10,
    max_source_share=0.9,
    max_categories=5,
    minimum_rows=10,
)


def frames(*rows: dict[str, object]) -> Frames:
    placed = [{"id": str(at), "file": "a.jsonl", "row": at, "kind": "chat", **row} for at, row in enumerate(rows)]
    return Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def meta(**values: object) -> dict[str, object]:
    return {"meta": json.dumps(values)}


def measure(*rows: dict[str, object], params: BalanceParams = PARAMS) -> Measurement:
    return balance.run(frames(*rows), params, CONTEXT)


def categories(*counts: int, name: str = "category") -> list[dict[str, object]]:
    return [meta(**{name: chr(97 + at)}) for at, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("counts", "code", "score"),
    [
        ((8, 2), None, None),
        ((9, 1), "dominant", 0.1),
        ((10,), "dominant", 0.2),
        ((50, 40, 5), None, None),
        ((50, 40, 4), "imbalance", 0.25),
        ((9, 1, 1, 1, 1, 1), "not_a_category", 0.0),
        ((8, 1), None, None),  # too few rows to say
    ],
)
def test_a_category_is_judged_by_its_shares(counts: tuple[int, ...], code: str | None, score: float | None) -> None:
    found = measure(*categories(*counts)).findings
    assert found.select("code", "group").rows() == ([(code, "category")] if code else [])
    assert found["score"].to_list() == ([pytest.approx(score)] if code else [])


def test_the_label_of_feedback_is_a_category() -> None:
    labels = [{"kind": "feedback", "label": at < 19} for at in range(20)]
    assert measure(*labels).findings.select("code", "group").rows() == [("dominant", "label")]
    assert measure(*labels[10:], *({"label": False} for _ in range(8))).findings.is_empty()


def test_sources_are_judged_by_their_own_share() -> None:
    assert measure(*categories(19, 1, name="source")).findings["code"].to_list() == ["dominant_source"]
    assert measure(*categories(17, 3, name="source")).findings.is_empty()


def test_files_are_the_sources_where_no_column_names_them() -> None:
    rows = [{"file": "big.jsonl"}] * 19 + [{"file": "small.jsonl"}]
    (finding,) = measure(*rows).findings.to_dicts()
    assert (finding["code"], finding["score"]) == ("dominant_source", pytest.approx(0.05))
    assert "`big.jsonl`" in finding["message"]
    held_out = [{"file": "train.jsonl", "split": "train"}] * 19 + [{"file": "test.jsonl", "split": "test"}]
    assert measure(*held_out).skipped


def test_a_column_that_has_to_be_there_and_is_not_is_a_finding() -> None:
    params = PARAMS.model_copy(update={"required": ("category",)})
    assert measure({}, params=params).findings["code"].to_list() == ["no_column"]
    assert measure(*categories(5, 5), params=params).findings.is_empty()


def test_where_there_is_nothing_to_compare_it_says_so() -> None:
    assert measure({}, {}).skipped
    assert measure().skipped


def test_columns_inside_objects_are_found() -> None:
    rows = [meta(about={"topic": "late"}) for _ in range(10)]
    assert measure(*rows).findings["group"].to_list() == ["about.topic"]


def test_what_shards_saw_is_put_together() -> None:
    parts = [frames(*categories(9, 1)), frames(*categories(1, 9))]
    assert balance.features is not None
    features = pl.concat([balance.features(part, PARAMS, CONTEXT) for part in parts])
    whole = Frames(pl.concat([part.examples for part in parts]), parts[0].malformed)
    assert balance.function(Corpus.of(whole, features), PARAMS, CONTEXT).findings.is_empty()


@pytest.mark.parametrize(
    "value", ["ann.lee@corp.test", "Ann Lee", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "x" * 30]
)
def test_values_that_may_be_private_are_never_shown(value: str) -> None:
    (finding,) = measure(*(meta(category=value) for _ in range(10))).findings.to_dicts()
    assert value not in str(finding)
    assert "not shown" in finding["message"]


@pytest.mark.parametrize("value", ["late", "late-delivery", "class_b", "7", "true"])
def test_values_that_look_like_categories_are_shown(value: str) -> None:
    assert shown(value) == f"`{value}`"


def test_values_of_a_column_are_its_text_whatever_their_type() -> None:
    rows = frames(meta(a="x"), meta(a=3), meta(a=True), meta(a=None), meta(b="a"), {}).examples
    assert rows.select(meta_value("a"))["meta"].to_list() == ["x", "3", "true", None, None, None]


def test_a_column_is_a_plain_name() -> None:
    with pytest.raises(ValidationError):
        PARAMS.model_validate({**PARAMS.model_dump(), "columns": ['a"]']})
