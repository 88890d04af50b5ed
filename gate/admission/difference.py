"""What a comparison of two datasets came to: rows, figures, and the few rows whose texts are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from gate.admission.profile import Profile
from gate.data.differences import DIFFERENCES, Differences
from gate.folders import Folders

Place = tuple[str, int]
"""File and row."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the profile on both sides; None where a side has no such number."""

    name: str
    a: float | None
    b: float | None

    @property
    def changed(self) -> bool:
        """Whether the sides differ."""
        return self.a != self.b


@dataclass(frozen=True, slots=True, repr=False)
class DiffResult:
    """How dataset B differs from dataset A."""

    a: str
    b: str
    differences: Differences
    malformed_added: int
    """Malformed rows that only B has, by their bytes."""
    malformed_removed: int
    profile_a: Profile
    profile_b: Profile
    version: str
    seconds: float
    shown: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DIFFERENCES))
    """The differences whose texts were fetched, in their order."""
    texts_a: Mapping[Place, str] = field(default_factory=dict)
    """The masked texts of the rows of A that a report shows."""
    texts_b: Mapping[Place, str] = field(default_factory=dict)
    folders: Folders = field(default_factory=Folders)

    def __repr__(self) -> str:
        """What a person at a prompt wants to know."""
        return f"<DiffResult {'differs' if self.differ else 'same'}: {self.differences.rows.height} rows>"

    @property
    def differ(self) -> bool:
        """Whether any row differs; a row that only moved to another file does not."""
        return bool(self.differences.rows.height or self.malformed_added or self.malformed_removed)

    @property
    def exit_code(self) -> int:
        """0 the same, 1 different, as `diff` has it."""
        return int(self.differ)

    @property
    def figures(self) -> list[Figure]:
        """Every number of the two profiles, those of single files and histograms aside."""
        a, b = dict(_numbers("", self.profile_a)), dict(_numbers("", self.profile_b))
        return [Figure(name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b])]


def _numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield name, float(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("files", "histogram"):
                yield from _numbers(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "count" in item and len(item) == 2:  # turns: how many examples have so many
                (label,) = (key for key in item if key != "count")
                yield f"{name}.{item[label]}", float(item["count"])
