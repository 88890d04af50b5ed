"""Great Expectations itself, in a process of its own: a frame and expectations in, numbers and row positions out.

What comes out of its results is chosen in `great_expectations_results`; no cell value does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from gate.checks.great_expectations_results import Kwargs, Result, judged, with_rows

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuite
    from great_expectations.core.batch import Batch
    from great_expectations.expectations.expectation import Expectation

Series: TypeAlias = "pd.Series[Any]"  # of whatever a source column holds

_POSITION = "gate_position"
"""The key in an expectation's meta by which results, which come in any order, find back to it."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is handed to GX: plain columns of one length."""

    rows: int
    canonical: pl.DataFrame
    """Columns that gate knows the types of."""
    listed: dict[str, list[object]] = field(default_factory=dict)
    """Columns as Python values, whose types pandas infers as it would on reading a file."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What GX made of a suite: either every result, or what it refused to run."""

    results: tuple[Result, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()
    """Position and reason of each expectation whose arguments GX does not take."""


@cache
def warm() -> None:
    """Import GX (3 s), quietly and without its analytics. Run it in the lane ahead of the first suite."""
    import logging
    import warnings

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    # Its loggers print tracebacks that quote cells; every one of them comes back as an error of the result.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL + 1)
    import great_expectations  # noqa: F401


def evaluate(
    expectations: list[tuple[str, Kwargs]],
    about_columns: frozenset[int],
    table: Table,
    columns: tuple[str, ...],
    measured: frozenset[str],
) -> Evaluation:
    """Run expectations, all in one pass; then again, for the rows, those that failed row by row.

    Args:
        expectations: type and arguments of each; its place in the list is its position.
        about_columns: positions of those that ask which columns there are.
        table: what the others read.
        columns: the columns that `about_columns` are held against, in order.
        measured: columns of which a statistic may be shown.
    """
    warm()
    import pandas as pd

    built: dict[int, Expectation] = {}
    refused: list[tuple[int, str]] = []
    for position, (kind, kwargs) in enumerate(expectations):
        outcome = _build(position, kind, kwargs)
        if isinstance(outcome, str):
            refused.append((position, outcome))
        else:
            built[position] = outcome
    if refused:
        return Evaluation(refused=tuple(refused))
    results: list[Result] = []
    frames = ((_frame(table), False), (pd.DataFrame(columns=list(columns)), True))
    for frame, is_header in frames:
        part = {at: each for at, each in built.items() if (at in about_columns) == is_header}
        if part:
            results += _validate(part, frame, expectations, measured)
    return Evaluation(results=tuple(sorted(results, key=lambda result: result.position)))


def _build(position: int, kind: str, kwargs: Kwargs) -> Expectation | str:
    """The expectation, or why GX does not take it."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    try:
        configuration = ExpectationConfiguration(type=kind, kwargs=kwargs, meta={_POSITION: position})
        return configuration.to_domain_obj()
    except Exception as error:  # noqa: BLE001 - pydantic v1, TypeError or GX's own; each means: refused
        return _faults(error)


def _faults(error: Exception) -> str:
    """What is wrong with arguments, from pydantic v1's errors. No data has been seen yet."""
    listed = getattr(error, "errors", None)
    if not callable(listed):
        return type(error).__name__
    faults = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in listed()]
    return "; ".join(dict.fromkeys(faults)) or type(error).__name__


def _frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    columns = {name: _series(table.canonical[name]) for name in table.canonical.columns}
    columns |= {name: _inferred(values) for name, values in table.listed.items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.rows))


def _series(values: pl.Series) -> Series:
    """Numbers with NaN for null, as pandas reads them; everything else as objects with None."""
    import pandas as pd

    if values.dtype.is_numeric():
        return pd.Series(values.to_numpy())
    return pd.Series(values.to_list(), dtype=object)


def _inferred(values: list[object]) -> Series:
    """Strings stay objects, whatever pandas makes of them by default: type expectations know both names."""
    import pandas as pd

    if all(isinstance(value, int | float) or value is None for value in values):
        inferred: Series = pd.Series(values)
        return inferred
    return pd.Series(values, dtype=object)


def _validate(
    built: dict[int, Expectation], frame: pd.DataFrame, expectations: list[tuple[str, Kwargs]], measured: frozenset[str]
) -> list[Result]:
    batch = _batch(frame)
    basic = _run(batch, built, "BASIC")
    results = {at: judged(at, built[at], basic.get(at), expectations[at], measured) for at in built}
    results = {at: _on_values(each, frame, expectations[at]) for at, each in results.items()}
    failed = {at: built[at] for at, each in results.items() if each.by_row and not each.success and each.error is None}
    complete = _run(batch, failed, "COMPLETE") if failed else {}
    for at in failed:
        results[at] = with_rows(results[at], complete.get(at))
    return list(results.values())


def _batch(frame: pd.DataFrame) -> Batch:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("gate").add_dataframe_asset("examples")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})


def _run(batch: Batch, built: dict[int, Expectation], detail: str) -> dict[int, object]:
    """GX's result of each expectation by its position; those that it has lost are missing."""
    from great_expectations.core import ExpectationSuite

    # Adding configurations one by one would merge expectations of one type about one column.
    suite: ExpectationSuite = ExpectationSuite(name="gate", expectations=list(built.values()))
    if len(suite.expectations) != len(built):
        return {}
    wanted = {
        "result_format": detail,
        "exclude_unexpected_values": True,
        "partial_unexpected_count": 0,
        "return_unexpected_index_query": False,
    }
    try:
        validated = batch.validate(suite, result_format=wanted)
    except Exception as error:  # noqa: BLE001 - its message quotes cells: only its name may leave
        return dict.fromkeys(built, error)
    found: dict[int, object] = {}
    for each in validated.results:
        position = (each.expectation_config.meta or {}).get(_POSITION)
        if position in built:
            found[position] = each
    return found


def _on_values(result: Result, frame: pd.DataFrame, expectation: tuple[str, Kwargs]) -> Result:
    """The result of an aggregate over one whole column, with how many values that column holds.

    An expectation about nulls has something to judge in an empty column, too.
    """
    kind, kwargs = expectation
    column = kwargs.get("column")
    if result.by_row or frame.empty or column not in frame.columns or kwargs.get("row_condition") or "null" in kind:
        return result
    return replace(result, evaluated=int(frame[column].notna().sum()))
