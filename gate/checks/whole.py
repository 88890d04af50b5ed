"""Findings about a dataset as a whole: none of its rows is at fault by itself.

Each says by its score how far the dataset is from what is demanded, larger being worse, so that a comparison with a
base can tell one that got worse from one that was there before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import polars as pl

from gate.checks.base import FOUND, NOTHING_FOUND, found


@dataclass(frozen=True, slots=True)
class Whole:
    """One demand that a dataset does not meet."""

    code: str
    message: str
    """One sentence, with no text of the data in it."""
    score: float
    """How far it is from what is demanded; larger is worse, and never below 0."""
    group: str | None = None
    """What in the dataset it is about, such as a split or a column; with the code it names the finding."""
    severity: Literal["info"] | None = None
    """None: the rule's own."""
    file: str | None = None
    """Where it has to be mended, when there is such a place."""


def wholes(demands: Iterable[Whole]) -> pl.DataFrame:
    """Findings (schema `FOUND`), in the order given."""
    rows = [asdict(each) for each in demands]
    if not rows:
        return NOTHING_FOUND
    columns = ("code", "message", "score", "group", "severity", "file")
    return found(pl.DataFrame(rows, schema={name: FOUND[name] for name in columns}))
