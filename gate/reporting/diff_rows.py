"""The rows that a diff shows, with what differs in them marked word by word; texts are masked and inert."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gate.admission.difference import DiffResult
from gate.data.differences import CHANGES
from gate.reporting.inert import inert, one_line
from gate.reporting.word_diff import Run, word_diff

_OPENING = 300
"""Characters shown of a row that only one side has."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One difference as it is shown."""

    change: str
    place: str
    left: tuple[Run, ...]
    """What A says; empty for an added row."""
    right: tuple[Run, ...]


def counts(result: DiffResult) -> list[tuple[str, int]]:
    """How many rows are the same and differ, by the kind of change."""
    found = result.differences
    labels = {
        "changed": "changed",
        "moved": "in another split",
        "meta": "other columns changed only",
        "added": "added",
        "removed": "removed",
    }
    rows = [("the same", found.same), *((labels[change], found.count(change)) for change in CHANGES)]
    more = [
        ("malformed, added", result.malformed_added),
        ("malformed, removed", result.malformed_removed),
        ("the same, in another file", found.refiled),
    ]
    return [*rows, *((name, count) for name, count in more if count)]


def number(value: float | None) -> str:
    """A figure as people write it; a dash where there is none."""
    return "–" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def shown_rows(result: DiffResult) -> list[ShownRow]:
    """The differences whose texts were fetched."""
    rows = []
    for each in result.shown.iter_rows(named=True):  # a report's worth
        a = result.texts_a.get((each["a_file"], each["a_row"]))
        b = result.texts_b.get((each["b_file"], each["b_row"]))
        left: tuple[Run, ...] = ()
        right: tuple[Run, ...] = ()
        if each["change"] == "changed" and a is not None and b is not None:
            compared = word_diff(a, b)
            left, right = compared.left, compared.right
        elif each["change"] == "removed" and a is not None:
            left = (Run("differs", _opening(a)),)
        elif b is not None:
            right = (Run("differs" if each["change"] == "added" else "same", _opening(b)),)
        places = [
            f"{one_line(file, 200)}:{row}" + (f" ({split})" if split else "")
            for file, row, split in (
                (each["a_file"], each["a_row"], each["a_split"]),
                (each["b_file"], each["b_row"], each["b_split"]),
            )
            if file is not None
        ]
        place = places[0] if len(set(places)) == 1 else " → ".join(places)
        rows.append(ShownRow(str(each["change"]), place, _inert(left), _inert(right)))
    return rows


def _opening(text: str) -> str:
    return text if len(text) <= _OPENING else text[:_OPENING] + "…"


def _inert(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    return tuple(replace(run, text=inert(run.text)) for run in runs)
