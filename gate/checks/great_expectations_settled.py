"""Expectations that a look at a whole column settles: met, whatever Great Expectations would say of single rows.

Importing GX costs three seconds and 225 MB, and most suites hold on most data. So a suite whose every expectation is
settled here is not handed to GX at all; as soon as one is not, GX judges all of it. Nothing is ever found here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from gate.checks.great_expectations_columns import CANONICAL
from gate.checks.great_expectations_results import Result
from gate.checks.great_expectations_suite import Expectation

Arguments = Mapping[str, object]


def can_be_settled(expectation: Expectation) -> bool:
    """Whether a look at a column may settle it, as far as its type and its arguments say."""
    if expectation.type not in _SETTLED:
        return False
    given = {name: value for name, value in expectation.kwargs.items() if value is not None}
    bounds = [given[name] for name in ("min_value", "max_value") if name in given]
    if not given.keys() <= {"column", "min_value", "max_value"} or not bounds:
        return False  # `mostly`, `strict_min`, a row condition …: GX's business
    if not all(isinstance(bound, int | float) and not isinstance(bound, bool) for bound in bounds):
        return False
    column = given.get("column")
    if expectation.type == "expect_table_row_count_to_be_between":
        return column is None
    if expectation.type == "expect_column_values_to_be_between":
        return isinstance(column, str) and column in CANONICAL and CANONICAL[column].measured
    return isinstance(column, str) and column in CANONICAL


def settled(expectations: Sequence[Expectation], height: int, columns: pl.DataFrame) -> tuple[Result, ...] | None:
    """The results of a suite every expectation of which is met; None where GX has to look.

    Args:
        height: rows of the dataset.
        columns: the canonical columns that the suite names.
    """
    results = []
    for position, each in enumerate(expectations):
        if not can_be_settled(each):
            return None
        result = _SETTLED[each.type](position, each.kwargs, height, columns)
        if result is None:
            return None
        results.append(result)
    return tuple(results)


def _within(value: float, kwargs: Arguments) -> bool:
    least, most = kwargs.get("min_value"), kwargs.get("max_value")
    above = not isinstance(least, int | float) or value >= least
    return above and (not isinstance(most, int | float) or value <= most)


def _row_count(position: int, kwargs: Arguments, height: int, columns: pl.DataFrame) -> Result | None:
    return Result(position, success=True, observed=float(height)) if _within(height, kwargs) else None


def _values(position: int, kwargs: Arguments, height: int, columns: pl.DataFrame) -> Result | None:
    column = columns[str(kwargs["column"])].drop_nulls()
    if not column.len():
        return None
    least, most = column.min(), column.max()
    assert isinstance(least, int)
    assert isinstance(most, int)
    if not _within(least, kwargs) or not _within(most, kwargs):
        return None
    return Result(position, success=True, by_row=True, evaluated=column.len())


def _different(position: int, kwargs: Arguments, height: int, columns: pl.DataFrame) -> Result | None:
    column = columns[str(kwargs["column"])].drop_nulls()
    if not column.len() or not _within(column.n_unique(), kwargs):
        return None
    return Result(position, success=True)


_SETTLED: Mapping[str, Callable[[int, Arguments, int, pl.DataFrame], Result | None]] = {
    "expect_table_row_count_to_be_between": _row_count,
    "expect_column_values_to_be_between": _values,
    "expect_column_unique_value_count_to_be_between": _different,
}
