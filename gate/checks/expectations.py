"""The `expectations` check: a Great Expectations suite, in GX's own JSON, run by GX itself.

A suite may come from gate's `rules/expectations/`, or from anywhere that GX 1.x saved it. This module says which
columns it gets and turns its results into findings; `great_expectations_suite` reads the file,
`great_expectations_columns` makes the columns, `great_expectations_worker` runs GX in a process of its own, and
`great_expectations_results` chooses what may come out of it.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import orjson
import polars as pl
from pydantic import Field

from gate.checks.base import NOTHING_FOUND, CheckFailed, Context, Measurement, Params, check, found
from gate.checks.great_expectations_columns import CANONICAL, SOURCE_PREFIX, Source, canonical_columns, source_name
from gate.checks.great_expectations_results import Result
from gate.checks.great_expectations_settled import can_be_settled, settled
from gate.checks.great_expectations_suite import Expectation, Suite, known_types, read_suite, suite_path
from gate.checks.great_expectations_worker import Table, evaluate, warm
from gate.data.corpus import Corpus
from gate.data.views import Frames
from gate.errors import PolicyError
from gate.folders import Folders

LANE = "great_expectations"
"""The lane whose process holds GX."""

NOTHING_EVALUATED = "nothing_evaluated"

_SHOWN = ("min_value", "max_value", "value", "sum_total", "threshold", "multiplier", "mostly", "type_", "column_index")
"""Arguments that a message may repeat, where they are numbers or names."""


class ExpectationsParams(Params):
    """Which suite is run."""

    suite: str
    """A suite's name (a file in `rules/expectations/`), or the path of a suite, ending in `.json`, below the
    folder of `gate.yaml`."""
    timeout: float = Field(default=600, gt=0)
    """Seconds that Great Expectations may take in all. A regular expression in a suite can take for ever on some texts
    (those that Arrow's engine lacks, GX runs with Python's, which backtracks); then the rule is errored."""


def _warm(params: ExpectationsParams, context: Context) -> None:
    """Read the suite, so that a wrong one is told before the data is read, and let the lane import GX where it is
    certain to be needed."""
    suite = read_suite(params.suite, context.folders)
    if not all(can_be_settled(each) for each in suite.expectations):
        context.workers.submit(LANE, warm)


def _needs_source(params: ExpectationsParams, folders: Folders) -> bool:
    return any(_reads_source(each) for each in read_suite(params.suite, folders).expectations)


def _reads_source(expectation: Expectation) -> bool:
    if expectation.about_columns:
        return not _canonical_only(expectation)
    # A row condition mentions values as well as columns; any word of it may be a source column.
    return bool(expectation.mentions) or any(source_name(name) is not None for name in expectation.columns)


def _canonical_only(expectation: Expectation) -> bool:
    """Whether an expectation about columns asks for a column that gate itself provides."""
    name, index = expectation.kwargs.get("column"), expectation.kwargs.get("column_index")
    return expectation.type == "expect_column_to_exist" and name in CANONICAL and index is None


_COLUMNS, _RECORD = "columns", "record"


def _features(frames: Frames, params: ExpectationsParams, context: Context) -> pl.DataFrame:
    """One row per example: the canonical columns that the suite names or mentions, and, where it reads source columns,
    those that it names of the record, as JSON; the names of all of them stand in the first row."""
    suite = read_suite(params.suite, context.folders)
    mentioned = {name for each in suite.expectations for name in (*each.columns, *each.mentions)}
    features = {f"own:{each.name}": each for each in canonical_columns(frames, sorted(mentioned & CANONICAL.keys()))}
    if any(_reads_source(each) for each in suite.expectations):
        source = Source(frames.examples["source"])
        names = sorted({*mentioned, *(name.removeprefix(SOURCE_PREFIX) for name in mentioned)})
        first = [list(source.columns), *[None] * (frames.examples.height - 1)][: frames.examples.height]
        features[_COLUMNS] = pl.Series(first, dtype=pl.List(pl.String))
        features[_RECORD] = pl.Series(source.narrowed(names), dtype=pl.String)
    # The rows too: a frame of no columns would have no height.
    return pl.DataFrame({"row": frames.examples["row"], **features})


def _values(records: pl.Series, column: str) -> list[object]:
    """A source column, one value per record; None where it lacks the column."""
    name = source_name(column) or column
    return [orjson.loads(record).get(name) for record in records]


def _inputs(params: ExpectationsParams, folders: Folders) -> tuple[Path, ...]:
    return (suite_path(params.suite, folders),)


@check(
    "expectations",
    params=ExpectationsParams,
    codes={
        **{name: f"The suite's expectation `{name}` is not met." for name in known_types()},
        NOTHING_EVALUATED: "An expectation holds only because its column has no value at all.",
    },
    fails=(
        {"prompt": "Name a prime above 10.", "completion": "It is 11.", "label": True},
        {"prompt": "Name a prime above 20.", "completion": "It is 23.", "label": True},
    ),
    passes=(
        {"prompt": "Name a prime above 10.", "completion": "It is 11.", "label": True},
        {"prompt": "Name a prime above 20.", "completion": "It is 21.", "label": False},
    ),
    features=_features,
    inputs=_inputs,
    libraries=("great-expectations", "pandas"),
    needs_source=_needs_source,
    warm=_warm,
)
def expectations(corpus: Corpus, params: ExpectationsParams, context: Context) -> Measurement:
    """What a Great Expectations suite expects of the examples, and Great Expectations finds not to hold.

    An expectation about rows gives a finding for each row that fails it, unless GX lets it pass by its `mostly`; one
    about the whole gives a finding on the dataset, with the observed number where that is a count or a statistic of
    a column that gate measured. No cell value is shown. Figures: expectations run and met, rows that failed one,
    rows that failed one within its `mostly`.

    Raises:
        PolicyError: the suite is not one, or GX does not take its arguments.
        CheckFailed: an expectation could not be evaluated.
    """
    suite = read_suite(params.suite, context.folders)
    if corpus.rows.height == 0:
        return Measurement(NOTHING_FOUND, examined=0, skipped="there is no example to hold the suite against")
    results = _results(suite, corpus, params.timeout, context)
    parts = [_findings(suite.expectations[result.position], result, corpus) for result in results]
    return Measurement(
        pl.concat([NOTHING_FOUND, *parts]),
        examined=corpus.rows.height,
        figures={
            "expectations": len(results),
            "met": sum(result.success for result in results),
            "rows_unexpected": sum(result.unexpected for result in results if not result.success),
            "rows_within_mostly": sum(result.unexpected for result in results if result.success),
        },
    )


def _results(suite: Suite, corpus: Corpus, timeout: float, context: Context) -> tuple[Result, ...]:
    table, header = _table(suite, corpus)
    if (met := settled(suite.expectations, table.rows, table.canonical)) is not None:
        return met
    about_columns = frozenset(at for at, each in enumerate(suite.expectations) if each.about_columns)
    under_way = context.workers.submit(
        LANE,
        evaluate,
        [(each.type, each.kwargs) for each in suite.expectations],
        about_columns,
        table,
        header,
        frozenset(name for name, column in CANONICAL.items() if column.measured),
    )
    try:
        evaluation = under_way.result(timeout)
    except TimeoutError:
        raise CheckFailed(
            f"{suite.file}: Great Expectations took more than {timeout:,.0f} s; look for a regular expression that "
            "backtracks, such as (a+)+, or raise `timeout`"
        ) from None
    if evaluation.refused:
        position, reason = evaluation.refused[0]
        raise PolicyError(f"Great Expectations does not take its arguments ({reason})", where=suite.place(position))
    results = evaluation.results
    if [result.position for result in results] != list(range(len(suite.expectations))):
        raise CheckFailed(f"{suite.file}: {len(results)} of {len(suite.expectations)} expectations were evaluated")
    errors = [f"{suite.place(result.position)}: {result.error}" for result in results if result.error is not None]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise CheckFailed(f"{errors[0]}{more}; nothing was judged by this suite")
    return results


def _table(suite: Suite, corpus: Corpus) -> tuple[Table, tuple[str, ...]]:
    """The columns that the suite names, and the names that its expectations about columns are held against."""
    features = corpus.features.collect()
    reads_source = any(_reads_source(each) for each in suite.expectations)
    columns = tuple(features[_COLUMNS].drop_nulls().explode().unique(maintain_order=True)) if reads_source else ()
    known = {*CANONICAL, *columns}
    for position, each in enumerate(suite.expectations):
        for name in each.columns:
            if name not in CANONICAL and (not reads_source or source_name(name) not in columns):
                close = get_close_matches(name, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise CheckFailed(f"{suite.place(position)}: no example has a column {name!r}{hint}")
    named = list(
        dict.fromkeys(name for each in suite.expectations for name in (*each.columns, *_mentioned(each, known)))
    )
    listed = {name: _values(features[_RECORD], name) for name in named if reads_source and name not in CANONICAL}
    asked = [str(each.kwargs["column"]) for each in suite.expectations if _canonical_only(each)]
    header = tuple(dict.fromkeys([*columns, *asked]))
    own = features.select(f"own:{name}" for name in named if name in CANONICAL)
    return Table(corpus.rows.height, own.rename(lambda name: name.removeprefix("own:")), listed), header


def _mentioned(expectation: Expectation, known: set[str]) -> list[str]:
    prefixed = {name for name in expectation.mentions if source_name(name) in known}
    return sorted((expectation.mentions & known) | prefixed)


def _findings(expectation: Expectation, result: Result, corpus: Corpus) -> pl.DataFrame:
    # GX's `info` lowers the rule's severity; its other severities say no more than the rule does.
    severity = "info" if expectation.severity == "info" else None
    if result.success and result.evaluated != 0:
        return NOTHING_FOUND
    subject = expectation.field or "the dataset"
    if expectation.rule is not None:
        subject = f"{expectation.rule}: {subject}"
    shared = {"severity": [severity], "field": [expectation.field]}
    if result.success:
        if "row_condition" in expectation.kwargs:
            return NOTHING_FOUND  # a condition that selects no row is an answer
        message = f"{subject}: {expectation.type} had no value to judge"
        return found(pl.DataFrame({"code": [NOTHING_EVALUATED], "message": [message], "remedy": ["review"], **shared}))
    asked = _asked(expectation)
    if result.rows:
        rows = corpus.locate(result.rows)
        texts = {"code": expectation.type, "message": f"{subject} does not meet {expectation.type}{asked}"}
        return found(
            rows.with_columns(
                *(pl.lit(text).alias(name) for name, text in texts.items()),
                severity=pl.lit(severity),
                field=pl.lit(expectation.field),
            )
        )
    observed = "" if result.observed is None else f": observed {_number(result.observed)}"
    message = f"{subject} does not meet {expectation.type}{asked}{observed}"
    one = {"code": [expectation.type], "message": [message], "remedy": ["review"], **shared}
    return found(pl.DataFrame(one).with_columns(pl.Series("score", [_beyond(expectation, result)], dtype=pl.Float64)))


def _beyond(expectation: Expectation, result: Result) -> float | None:
    """How far what was observed lies beyond what is asked, so that a comparison with a base can tell what is worse."""
    least, most = expectation.kwargs.get("min_value"), expectation.kwargs.get("max_value")
    if result.observed is None or isinstance(least, bool) or isinstance(most, bool):
        return None
    if isinstance(least, int | float) and result.observed <= least:
        return float(least - result.observed)
    if isinstance(most, int | float) and result.observed >= most:
        return float(result.observed - most)
    return None


def _asked(expectation: Expectation) -> str:
    """The numbers and names among its arguments, e.g. ` (max_value 200,000)`."""
    values = {name: expectation.kwargs.get(name) for name in _SHOWN}
    shown = [f"{name} {_shown(value)}" for name, value in values.items() if _shown(value)]
    return f" ({', '.join(shown)})" if shown else ""


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return _number(value)
    return value if isinstance(value, str) and value.isidentifier() else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.6g}"
