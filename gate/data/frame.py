"""What an example is: the columns of a canonical frame, of its malformed rows, and a dataset of both.

A reader yields one `Dataset` whose counts close: rows read = examples + malformed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Shape = Literal[
    "instruction", "prompt_completion", "input_output", "question_answer",
    "messages", "sharegpt", "preference", "feedback", "text",
]  # fmt: skip
Kind = Literal["chat", "preference", "feedback", "text"]
Split = Literal["train", "validation", "test"]

SHAPES: tuple[Shape, ...] = Shape.__args__  # type: ignore[attr-defined]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
SPLITS: tuple[Split, ...] = Split.__args__  # type: ignore[attr-defined]
ROLES = ("system", "user", "assistant", "tool")
"""The canonical roles. `developer` reads as system, ShareGPT's `human`, `gpt`, `function_call` and
`observation` as user, assistant, assistant and tool; any other role stays as written."""

MESSAGE = pl.Struct(
    {
        "role": pl.String,
        "content": pl.String,
        "name": pl.String,
        "tool_calls": pl.String,  # JSON list as the source gave it, or null
        "tool_call_id": pl.String,
    }
)
MESSAGES = pl.List(MESSAGE)

EXAMPLES = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "id": pl.String,  # content id, SHA-256 hex (gate.data.ids)
        "record_id": pl.String,  # the same plus meta
        "file": pl.String,  # relative to the dataset root, "/" between parts
        "row": pl.UInt32,  # 1-based element of its file
        "line": pl.UInt32,  # 1-based line, null where the format has none
        "shape": pl.Enum(SHAPES),
        "kind": pl.Enum(KINDS),
        "split": pl.Enum(SPLITS),
        "messages": MESSAGES,  # the conversation; for `preference` the shared prompt
        "chosen": MESSAGES,
        "rejected": MESSAGES,
        "label": pl.Boolean,
        "text": pl.String,
        "tools": pl.String,  # JSON
        "meta": pl.String,  # JSON object of every other column, or null when there is none
        "source": pl.String,  # the record verbatim (JSON), or null when it was not asked for
    }
)

MALFORMED = pl.Schema(
    {  # type: ignore[arg-type]  # the same
        "file": pl.String,
        "row": pl.UInt32,  # null: the file as a whole
        "line": pl.UInt32,
        "offset": pl.UInt64,  # bytes from the start of the (decompressed) file
        "digest": pl.String,  # SHA-256 hex of the raw bytes
        "kind": pl.Enum(KINDS),  # the kind of its file's shape, null when that is not known either
        "reason": pl.String,  # a code of gate.data.malformed.Reason
        "message": pl.String,  # one sentence, with no raw value in it
        "head": pl.String,  # the first 200 characters, masked
    }
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file that was read, and what became of its rows."""

    path: str
    """Relative to the dataset root."""
    bytes: int
    """Size on disk."""
    sha256: str
    """Of the bytes on disk."""
    format: str
    """`jsonl`, `json`, `csv`, `tsv`, `parquet`, `arrow`; with `+gz` or `+zst`."""
    shape: Shape | None
    split: Split | None
    """As its folder or name says; a `split` column is per row."""
    examples: int
    malformed: int

    @property
    def rows(self) -> int:
        """Rows read: every one is an example or malformed."""
        return self.examples + self.malformed


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file in the folder that is not data, and why it was passed over."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything that was read from the paths under review."""

    root: str
    examples: pl.DataFrame
    malformed: pl.DataFrame
    files: tuple[SourceFile, ...] = ()
    skipped: tuple[SkippedFile, ...] = field(default=())
