"""What a policy says, once read: rules with their effective values and where each value came from.

A file's own form (`gate.policy.form`) is what a person writes; a `Policy` is what is left after
`extends:` has been followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor
from typing import Literal

from gate.data.columns import ColumnMap

Severity = Literal["error", "warning", "info"]
Remedy = Literal["drop", "redact", "fix", "review"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a policy demands of one check's measurement."""

    id: str
    check: str
    severity: Severity
    """`error` blocks, `warning` shows, `info` counts."""
    tolerate: int | float
    """How many examples may be flagged before the rule fails: an int is a count, a float below 1 a share."""
    remedy: Remedy
    why: str
    params: dict[str, object] = field(default_factory=dict)
    """The `with:` of the file, not yet validated by the check."""
    min_examples: int | None = None
    """How many rows a pull request must add before the share is judged; None where nothing or a count is tolerated."""
    places: dict[str, Place] = field(default_factory=dict)
    """Where each effective value came from, by dotted key: `severity`, `with.threshold`, and `` (the rule itself)."""

    @property
    def on_share(self) -> bool:
        """Whether it tolerates a share of the examples, which says little of a few of them."""
        return isinstance(self.tolerate, float) and self.tolerate > 0

    def allowance(self, examined: int) -> int:
        """How many flagged examples out of `examined` still pass."""
        # Rounded first: 0.29 x 100 is 28.999999999999996 in binary, and 29 to the person who wrote it.
        return self.tolerate if isinstance(self.tolerate, int) else floor(round(self.tolerate * examined, 6))


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for one kind of example."""

    name: str
    description: str
    rules: tuple[Rule, ...]
    digest: str
    """SHA-256 of the canonical JSON of the effective rules: the same demands have the same digest."""
    files: tuple[str, ...] = ()
    """The files it was read from, the most specific first."""
    columns: ColumnMap | None = None
    """How the dataset's columns are named, when the policy says so."""
