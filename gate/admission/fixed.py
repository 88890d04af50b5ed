"""What fixing a dataset came to: files, rows, the log, and the judgement of what is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.admission.result import AdmissionResult


@dataclass(frozen=True, slots=True)
class FixedFile:
    """What became of one data file."""

    path: str
    rows_in: int
    rows_out: int
    changed: bool


@dataclass(frozen=True, slots=True)
class FixResult:
    """What was done to a dataset, and what is left for a person."""

    out: Path | None
    """Where the fixed data lies; None for a dry run."""
    log_path: Path | None
    files: tuple[FixedFile, ...]
    copied: tuple[str, ...]
    """Files that are no data, copied as they are and looked at by nobody."""
    log: pl.DataFrame
    """Schema `gate.admission.fix_log.FIX_LOG`."""
    before: AdmissionResult
    after: AdmissionResult
    """The judgement of the fixed data by the same rules."""
    left: pl.DataFrame
    """Findings of the fixed data that are for a person (schema `FINDINGS`), `info` aside."""
    rounds: int
    seconds: float

    @property
    def rows_in(self) -> int:
        """Rows read, malformed ones included."""
        return sum(file.rows_in for file in self.files)

    @property
    def rows_out(self) -> int:
        """Rows written."""
        return sum(file.rows_out for file in self.files)

    def rows(self, action: str) -> int:
        """How many rows of the original something was done to."""
        return self.log.filter(pl.col("action") == action).select("file", "row").n_unique()

    @property
    def exit_code(self) -> int:
        """That of the judgement of the fixed data."""
        return self.after.exit_code
