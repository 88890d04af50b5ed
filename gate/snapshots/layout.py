"""What a snapshot is made of: the objects that hold its rows, and the descriptor that names them.

Rows lie in the order of their source files, a shard per object, so that a dataset in which one file changed shares
all other objects with the snapshot before it. Splits lie apart from them, because a split may change where no row did.
The descriptor is not part of the snapshot's identity: the id is the digest of `gate.snapshots.manifest`, which knows
no file, no order and no Parquet bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from gate.data.frame import EXAMPLES, SPLITS

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]

ADMITTED = pl.Schema({name: dtype for name, dtype in EXAMPLES.items() if name != "split"})
"""Of an object with examples: canonical, with the verbatim record in `source`."""
ASSIGNED = pl.Schema({"split": pl.Enum(SPLITS)})
"""Of an object with splits: a row per example of the shard, in its order."""
EXCLUDED = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "id": pl.String,
        "record_id": pl.String,
        "file": pl.String,
        "row": pl.UInt32,
        "rules": pl.List(pl.String),  # the rules that exclude it
        "codes": pl.List(pl.String),  # of the findings behind that
    }
)
"""Examples that were not admitted; their content is not kept."""
VERDICTS = pl.Schema(
    {  # type: ignore[arg-type]  # the same
        "id": pl.String,  # content id
        "verdict": pl.Enum(["good", "bad", "skip"]),
        "reason": pl.String,  # of a bad one, or null
        "at": pl.String,  # as statements write time
    }
)
"""Of the object of a review."""


class ShardObjects(BaseModel):
    """Some consecutive admitted examples of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    examples: Digest
    """Parquet, schema `ADMITTED`."""
    splits: Digest
    """Parquet, schema `ASSIGNED`."""
    rows: Count
    bytes: Count
    """Of both objects."""


class Descriptor(BaseModel):
    """Where the rows of a snapshot are."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    snapshot: Digest
    major: str
    """gate's major version, which is part of the id."""
    policy: Digest
    """The object (json) with every rule as it was applied; its digest is part of the id."""
    shards: list[ShardObjects]
    excluded: Digest
    """Parquet, schema `EXCLUDED`."""
    malformed: Digest
    """Parquet, schema gate.data.frame.MALFORMED."""
