"""Runs bound rules over a dataset and says how each of them ended.

Checks run side by side in threads: their heavy parts are Polars and NumPy, which release the interpreter, or
worker processes.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from gate.admission.bind import BoundRule
from gate.admission.result import FINDINGS, RuleOutcome, Status
from gate.checks.base import SEVERITIES, CheckFailed, Context, Measurement
from gate.data.frame import Kind
from gate.data.masking import mask_text
from gate.data.views import Frames
from gate.errors import GateError


@dataclass(frozen=True, slots=True)
class _Ran:
    bound: BoundRule
    measurement: Measurement | Exception
    seconds: float


def run_rules(
    rules: Sequence[BoundRule],
    frames: Frames,
    context: Context,
    on_done: Callable[[str, int, int], None] = lambda rule, done, total: None,
) -> tuple[tuple[RuleOutcome, ...], pl.DataFrame]:
    """Measure and judge.

    Args:
        rules: the rules that apply, each to the kinds it is bound to.
        frames: the rows of every kind.
        on_done: called with (rule id, rules done, rules in all) as each ends.

    Returns:
        the outcome of each rule in the order given, and all findings (schema `FINDINGS`).

    Raises:
        GateError: what a rule asks for is not there; nothing was judged.
    """
    present = _kinds(frames)
    rules = [replace(bound, kinds=tuple(kind for kind in bound.kinds if kind in present)) for bound in rules]
    ran: dict[int, _Ran] = {}
    # As many as there are cores: more at a time would take as long, and hold more.
    threads = ThreadPoolExecutor(max_workers=max(1, context.workers.cores))
    try:
        futures = {
            threads.submit(_measure, bound, frames, context): number
            for number, bound in enumerate(rules)
            if bound.kinds
        }
        for done, future in enumerate(as_completed(futures), start=1):
            number = futures[future]
            ran[number] = future.result()
            on_done(rules[number].rule.id, done, len(futures))
    finally:
        # Not waited for: after Ctrl-C or a policy error nobody wants what is still running.
        threads.shutdown(wait=False, cancel_futures=True)
    in_order = _yielded([ran[number] for number in sorted(ran)])
    outcomes = tuple(_outcome(each) for each in in_order)
    findings = [_finding_rows(each.bound, each.measurement) for each in in_order if _ok(each.measurement)]
    order = [pl.col("severity").to_physical(), "file", "row", "rule", "code", "field", "start"]
    return outcomes, pl.concat([pl.DataFrame(schema=FINDINGS), *findings]).sort(order, nulls_last=False)


def _kinds(frames: Frames) -> set[Kind | None]:
    kinds = {*frames.examples["kind"].unique().to_list(), *frames.malformed["kind"].unique().to_list()}
    return kinds


def _measure(bound: BoundRule, frames: Frames, context: Context) -> _Ran:
    begun = time.perf_counter()
    try:
        measurement: Measurement | Exception = bound.check.run(frames.of_kinds(bound.kinds), bound.params, context)
    except GateError:
        raise
    except Exception as error:  # noqa: BLE001 - a crash of any kind ends the rule as errored, never as passed
        measurement = error
    return _Ran(bound, measurement, time.perf_counter() - begun)


def _ok(measurement: Measurement | Exception) -> bool:
    return isinstance(measurement, Measurement)


def _yielded(ran: list[_Ran]) -> list[_Ran]:
    """Leave to each check the rows that another one, to which it yields, already proposes to drop."""
    kept = []
    for each in ran:
        earlier = [
            other.measurement.findings.select("file", "row")
            for other in ran
            if other.bound.check.name in each.bound.check.yields_to and isinstance(other.measurement, Measurement)
        ]
        if earlier and isinstance(each.measurement, Measurement):
            findings = each.measurement.findings.join(pl.concat(earlier), on=["file", "row"], how="anti")
            each = replace(each, measurement=replace(each.measurement, findings=findings))
        kept.append(each)
    return kept


def _finding_rows(bound: BoundRule, measurement: Measurement | Exception) -> pl.DataFrame:
    assert isinstance(measurement, Measurement)
    rule = bound.rule
    return measurement.findings.select(
        pl.lit(rule.id).alias("rule"),
        pl.all().exclude("severity", "remedy"),
        pl.col("severity").fill_null(pl.lit(rule.severity, dtype=FINDINGS["severity"])),
        pl.col("remedy").fill_null(pl.lit(rule.remedy, dtype=FINDINGS["remedy"])),
        pl.lit("new", dtype=FINDINGS["state"]).alias("state"),
    ).select(list(FINDINGS))


def _outcome(ran: _Ran) -> RuleOutcome:
    bound, rule = ran.bound, ran.bound.rule
    base = RuleOutcome(rule, bound.kinds, "errored", seconds=ran.seconds)
    if isinstance(ran.measurement, CheckFailed):
        return replace(base, reason=str(ran.measurement))
    if isinstance(ran.measurement, Exception):
        return replace(base, reason=_crash(ran.measurement), trace=_trace(ran.measurement))
    measurement = ran.measurement
    if measurement.skipped is not None:
        return replace(base, status="skipped", reason=measurement.skipped)
    if measurement.examined == 0:
        return replace(base, status="skipped", reason="there was nothing to look at")
    counted = _finding_rows(bound, measurement).filter(pl.col("severity") == rule.severity)
    # A finding about a file or the dataset as a whole is no example, so no tolerance covers it.
    whole = counted.filter(pl.col("row").is_null()).height
    flagged = counted.filter(pl.col("row").is_not_null()).select("file", "row").n_unique()
    tolerated = rule.allowance(measurement.examined)
    exceeded = flagged > tolerated or whole > 0
    status: Status = "passed"
    if exceeded and rule.severity != SEVERITIES[2]:
        status = "failed" if rule.severity == "error" else "warned"
    return replace(
        base,
        status=status,
        examined=measurement.examined,
        flagged=flagged + whole,
        tolerated=tolerated,
        figures=dict(measurement.figures),
    )


def _crash(error: Exception) -> str:
    """What went wrong, with nothing of the data in it: messages of exceptions quote values."""
    message = " ".join(str(error).split())
    at = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(at.filename).name}:{at.lineno}"
    return f"{type(error).__name__} at {place}: {mask_text(message)[:300]}"


def _trace(error: Exception) -> str:
    return mask_text("".join(traceback.format_exception(error)))
