"""How a problem is planted: a row as it stands in the planted dataset and as it stands in the clean twin."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass

from grammar import Row

TRAIN, TEST, VALIDATION = "tickets/train.jsonl", "tickets/test.jsonl", "tickets/validation.jsonl"
FAQ, RATINGS = "faq.csv", "ratings.jsonl"
PREFERENCES = "preferences/train.parquet"


@dataclass(frozen=True)
class Plant:
    """One finding that the check must make: at this slot, by this rule."""

    rule: str
    code: str
    what: str
    partner: str | None = None
    """The key of the slot it is compared with."""
    severity: str | None = None
    """Where it is not the rule's own: `info` for a documentation value."""


@dataclass(frozen=True)
class Slot:
    """One row of a file, in both datasets."""

    file: str
    planted: Row | bytes | None
    """As it stands in the planted dataset; bytes are written as they are; None leaves the row out."""
    clean: Row | None
    """As it stands in the clean twin; None leaves the row out."""
    plants: tuple[Plant, ...] = ()
    key: str | None = None
    last: bool = False
    """Whether it has to be the last row of its file."""
    after: str | None = None
    """The key of a slot of the same file that must come before it: of rows with one content, the first stays."""


def edited(row: Row, edit: Callable[[Row], object]) -> Row:
    """A deep copy of the row after the edit."""
    other = copy.deepcopy(row)
    edit(other)
    return other


def turns(row: Row) -> list[Row]:
    """The messages of a ticket, or of the first message's list, for editing in place."""
    return row["messages"]  # type: ignore[return-value]


def line(row: Row) -> bytes:
    """The row as one line of JSONL, without its line feed."""
    return json.dumps(row, ensure_ascii=False).encode()
