"""The record of what was done to a dataset: one line for every row touched and every reason, with rows as they were
and as they are now.

Rows are dropped in rounds (a redaction can make two rows equal, which are then duplicates), so that a row's number
changes on the way; `Numbers` follows it. No text of the data is in the log: evidence is masked where it was created.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from gate.data.masking import mask_text

FIX_LOG = pl.Schema(
    {
        "file": pl.String,  # relative to the root of the data
        "row": pl.UInt32,  # as it was; null where the file as a whole is meant
        "row_after": pl.UInt32,  # as it is now; null where it is gone
        "action": pl.String,  # dropped, redacted, mended, file_left_out
        "rule": pl.String,
        "code": pl.String,
        "field": pl.String,
        "start": pl.UInt32,  # in the text as it was in that round
        "end": pl.UInt32,
        "evidence": pl.String,  # masked; null for dropped rows, which can be looked up where they came from
        "partner": pl.String,  # content id of the row that is kept, for a duplicate
        "round": pl.UInt32,
    }
)

Rows = NDArray[np.int64]


@dataclass(slots=True)
class Numbers:
    """Row numbers of the files of a dataset from round to round."""

    _dropped: dict[str, list[Rows]] = field(default_factory=dict)
    """Per file and round in which it lost rows: the rows, by the numbers of that round, sorted."""

    def drop(self, file: str, rows: Iterable[int]) -> None:
        """Note the rows of a file that go in this round."""
        gone = np.array(sorted(rows), dtype=np.int64)
        if gone.size:
            self._dropped.setdefault(file, []).append(gone)

    def before(self, file: str, rows: Rows) -> Rows:
        """What rows of the present round were called at first."""
        for gone in reversed(self._dropped.get(file, [])):
            # The i-th dropped row (from 0) stood before `gone[i] - i` of those that are left.
            rows = rows + np.searchsorted(gone - np.arange(gone.size), rows, side="right")
        return rows

    def after(self, file: str, rows: Rows) -> Rows:
        """What rows of the first round are called now; 0 where they are gone."""
        rows = rows.copy()
        for gone in self._dropped.get(file, []):
            dropped = np.isin(rows, gone)
            rows = np.where(dropped, 0, rows - np.searchsorted(gone, rows))
            rows = np.maximum(rows, 0)
        return rows


@dataclass(slots=True)
class FixLog:
    """What is written down while the rounds go on."""

    numbers: Numbers = field(default_factory=Numbers)
    _parts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, acted: pl.DataFrame, round_: int) -> None:
        """Note the findings that were acted upon, with their `action`; before the round's rows are dropped."""
        for part in acted.partition_by("file", maintain_order=True):
            first = self.numbers.before(str(part["file"][0]), part["row"].cast(pl.Int64).to_numpy())
            columns = [name for name in FIX_LOG if name in part.columns and name != "row"]
            shown = pl.when(pl.col("action") != "dropped").then("evidence")
            self._parts.append(
                _conform(part.select(columns).with_columns(row=pl.Series(first), round=pl.lit(round_), evidence=shown))
            )

    def left_out(self, files: Iterable[str], round_: int) -> None:
        """Note files of which no row was left."""
        named = pl.DataFrame({"file": list(files)}, schema={"file": pl.String})
        self._parts.append(_conform(named.with_columns(action=pl.lit("file_left_out"), round=pl.lit(round_))))

    def frame(self) -> pl.DataFrame:
        """Schema `FIX_LOG`, by file and row."""
        parts = []
        for part in pl.concat([pl.DataFrame(schema=FIX_LOG), *self._parts]).partition_by("file"):
            now = self.numbers.after(str(part["file"][0]), part["row"].cast(pl.Int64).fill_null(0).to_numpy())
            parts.append(part.with_columns(row_after=pl.Series(now, dtype=pl.Int64).replace(0, None).cast(pl.UInt32)))
        logged = pl.concat([pl.DataFrame(schema=FIX_LOG), *parts])
        # A row may have been redacted in one round and dropped in a later one: both lines say that it is gone.
        return logged.sort("file", "row", "round", nulls_last=True, maintain_order=True)


def _conform(part: pl.DataFrame) -> pl.DataFrame:
    have = part.columns
    return part.select(
        (pl.col(name) if name in have else pl.lit(None)).cast(dtype).alias(name) for name, dtype in FIX_LOG.items()
    )


def as_jsonl(log: pl.DataFrame) -> bytes:
    """The log as JSON Lines, one object per row touched and reason; nulls are left out but for `row_after`.

    Evidence is masked once more: it ends in a file that travels with the data.
    """
    lines = []
    for entry in log.iter_rows(named=True):  # one line per finding acted upon
        if entry["evidence"] is not None:
            entry["evidence"] = mask_text(entry["evidence"])
        kept = {name: value for name, value in entry.items() if value is not None or name in ("row", "row_after")}
        lines.append(orjson.dumps(kept))
    return b"".join(line + b"\n" for line in lines)
