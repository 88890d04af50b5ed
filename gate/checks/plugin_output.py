"""Looks through what a plug-in's check returns: what is not as the contract says is an error with its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps

import polars as pl

from gate.checks.base import FOUND, Check, CheckFailed, Context, Measurement, Params
from gate.data.corpus import Corpus
from gate.data.masking import mask_text
from gate.data.views import Frames

Function = Callable[..., Measurement]
Features = Callable[[Frames, Params, Context], pl.DataFrame]


def sound(made: Check, where: str) -> tuple[Function, Features | None]:
    """The check's two functions, each raising `CheckFailed` where what it returns is not sound. Messages and evidence
    of its findings are masked: a plug-in's author may not have thought of it."""
    own = f"the check {made.name!r} ({where})"

    @wraps(made.function)
    def function(seen: Frames | Corpus, params: Params, context: Context) -> Measurement:
        try:
            result: object = made.function(seen, params, context)
        except SystemExit:
            raise CheckFailed(f"{own} tried to end the process") from None
        problem = _problem(result, seen, made)
        if problem is not None:
            raise CheckFailed(f"{own} {problem}")
        assert isinstance(result, Measurement)
        return _masked(result)

    if made.features is None:
        return function, None
    measured = made.features

    @wraps(measured)
    def features(frames: Frames, params: Params, context: Context) -> pl.DataFrame:
        try:
            result: object = measured(frames, params, context)
        except SystemExit:
            raise CheckFailed(f"{own} tried to end the process") from None
        if not isinstance(result, pl.DataFrame):
            raise CheckFailed(f"{own} gave features of type {type(result).__name__}, not a Polars frame")
        return result

    return function, features


def _problem(result: object, seen: Frames | Corpus, made: Check) -> str | None:
    """What is wrong with a measurement, without a value of the data; None where nothing is."""
    if not isinstance(result, Measurement):
        return f"returned {type(result).__name__}, not a Measurement"
    rows = (seen.examples if isinstance(seen, Frames) else seen.rows).height + seen.malformed.height
    if isinstance(result.examined, bool) or not isinstance(result.examined, int) or not 0 <= result.examined <= rows:
        return f"says that it examined another number of rows than 0 to {rows}"
    if not (result.skipped is None or isinstance(result.skipped, str)):
        return "gave a `skipped` that is not text"
    for name, value in result.figures.items():
        if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float):
            return "gave a figure that is not a number"
        if not math.isfinite(value):
            return f"gave a figure that is not finite ({mask_text(name)[:60]})"
    return _problem_of_findings(result.findings, made)


def _problem_of_findings(findings: object, made: Check) -> str | None:
    if not isinstance(findings, pl.DataFrame) or dict(findings.schema) != dict(FOUND):
        return "gave findings of another schema than gate.checks.FOUND (gate.checks.found makes them so)"
    undeclared = findings.filter(pl.col("code").is_null() | ~pl.col("code").is_in(list(made.codes))).height
    if undeclared:
        return f"gave {undeclared} findings with a code that it does not declare"
    if findings["message"].null_count():
        return "gave findings without a message"
    if findings["severity"].drop_nulls().is_in(["error", "warning"]).any():
        return "raised the severity of findings; a check may only lower it to info"
    if not findings["score"].drop_nulls().is_finite().all():
        return "gave findings with a score that is not a finite number"
    if findings.filter(pl.col("start") > pl.col("end")).height:
        return "gave findings that end before they start"
    if findings.filter(pl.col("row").is_not_null() & pl.col("file").is_null()).height:
        return "gave findings with a row and no file"
    return None


def _masked(result: Measurement) -> Measurement:
    if not result.findings.height:
        return result
    # One call per finding; they are few.
    masked = result.findings.with_columns(
        pl.col("message", "evidence", "group").map_elements(mask_text, return_dtype=pl.String)
    )
    return Measurement(masked, result.examined, dict(result.figures), result.skipped)
