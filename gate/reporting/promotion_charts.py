"""The charts of a promotion: a forest plot of every comparison with its margin, and what was learned against what was
forgotten by each candidate of the store.

A forest plot is drawn twice, wide and narrow, and the page shows the one that fits: scaled to a phone, the labels of
the wide one could not be read.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gate.folders import Folders
from gate.reporting.charts import Chart, Row, draw
from gate.reporting.inert import one_line
from gate.reporting.promotion_forgetting import Point
from gate.reporting.promotion_lines import Line, named, short

NARROW = 190
"""Pixels of the narrow plot beside its labels: a window of 400 pixels holds it at its own size."""
_LABEL = 24
MOST_POINTS = 60
"""Candidates of the plot; the latest count."""
_LABELLED = 8
"""Candidates that are named in the plot, the latest."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The comparisons with one model in one unit."""

    title: str
    wide: str
    narrow: str
    """Inline SVG."""
    lines: tuple[Line, ...]


def forests(found: Sequence[Line], folders: Folders) -> list[Forest]:
    """One plot for each model compared with, what is asked against it, and each unit (shares of items in points, any
    other metric in its own): a task that has to gain 50 points would squeeze those that may lose 3.

    Raises:
        GateError: a user's own spec in `reports/charts/` cannot be used.
    """
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in found:
        if line.comparison is not None and line.against is not None:
            unit = _POINTS if line.share else line.metric
            groups.setdefault((line.against, line.outcome.demand, unit), []).append(line)
    ranked = sorted(groups.items(), key=lambda each: _rank(*each[0]))
    return [_forest(*key, group, folders) for key, group in ranked]


_POINTS = "points"
_ASKED = {"no_worse": "may not be worse than", "better": "has to be better than"}


def _rank(against: str, demand: str, unit: str) -> tuple[int, bool, bool, str]:
    order = ("the base", "the champion", "the best prompt")
    return order.index(against), demand != "no_worse", unit != _POINTS, unit


def _forest(against: str, demand: str, unit: str, group: list[Line], folders: Folders) -> Forest:
    group = sorted(group, key=lambda line: line.outcome.gated, reverse=True)  # what decides stands first
    scale = 100.0 if unit == _POINTS else 1.0
    names = _distinct([named(line, group) for line in group])
    rows: list[Row] = []
    for name, line in zip(names, group, strict=True):
        found = line.comparison
        assert found is not None
        rows.append(
            {
                "task": name,
                "difference": scale * found.difference,
                "lower": scale * found.lower,
                "upper": scale * found.upper,
                "margin": -scale * found.margin,
                "ended": line.edge,
            }
        )
    what = _POINTS if unit == _POINTS else f"{one_line(unit, 60)}, right is better"
    title = f"What {_ASKED[demand]} {against}: difference in {what}"
    spoken = html.escape(title)  # a metric's name is a task file's text
    wide, narrow = draw(folders, "forest", spoken, rows), draw(folders, "forest", spoken, rows, width=NARROW)
    return Forest(title, wide, narrow, tuple(group))


def _distinct(names: Sequence[str]) -> list[str]:
    """Short labels, all different: two long names, or two demands on one task, must not become one line."""
    shorts = [short(name, _LABEL) for name in names]
    seen: Counter[str] = Counter()
    labels = []
    for label in shorts:
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return labels


def learned(points: Sequence[Point], folders: Folders) -> Chart | None:
    """What each candidate learned against what it forgot; None where nothing is known of either.

    Raises:
        GateError: a user's own spec in `reports/charts/` cannot be used.
    """
    if not points:
        return None
    latest = points[-MOST_POINTS:]
    rows: list[Row] = [
        {
            "label": short(each.name, 18) if each.this or at >= len(latest) - _LABELLED else "",
            "learned": 100 * each.learned,
            "forgotten": 100 * each.forgotten,
            "verdict": each.verdict,
            "this": each.this,
        }
        for at, each in enumerate(latest)
    ]
    title = "Learned against forgotten"
    note = None if len(points) <= MOST_POINTS else f"the latest {MOST_POINTS} of {len(points):,} candidates"
    header = ("candidate", "verdict", "learned", "forgotten")
    table = tuple(
        (one_line(each.name, 80) + (" (this one)" if each.this else ""), each.verdict,
         f"{100 * each.learned:.1f} %", f"{100 * each.forgotten:.1f} %")
        for each in reversed(latest)
    )  # fmt: skip
    return Chart("learned", title, draw(folders, "learned", title, rows), note, header, table)
