"""The published form of a result as JSON, `gate.result/1`: what every key means, and the JSON Schema made from it.

Within version 1 keys are only added. A reader should ignore keys that it does not know.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from gate.admission.result import FailOn, State, Status, Verdict
from gate.checks.base import Remedy, Severity

SCHEMA: Literal["gate.result/1"] = "gate.result/1"
_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


@with_config(_DOCUMENTED)
class RuleEntry(TypedDict):
    """How one rule ended for the kinds of example it was applied to."""

    id: str
    check: str
    kinds: list[str | None]
    """The kinds of example judged; null stands for rows whose kind is not known."""
    status: Status
    severity: Severity
    remedy: Remedy
    why: str
    tolerate: int | float
    """As the policy says: a count, or a share below 1."""
    examined: int
    """Rows looked at."""
    flagged: int
    """Distinct examples with a new finding at the rule's own severity."""
    unchanged: int
    """The same with findings that the base has too, which do not count; 0 where there is no base."""
    waived: int
    """The same with findings that waivers cover, which do not count."""
    fixed: int
    """Findings of the base that are gone."""
    tolerated: int
    """How many flagged examples would still pass."""
    reason: str | None
    """Why it was skipped or not judged on its share, or what went wrong."""
    trace: str | None
    """The masked traceback of an errored rule."""
    parameters: dict[str, object]
    figures: dict[str, float | None]
    seconds: float


@with_config(_DOCUMENTED)
class FindingEntry(TypedDict):
    """One rule not met, at one example, one file, or the dataset as a whole."""

    finding: str | None
    """The finding's id (SHA-256, hex), by which `gate waive` names it: the same problem has the same in any run. Null
    for a finding of the base that is gone."""
    rule: str
    code: str
    """What exactly; `gate rules explain RULE` says what each code means."""
    severity: Severity
    id: str | None
    """Content id of the example; null when the row is malformed or the finding is about the dataset."""
    file: str | None
    row: int | None
    """1-based."""
    field: str | None
    start: int | None
    """Characters into the field, half open."""
    end: int | None
    message: str
    evidence: str | None
    """Masked."""
    group: str | None
    """Cluster of duplicates, or pair of splits."""
    partner: str | None
    """Content id of the example it was compared with."""
    score: float | None
    remedy: Remedy
    state: State | None
    """`unchanged`: it involves only rows that the base has too, and does not count. Everything is `new` where there is
    no base. `waived`: a waiver covers it, and it does not count. Null for a finding of the base that is gone."""


@with_config(_DOCUMENTED)
class FileEntry(TypedDict):
    """One file that was read."""

    path: str
    bytes: int
    sha256: str
    format: str
    shape: str | None
    split: str | None
    rows: int
    """examples + malformed."""
    examples: int
    malformed: int


@with_config(_DOCUMENTED)
class SkippedEntry(TypedDict):
    """A file that is not data."""

    path: str
    reason: str


@with_config(_DOCUMENTED)
class MalformedEntry(TypedDict):
    """A row that could not be read."""

    file: str
    row: int | None
    """1-based; null when it is the file as a whole."""
    line: int | None
    offset: int | None
    """Bytes from the start of the decompressed file."""
    digest: str | None
    """SHA-256 of the raw bytes."""
    kind: str | None
    reason: str
    message: str
    head: str | None
    """The first 200 characters, masked."""


HistogramBin = TypedDict("HistogramBin", {"from": float, "to": float, "count": int})
"""How many texts have a length in [from, to) characters. (`from` is a word of Python's, hence this form.)"""


@with_config(_DOCUMENTED)
class Lengths(TypedDict):
    """Lengths in characters."""

    n: int
    min: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    max: float
    mean: float
    histogram: list[HistogramBin]


@with_config(_DOCUMENTED)
class TurnCount(TypedDict):
    """How many examples have this many messages."""

    turns: int
    count: int


@with_config(_DOCUMENTED)
class ClusterCount(TypedDict):
    """How many duplicate clusters have this size."""

    size: int
    count: int


@with_config(_DOCUMENTED)
class FileCount(TypedDict):
    """Rows of one file."""

    path: str
    rows: int
    examples: int
    malformed: int
    bytes: int
    shape: str | None
    split: str | None


@with_config(_DOCUMENTED)
class Profile(TypedDict, total=False):
    """Figures of the dataset; no text of it."""

    rows: int
    examples: int
    malformed: int
    kinds: dict[str, int]
    shapes: dict[str, int]
    splits: dict[str, int]
    """`none` counts the rows that name no split."""
    roles: dict[str, int]
    files: list[FileCount]
    chars: dict[str, Lengths | None]
    """`prompt`, `response` and `full`; null where no example has such a text."""
    turns: list[TurnCount]
    duplicate_clusters: list[ClusterCount]
    languages: dict[str, int]
    """Empty where languages were not measured."""


@with_config(_DOCUMENTED)
class PolicyEntry(TypedDict):
    """The policy that judged one kind of example."""

    name: str
    digest: str
    """SHA-256 of the canonical JSON of the effective rules."""
    files: list[str]


@with_config(_DOCUMENTED)
class ComparisonEntry(TypedDict):
    """What the dataset was compared with, and how it differs."""

    base: str
    """As it was asked for: a git revision, a path, a snapshot."""
    revision: str | None
    """The commit that it stands for, when it is a git revision."""
    rows: int
    """Rows of the base, malformed ones included."""
    new: int
    """Rows that the base does not have."""
    unchanged: int
    """Rows that both have."""
    removed: int
    """Rows that only the base has."""
    fixed: list[FindingEntry]
    """Findings of the base that are gone; files and rows are the base's."""
    profile: Profile
    """Figures of the base."""


@with_config(_DOCUMENTED)
class WaiverEntry(TypedDict):
    """A waiver that covers a finding."""

    statement: str
    """The digest of the signed statement."""
    rule: str
    by: str
    made: str
    """UTC, RFC 3339."""
    until: str
    """From then on it covers nothing."""
    why: str


@with_config(_DOCUMENTED)
class ResultDocument(TypedDict):
    """The judgement of a dataset."""

    schema: Literal["gate.result/1"]
    version: str
    """Of gate."""
    verdict: Verdict
    reason: str
    exit_code: Literal[0, 1, 3, 4]
    fail_on: FailOn
    started: str
    """UTC, ISO 8601."""
    seconds: float
    root: str
    rules: list[RuleEntry]
    findings: list[FindingEntry]
    """All of them, the most severe first."""
    files: list[FileEntry]
    skipped: list[SkippedEntry]
    malformed: list[MalformedEntry]
    policies: dict[str, PolicyEntry]
    """By kind of example; `base` judged the rows whose kind is not known."""
    profile: Profile
    comparison: ComparisonEntry | None
    """Null where there was no base to compare with."""
    waivers: list[WaiverEntry]
    """Those that the verdict rests on, the oldest first."""


def result_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of `gate check --output json`, as published in `docs/schemas/result.json`."""
    schema = TypeAdapter(ResultDocument).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:gate:result:1",
        "title": "gate result, version 1",
        **{key: value for key, value in schema.items() if key != "title"},
    }
