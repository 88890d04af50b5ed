"""What every format's reader hands on: parsed records with their places, a few thousand at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from gate.data.malformed import Malformed, Misfit, Reason, malformed
from gate.data.parse import Record

ROWS = 8192
"""Rows of a batch: what is held as Python objects at any time."""


@dataclass(slots=True)
class Batch:
    """Records of one file with their places; parallel lists."""

    records: list[Record] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    lines: list[int | None] = field(default_factory=list)
    offsets: list[int | None] = field(default_factory=list)
    raws: list[bytes | None] = field(default_factory=list)
    """The record's own bytes; None where the format stores columns."""

    def add(self, record: Record, row: int, line: int | None, offset: int | None, raw: bytes | None) -> None:
        self.records.append(record)
        self.rows.append(row)
        self.lines.append(line)
        self.offsets.append(offset)
        self.raws.append(raw)


@dataclass(slots=True)
class Reading:
    """How far a file has been read: the rows counted, and those that could not be read."""

    rows: int = 0
    bad: list[Malformed] = field(default_factory=list)
    most: int = 1_000_000
    """Malformed rows from which on a reader hands on what it has, and is not asked for more."""

    @property
    def hopeless(self) -> bool:
        """Whether so many rows are malformed that the rest is given up."""
        return len(self.bad) >= self.most

    def fail(self, misfit: Misfit, raw: bytes | None, *, line: int | None = None, offset: int | None = None) -> None:
        """Count a row that cannot be read."""
        self.rows += 1
        self.bad.append(malformed(misfit, raw, row=self.rows, line=line, offset=offset))

    def fail_file(self, misfit: Misfit, raw: bytes | None = None, *, offset: int | None = None) -> None:
        """Note that the file as a whole, or all the rest of it, cannot be read."""
        self.bad.append(malformed(misfit, raw, offset=offset))


NO_ROWS = Misfit(Reason.NO_ROWS, "the file has no row")
