"""The result for a job on GitHub: annotations beside the lines, a summary of the step, outputs for the next step.

Annotations are workflow commands on standard output. GitHub shows ten errors and ten warnings of a step, so there is
one for each rule first, with its counts, and further findings only where places are left.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.admission.result import AdmissionResult, RuleOutcome
from gate.reporting.counts import base_told, findings_told, flagged_told
from gate.reporting.inert import one_line
from gate.reporting.levels import Level, in_order, level_of
from gate.reporting.located import Located, located, named
from gate.reporting.markdown import summary
from gate.reporting.waivers import waivers_used
from gate.reporting.worst import worst_of_each

SHOWN = 10
"""Annotations of one level that GitHub shows of a step
(https://docs.github.com/en/rest/checks/runs, and the limits of its runner)."""

SUMMARY_BYTES = 1 << 20
"""A larger summary of a step is not shown at all."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One workflow command."""

    level: str
    title: str
    message: str
    path: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        about = {"file": self.path, "line": self.line, "title": self.title}
        named_ = ",".join(f"{name}={_property(str(value))}" for name, value in about.items() if value is not None)
        return f"::{self.level} {named_}::{_data(self.message)}"


def to_github(result: AdmissionResult) -> str:
    """The workflow commands, one a line; the last one tells the verdict and the counts."""
    findings = named(result).filter(pl.col("state") == "new")
    annotations = [*_of_level("error", result, findings), *_of_level("warning", result, findings)]
    blocked = any(each.level == "error" for each in annotations)
    told = [one_line(result.reason, 600), findings_told(result)]
    told += [base_told(result.comparison)] if result.comparison else []
    told += [one.sentence for one in waivers_used(result)]
    last = "error" if result.exit_code != 0 and not blocked else "notice"
    annotations.append(Annotation(last, f"gate: {result.verdict}", "; ".join(told)))
    return "".join(f"{each}\n" for each in annotations)


def publish(result: AdmissionResult) -> None:
    """Append the summary and the outputs of the step to the files that the runner names, where it does.

    Raises:
        OSError: such a file cannot be written to.
    """
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        file = Path(path)
        taken = file.stat().st_size if file.exists() else 0
        _append(file, summary(result, SUMMARY_BYTES - taken - 2))
    if path := os.environ.get("GITHUB_OUTPUT"):
        # Words and numbers of gate's own only: a line feed in a value would set an output of somebody's choosing.
        comparison = result.comparison
        states = result.findings["state"].cast(pl.String)
        outputs = {
            "verdict": result.verdict,
            "exit-code": result.exit_code,
            "new": int((states == "new").sum()),
            "unchanged": int((states == "unchanged").sum()),
            "fixed": comparison.fixed.height if comparison else 0,
            "waived": int((states == "waived").sum()),
        }
        _append(Path(path), "".join(f"{name}={value}\n" for name, value in outputs.items()))


def _of_level(level: Level, result: AdmissionResult, findings: pl.DataFrame) -> list[Annotation]:
    by_rule: dict[str, list[RuleOutcome]] = {}
    for outcome in in_order(result.outcomes):
        if level_of(outcome, result) == level:
            by_rule.setdefault(outcome.rule.id, []).append(outcome)
    if not by_rule:
        return []
    severities = pl.DataFrame(
        {"rule": list(by_rule), "severity": [outcomes[0].rule.severity for outcomes in by_rule.values()]},
        schema={"rule": pl.String, "severity": findings.schema["severity"]},
    )
    own = findings.join(severities, on=["rule", "severity"], how="semi")
    shown = dict(list(by_rule.items())[: SHOWN if len(by_rule) <= SHOWN else SHOWN - 1])
    # The worst of each rule comes first in it, so every rule that has findings has one within the first so many.
    worst = located(result, worst_of_each(own, max(SHOWN, len(by_rule))))
    annotations, used = [], set()
    for rule, outcomes in shown.items():
        first = next((each for each in worst if each.rule == one_line(rule, 120)), None)
        annotations.append(_of_rule(level, outcomes, first))
        used.add(first.fingerprint if first else "")
    if len(shown) < len(by_rule):
        rest = [one_line(rule, 120) for rule in list(by_rule)[len(shown) :]]
        annotations.append(Annotation(level, f"gate: {len(rest)} more rules", ", ".join(rest)))
    rest_of_places = [each for each in worst if each.fingerprint not in used][: SHOWN - len(annotations)]
    return annotations + [
        Annotation(level, f"gate: {each.rule}", each.sentence, each.path, each.line) for each in rest_of_places
    ]


def _of_rule(level: Level, outcomes: Sequence[RuleOutcome], worst: Located | None) -> Annotation:
    rule = one_line(outcomes[0].rule.id, 120)
    stopped = next((outcome for outcome in outcomes if outcome.status == "errored"), None)
    if stopped is not None:
        return Annotation(level, f"gate: {rule} could not be judged", one_line(stopped.reason or "", 600))
    counts = flagged_told(outcomes)
    explain = f"What it means, and what to do: gate rules explain {rule}"
    if worst is None:
        return Annotation(level, f"gate: {rule}", f"{counts}\n{explain}")
    return Annotation(level, f"gate: {rule}", f"{worst.sentence}\n{counts}\n{explain}", worst.path, worst.line)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(text)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
