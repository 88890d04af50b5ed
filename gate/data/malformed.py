"""Why a row or a file could not become an example, and the record that is kept of it.

Nothing is dropped silently: whatever does not fit lands here with its place, the digest of its bytes and a
masked excerpt. The docs list the reasons from `MEANINGS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from gate.data.frame import MALFORMED, Kind
from gate.data.masking import mask_text

HEAD_CHARACTERS = 200
"""How much of a malformed row is shown (DESIGN.md, Canonical examples)."""


class Reason(StrEnum):
    """A stable code for each way in which a row or a file can be unreadable."""

    INVALID_JSON = "invalid_json"
    TRUNCATED = "truncated"
    INVALID_UTF8 = "invalid_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NUL = "nul"
    NOT_A_NUMBER = "not_a_number"
    NUMBER_TOO_LARGE = "number_too_large"
    DUPLICATE_KEY = "duplicate_key"
    NESTED_TOO_DEEPLY = "nested_too_deeply"
    TOO_LONG = "too_long"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NULL_VALUE = "null_value"
    UNKNOWN_SHAPE = "unknown_shape"
    RAGGED_ROW = "ragged_row"
    UNCLOSED_QUOTE = "unclosed_quote"
    NO_ROWS = "no_rows"
    DUPLICATE_COLUMN = "duplicate_column"
    WRONG_ENCODING = "wrong_encoding"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    LFS_POINTER = "lfs_pointer"
    MISSING_FILE = "missing_file"
    OUTSIDE_FOLDER = "outside_folder"


MEANINGS: dict[Reason, str] = {
    Reason.INVALID_JSON: "The row is not valid JSON.",
    Reason.TRUNCATED: "The row or the compressed file ends before it is complete.",
    Reason.INVALID_UTF8: "The row holds bytes that are not UTF-8.",
    Reason.LONE_SURROGATE: "A \\u escape is half of a surrogate pair, which is no character.",
    Reason.NUL: "The row holds raw NUL bytes, which no text format allows.",
    Reason.NOT_A_NUMBER: "The row holds NaN or Infinity, which JSON does not have.",
    Reason.NUMBER_TOO_LARGE: "A number is beyond what 64 bits hold, so reading it would change it.",
    Reason.DUPLICATE_KEY: "An object names the same key twice, so that one of the values would be lost.",
    Reason.NESTED_TOO_DEEPLY: "Objects or lists are nested deeper than any training format needs.",
    Reason.TOO_LONG: "The row is longer than the limit for one record.",
    Reason.NOT_AN_OBJECT: "The row is a list, a text or a number, not an object with fields.",
    Reason.MISSING_FIELD: "A field that the file's shape needs is absent.",
    Reason.WRONG_TYPE: "A field holds another type of value than its shape needs.",
    Reason.NULL_VALUE: "A field that must have a value is null.",
    Reason.UNKNOWN_SHAPE: "The columns are of no shape that gate knows; name them with `columns:`.",
    Reason.RAGGED_ROW: "The row has more or fewer cells than the header.",
    Reason.UNCLOSED_QUOTE: "A quoted cell is not closed, or goes on after its closing quote.",
    Reason.NO_ROWS: "The file holds no row at all.",
    Reason.DUPLICATE_COLUMN: "The header names the same column twice, so that one of them would be lost.",
    Reason.WRONG_ENCODING: "The file is not UTF-8 (UTF-16 or UTF-32, by its first bytes); convert it.",
    Reason.CORRUPT: "The file's container (Parquet, Arrow, gzip, zstd) is damaged.",
    Reason.TOO_LARGE: "The file expands beyond the limit for its size, as a decompression bomb does.",
    Reason.LFS_POINTER: "The file is a Git LFS pointer; fetch the data with `git lfs pull`.",
    Reason.MISSING_FILE: "A file that the dataset's own index lists is not there.",
    Reason.OUTSIDE_FOLDER: "A link leads out of the folder and is not followed; put the data there, or name the file.",
}


class Misfit(Exception):
    """A row that cannot be used: raised while one is read, caught by its file's reader, never seen by people.

    Args:
        reason: the code.
        message: one sentence that names the field, and never a value.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason, self.message = reason, message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Malformed:
    """One unreadable row, or a whole file when `row` is None."""

    row: int | None
    line: int | None
    offset: int | None
    digest: str | None
    reason: Reason
    message: str
    head: str | None


def malformed(
    misfit: Misfit, raw: bytes | None, *, row: int | None = None, line: int | None = None, offset: int | None = None
) -> Malformed:
    """The record kept of a row that did not fit.

    Args:
        raw: its bytes; digested and, in its first characters, masked.
    """
    digest = None if raw is None else hashlib.sha256(raw).hexdigest()
    return Malformed(row, line, offset, digest, misfit.reason, misfit.message, None if raw is None else head(raw))


def head(raw: bytes) -> str:
    """The first 200 characters, masked. Twice as many are masked before the cut, so that a secret which the
    cut would halve is still recognised."""
    text = raw[: HEAD_CHARACTERS * 8].decode("utf-8", "replace")[: HEAD_CHARACTERS * 2]
    return mask_text(text)[:HEAD_CHARACTERS]


def name_of(key: object) -> str:
    """A column's or role's name fit for a message: masked, and cut at 60 characters."""
    return mask_text(str(key)[:120])[:60]


def malformed_frame(rows: Sequence[Malformed], file: str, kind: Kind | None) -> pl.DataFrame:
    """The rows as a frame of schema `MALFORMED`."""
    return pl.DataFrame(
        {
            "file": [file] * len(rows),
            "row": [bad.row for bad in rows],
            "line": [bad.line for bad in rows],
            "offset": [bad.offset for bad in rows],
            "digest": [bad.digest for bad in rows],
            "kind": [kind] * len(rows),
            "reason": [str(bad.reason) for bad in rows],
            "message": [bad.message for bad in rows],
            "head": [bad.head for bad in rows],
        },
        schema=MALFORMED,
    )
