"""What a look at a column settles is what GX says; whatever it cannot settle is left to GX."""

from __future__ import annotations

import random

import polars as pl
import pytest

from gate.checks.great_expectations_settled import can_be_settled, settled
from gate.checks.great_expectations_suite import Expectation, read_suite
from gate.checks.great_expectations_worker import Table, evaluate
from gate.folders import Folders

KINDS = (
    ("expect_column_values_to_be_between", "turns"),
    ("expect_column_unique_value_count_to_be_between", "label"),
    ("expect_table_row_count_to_be_between", None),
)


def expectation(kind: str, column: str | None, **kwargs: object) -> Expectation:
    named = {} if column is None else {"column": column}
    return Expectation(type=kind, kwargs=named | kwargs, severity=None, rule=None)


@pytest.mark.parametrize("seed", range(40))
def test_it_settles_only_what_gx_finds_met(seed: int) -> None:
    dice = random.Random(seed)
    height = dice.randrange(0, 6)
    turns = [dice.choice([None, *range(1, 9)]) for _ in range(height)]
    label = [dice.choice([None, True, False]) for _ in range(height)]
    columns = pl.DataFrame({"turns": pl.Series(turns, dtype=pl.UInt32), "label": pl.Series(label, dtype=pl.Boolean)})
    expectations = []
    for kind, column in KINDS:
        least, most = sorted((dice.randrange(0, 9), dice.randrange(0, 9)))
        bounds = dice.choice([{"min_value": least}, {"max_value": most}, {"min_value": least, "max_value": most}])
        expectations.append(expectation(kind, column, **bounds))
    told = evaluate(
        [(each.type, dict(each.kwargs)) for each in expectations],
        frozenset(),
        Table(height, columns),
        (),
        frozenset({"turns"}),
    ).results
    for each, truth in zip(expectations, told, strict=True):
        assert can_be_settled(each)
        alone = settled([each], height, columns)
        if alone is not None:
            assert truth.success, each
            assert truth.error is None
            assert truth.evaluated != 0
            assert alone[0].evaluated in (None, truth.evaluated)
        elif truth.success and truth.evaluated != 0:
            # It may leave to GX what it could have settled only where no row has a value.
            assert each.type != "expect_table_row_count_to_be_between"
            assert columns[each.columns[0]].drop_nulls().is_empty()


@pytest.mark.parametrize(
    "each",
    [
        expectation("expect_column_values_to_be_between", "turns", max_value=3, mostly=0.9),
        expectation("expect_column_values_to_be_between", "turns", min_value=1, strict_min=True),
        expectation("expect_column_values_to_be_between", "turns", min_value=1, row_condition='col("turns") > 1'),
        expectation("expect_column_values_to_be_between", "turns", min_value=True),
        expectation("expect_column_values_to_be_between", "turns"),
        expectation("expect_column_values_to_be_between", "stars", min_value=1),
        expectation("expect_column_values_to_be_between", "response", min_value=1),
        expectation("expect_column_values_to_match_regex", "response", regex="a"),
        expectation("expect_table_row_count_to_be_between", None, min_value="1"),
    ],
    ids=str,
)
def test_anything_else_is_for_gx(each: Expectation) -> None:
    assert not can_be_settled(each)
    assert settled([each], 3, pl.DataFrame({"turns": [1, 2, 3]})) is None


@pytest.mark.parametrize("name", ["chat", "preference", "feedback", "text"])
def test_our_own_suites_can_be_settled(name: str) -> None:
    assert all(can_be_settled(each) for each in read_suite(name, Folders()).expectations)
