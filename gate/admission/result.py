"""What a check of a dataset came to: the outcome of each rule, and the verdict that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import polars as pl

from gate.admission.bind import BoundRule
from gate.admission.prepare import Demand
from gate.admission.stored import StoredDataset
from gate.checks.base import FOUND
from gate.data.frame import Kind
from gate.folders import Folders
from gate.policy.model import Policy, Rule

if TYPE_CHECKING:
    from gate.provenance.statements import Statement

Verdict = Literal["pass", "fail", "inconclusive", "error"]
Status = Literal["passed", "failed", "warned", "errored", "skipped"]
FailOn = Literal["error", "warning", "never"]

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}

State = Literal["new", "unchanged", "waived"]

FINDINGS = pl.Schema({"rule": pl.String} | dict(FOUND) | {"state": pl.Enum(State.__args__)})  # type: ignore[attr-defined]
"""`FOUND` with the rule's id in front, severity and remedy filled in from the rule where the check left them, and
whether the finding counts: it is `unchanged` when it involves only rows that the base has too (or, about the dataset
as a whole, when the base has it as bad), `waived` when a waiver covers it (gate.admission.waived). Without a base and
without waivers everything is new."""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """How one rule ended, for the kinds of example it was applied to."""

    rule: Rule
    kinds: tuple[Kind | None, ...]
    status: Status
    examined: int = 0
    flagged: int = 0
    """Distinct examples (or files, or the dataset) with a new finding at the rule's own severity."""
    unchanged: int = 0
    """The same with findings that the base has too; they do not count."""
    waived: int = 0
    """The same with findings that waivers cover, and none that counts or that the base has."""
    waivers: tuple[Statement, ...] = ()
    """The waivers that cover a finding of the rule; each is about a `gate.provenance.statements.Waiver`."""
    fixed: int = 0
    """Findings of the base that are gone."""
    tolerated: int = 0
    """How many flagged examples would still pass."""
    reason: str | None = None
    """Why it was skipped or not judged on its share, or what went wrong."""
    trace: str | None = None
    """The traceback of an errored rule, masked."""
    seconds: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What a dataset was compared with, and how it differs; `gate check --base`."""

    base: str
    """As it was asked for: a git revision, a path, a snapshot."""
    revision: str | None
    """The commit that it stands for, when it is a git revision (40 hex digits)."""
    rows: int
    """Rows of the base, malformed ones included."""
    new: int
    """Rows that the base does not have: occurrences of (content id, split), malformed ones by their bytes."""
    unchanged: int
    """Rows that both have."""
    removed: int
    """Rows that only the base has."""
    fixed: pl.DataFrame
    """Findings of the base that are gone (schema `FINDINGS`, `state` null); files and rows are the base's."""
    profile: dict[str, object]
    """Figures of the base, as in `AdmissionResult.profile`."""


@dataclass(frozen=True, slots=True, repr=False)
class AdmissionResult:
    """The judgement of a dataset: verdict, rule by rule, with the rows behind it."""

    verdict: Verdict
    reason: str
    """One sentence that says why the verdict is what it is."""
    outcomes: tuple[RuleOutcome, ...]
    findings: pl.DataFrame
    """Schema `FINDINGS`, the most severe first, then by file and row."""
    dataset: StoredDataset
    policies: dict[str, Policy]
    """By kind (`chat`, …; `base` for rows whose kind is not known)."""
    profile: dict[str, object]
    """Figures of the dataset (gate.admission.profile); JSON-able, with no text of the data in it."""
    version: str
    started: str
    """UTC, ISO 8601."""
    seconds: float
    fail_on: FailOn = "error"
    comparison: Comparison | None = None
    """None where there is no base: everything is new."""
    folders: Folders = field(default_factory=Folders)
    """Where policies and suites were found, and where the templates of its report are looked for."""
    applied: tuple[tuple[BoundRule, Demand], ...] = ()
    """The rules that had a file to judge, for the kinds that are there, and what each asked of every file."""

    def __repr__(self) -> str:
        """What a person at a prompt wants to know; the frames have representations of their own."""
        rows = sum(file.rows for file in self.dataset.files)
        return f"<AdmissionResult {self.verdict}: {self.reason}; {self.findings.height} findings in {rows} rows>"

    @property
    def waivers(self) -> tuple[Statement, ...]:
        """The waivers that cover a finding, the oldest first."""
        used = {waiver.digest: waiver for outcome in self.outcomes for waiver in outcome.waivers}
        return tuple(sorted(used.values(), key=lambda one: (one.made, one.digest)))

    @property
    def waived(self) -> tuple[str, ...]:
        """The statements of the waivers that cover a finding, by their digests."""
        return tuple(waiver.digest for waiver in self.waivers)

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 inconclusive, 4 error; `fail_on="never"` turns a fail into 0, never an error."""
        if self.verdict == "fail" and self.fail_on == "never":
            return 0
        return EXIT_CODES[self.verdict]
