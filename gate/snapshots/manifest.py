"""The id of a snapshot: the SHA-256 of its manifest.

The manifest is text, one line per different (content id, split), in ascending order:

    gate snapshot 1
    major <gate's major version>
    policy <digest of the policy document>
    <content id> <split> <multiplicity> <record id>[,<record id>…]

Record ids (one for each occurrence, sorted) tell examples of the same content with other `meta` apart. No file name,
order, time, signer or Parquet byte is in it, so the same examples under the same policy and major version have the same
id on any machine. It is never stored: whoever verifies a snapshot computes it from the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import polars as pl

_PARTS = "0123456789abcdef"


def snapshot_id(rows: Iterable[pl.DataFrame], policy: str, major: str) -> str:
    """The id of a snapshot.

    Args:
        rows: the admitted examples, in any order and parts: columns `id`, `record_id`, `split` (no null in any).
        policy: digest of the policy document.
        major: gate's major version.

    Returns:
        64 hex digits. A million rows take about a second and some 300 MB.
    """
    parts = [part.select("id", "record_id", pl.col("split").cast(pl.String)) for part in rows]
    every = (
        pl.concat(parts)
        if parts
        else pl.DataFrame(schema={"id": pl.String, "record_id": pl.String, "split": pl.String})
    )
    if sum(every.null_count().row(0)):
        raise ValueError("an admitted example has an id, a record id and a split")
    total = hashlib.sha256(f"gate snapshot 1\nmajor {major}\npolicy {policy}\n".encode())
    for digit in _PARTS:  # a sixteenth at a time, so that no text of all rows is held
        lines = (
            every.lazy()
            .filter(pl.col("id").str.starts_with(digit))
            .sort("id", "split", "record_id")
            .group_by("id", "split", maintain_order=True)
            .agg(pl.len().alias("multiplicity"), pl.col("record_id").str.join(","))
            .select(pl.format("{} {} {} {}", "id", "split", "multiplicity", "record_id").alias("line"))
            .collect()["line"]
        )
        if lines.len():
            total.update("\n".join(lines.to_list()).encode() + b"\n")
    return total.hexdigest()
