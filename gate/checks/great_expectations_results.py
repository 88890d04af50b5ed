"""What may leave Great Expectations: of each of its results an allow-list of numbers and row positions.

No cell value passes here: only counts, the positions of rows, and such observed values as cannot be a cell (a count,
a share, a statistic of a column that gate measured). Messages of exceptions quote cells, so only the names of their
classes pass. What GX lost, or did not compute, is an error here and never a success.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

Kwargs = dict[str, object]

_COUNTED = frozenset(
    {
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_kl_divergence_to_be_less_than",
    }
)
"""What these observe is a count, a share or a divergence, never a value of a cell."""

_EXCEPTION = re.compile(r"^(?:[a-z_]\w*\.)*([A-Z]\w*(?:Error|Exception))\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What GX made of one expectation."""

    position: int
    success: bool
    by_row: bool = False
    """Whether it judges row by row."""
    rows: tuple[int, ...] = ()
    """Positions of the rows that failed it."""
    unexpected: int = 0
    evaluated: int | None = None
    """How many rows had a value to judge; None where that does not matter."""
    observed: float | None = None
    """The observed number, where it cannot be a value of a cell."""
    error: str | None = None
    """Why it could not be evaluated: safe to show."""


def judged(
    position: int, built: Expectation, result: object, expectation: tuple[str, Kwargs], measured: frozenset[str]
) -> Result:
    """The allow-listed part of a result of GX's."""
    error = _error(result)
    if error is not None:
        return Result(position, success=False, error=error)
    success = bool(getattr(result, "success", False))
    numbers = getattr(result, "result", None) or {}
    if "element_count" in numbers:
        total, missing = _count(numbers.get("element_count")), _count(numbers.get("missing_count", 0))
        unexpected = _count(numbers.get("unexpected_count"))
        if total is None or missing is None or unexpected is None:
            return Result(position, success=False, error="its counts are not numbers")
        return Result(position, success, by_row=True, unexpected=unexpected, evaluated=total - missing)
    observed = numbers.get("observed_value")
    if _is_statistic(built) and not _finite(observed):
        return Result(position, success=False, error="what it observed is not a number")
    shown = _finite(observed) and (expectation[0] in _COUNTED or expectation[1].get("column") in measured)
    return Result(position, success, observed=float(observed) if shown and observed is not None else None)


def with_rows(basic: Result, complete: object) -> Result:
    """The result with the positions of its rows, if GX gave every one of them."""
    error = _error(complete)
    if error is not None:
        return Result(basic.position, success=False, error=error)
    positions = (getattr(complete, "result", None) or {}).get("unexpected_index_list") or []
    if len(positions) != basic.unexpected:
        return Result(
            basic.position, success=False, error=f"{basic.unexpected} rows failed, {len(positions)} were named"
        )
    rows = tuple(sorted(int(each) for each in positions))
    return Result(basic.position, False, True, rows, basic.unexpected, basic.evaluated)


def _error(result: object) -> str | None:
    """Why an expectation could not be evaluated; None where it was.

    GX says so in `exception_info`, which is flat or keyed by the metric that raised.
    """
    if result is None:
        return "Great Expectations returned no result for it"
    if isinstance(result, Exception):
        return f"Great Expectations raised {type(result).__name__}"
    info = getattr(result, "exception_info", None) or {}
    nested = [each for each in info.values() if isinstance(each, dict)]
    raised = [each for each in [info, *nested] if each.get("raised_exception")]
    if not raised and not nested:
        return None
    names = [
        name for each in raised or nested for name in _EXCEPTION.findall(str(each.get("exception_traceback") or ""))
    ]
    known = [name for name in names if _is_exception(name)]
    return f"Great Expectations raised {known[0]}" if known else "Great Expectations raised an exception"


def _is_exception(name: str) -> bool:
    """Whether a word is really the name of a class of exceptions, and not a cell's."""
    import builtins

    import great_expectations.exceptions as of_gx
    import pandas.errors as of_pandas

    return name == "PatternError" or any(hasattr(module, name) for module in (builtins, of_gx, of_pandas))


def _is_statistic(built: Expectation) -> bool:
    """Whether an aggregate compares one observed number with bounds. (A divergence may well be infinite: GX then
    observes nothing, and fails it.)"""
    fields = type(built).__fields__
    return "min_value" in fields and "max_value" in fields and "mostly" not in fields and "threshold" not in fields


def _count(value: object) -> int | None:
    return int(value) if _finite(value) else None  # type: ignore[call-overload]


def _finite(value: object) -> bool:
    """Whether a value is a number, and neither NaN nor infinite."""
    import numpy as np

    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(float(value))
