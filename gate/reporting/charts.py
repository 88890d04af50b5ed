"""The profile's charts as inline SVG, drawn by `vl-convert` from the Vega-Lite specs in `reports/charts/`.

A spec says how a chart looks and carries no data; the rows are put in here. Colours are `currentColor` and CSS
variables of the page, so that one drawing serves light, dark and print. Each chart comes with its figures as a table,
which is its text alternative.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gate.errors import GateError
from gate.folders import Folders
from gate.reporting.inert import one_line
from gate.reporting.schema import Profile

Row = Mapping[str, str | float]

MOST_BARS = 16
"""Bars in one chart; the rest is summed up in a last one."""
_LABEL = 24  # characters of a label


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure of the report."""

    name: str
    title: str
    svg: str | None
    """None: there was nothing to draw, and `note` says why."""
    note: str | None
    header: tuple[str, ...]
    rows: tuple[tuple[str | int, ...], ...]


def charts(profile: Profile, folders: Folders) -> list[Chart]:
    """Every chart that the profile has figures for.

    Raises:
        GateError: a user's own spec in `reports/charts/` is not JSON or not Vega-Lite.
    """
    files = {file["path"]: file["rows"] for file in profile.get("files", [])}
    languages = profile.get("languages", {})
    return [
        _bars(folders, "shapes", "Shapes", profile.get("shapes", {}), "shape"),
        _lengths(folders, profile),
        _bars(folders, "turns", "Messages per example", _turns(profile), "messages"),
        _bars(folders, "splits", "Splits", profile.get("splits", {}), "split"),
        _bars(folders, "files", "Rows per file", files, "file", keep_end=True),
        _bars(
            folders,
            "clusters",
            "Sizes of duplicate clusters",
            _clusters(profile),
            "rows in the cluster",
            "no duplicates",
        ),
        _bars(folders, "languages", "Languages", languages, "language", "not measured"),
    ]


def _bars(
    folders: Folders,
    name: str,
    title: str,
    counts: Mapping[str, int],
    what: str,
    none: str = "no examples",
    *,
    keep_end: bool = False,
) -> Chart:
    if not counts:
        return Chart(name, title, None, none, (what, "count"), ())
    entries = list(counts.items())
    note = None
    if len(entries) > MOST_BARS:
        entries = sorted(entries, key=lambda entry: -entry[1])
        rest = entries[MOST_BARS - 1 :]
        entries = [*entries[: MOST_BARS - 1], (f"{len(rest):,} more", sum(count for _, count in rest))]
        note = f"the {MOST_BARS - 1} largest of {len(counts):,}"
    rows: list[Row] = [
        {"name": label, "count": count}
        for label, (_, count) in zip(_labels([key for key, _ in entries], keep_end=keep_end), entries, strict=True)
    ]
    svg = draw(folders, name, title, rows)
    return Chart(name, title, svg, note, (what, "count"), tuple((one_line(key, 120), n) for key, n in entries))


def _labels(names: Sequence[str], *, keep_end: bool) -> list[str]:
    """Short, distinct labels: two long names must not become one bar."""
    labels: list[str] = []
    for name in names:
        label = one_line(name)
        if len(label) > _LABEL:
            label = "…" + label[1 - _LABEL :] if keep_end else label[: _LABEL - 1] + "…"
        twins = labels.count(label)
        while label in labels:
            twins += 1
            label = f"{label[: _LABEL - 5]} ({twins})"
        labels.append(label)
    return labels


def _lengths(folders: Folders, profile: Profile) -> Chart:
    header = ("text", "n", "min", "5 %", "25 %", "median", "75 %", "95 %", "max", "mean")
    measured = {name: each for name, each in profile.get("chars", {}).items() if each and each["n"] > 0}
    if not measured:
        return Chart("lengths", "Lengths in characters", None, "no examples", header, ())
    rows: list[Row] = [
        # A logarithmic axis has no zero: empty texts stand left of one character.
        {"text": name, "from": max(bin_["from"], 0.5), "to": bin_["to"], "count": bin_["count"]}
        for name, each in measured.items()
        for bin_ in each["histogram"]
    ]
    figures: list[tuple[str | int, ...]] = []
    for name, each in measured.items():
        points = (
            each["min"],
            each["p5"],
            each["p25"],
            each["p50"],
            each["p75"],
            each["p95"],
            each["max"],
            each["mean"],
        )
        figures.append((name, each["n"], *(round(point) for point in points)))
    svg = draw(folders, "lengths", "Lengths in characters", rows)
    return Chart("lengths", "Lengths in characters", svg, None, header, tuple(figures))


def _turns(profile: Profile) -> dict[str, int]:
    """Counts by number of messages, banded past ten."""
    counts = [(each["turns"], each["count"]) for each in profile.get("turns", [])]
    return _banded(counts, [(turns, turns) for turns in range(11)] + [(11, 20), (21, 50), (51, None)])


def _clusters(profile: Profile) -> dict[str, int]:
    """Counts by size; sizes past five in bands, since real data has a few enormous clusters."""
    counts = [(each["size"], each["count"]) for each in profile.get("duplicate_clusters", [])]
    return _banded(counts, [(2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None)])


def _banded(counts: Sequence[tuple[int, int]], bands: Sequence[tuple[int, int | None]]) -> dict[str, int]:
    """Counts summed by bands of their values (inclusive; None has no end), those bands that have any."""
    summed: dict[str, int] = {}
    for low, high in bands:
        inside = sum(count for value, count in counts if value >= low and (high is None or value <= high))
        if inside:
            summed[f"{low}" if low == high else f"{low}–{high}" if high else f"{low} and more"] = inside
    return summed


def draw(folders: Folders, name: str, title: str, rows: Sequence[Row], *, width: int | None = None) -> str:
    """The chart of `reports/charts/NAME.json` with some rows, as inline SVG.

    Args:
        width: of the plot in pixels, instead of the spec's.

    Raises:
        GateError: the spec is missing, is not JSON or not Vega-Lite.
    """
    import vl_convert

    relative = f"reports/charts/{name}.json"
    try:
        spec = _read(folders, relative)
        theme = _read(folders, "reports/charts/theme.json")
        svg: str = vl_convert.vegalite_to_svg(
            {**spec, **({} if width is None else {"width": width}), "data": {"values": list(rows)}},
            config=theme,
            allowed_base_urls=[],
        )
    except ValueError as error:  # not JSON, or not Vega-Lite
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise GateError(
            f"the chart cannot be drawn: {one_line(reason, 200)}",
            where=relative,
            remedy="mend it, or remove your copy so that gate's own is used",
        ) from error
    return _inline(svg, title)


def _read(folders: Folders, relative: str) -> dict[str, object]:
    path = folders.find(relative)
    if path is None:
        raise GateError("gate's own chart spec is missing", where=relative, remedy="install llm-gate again")
    spec = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(spec, dict):
        raise ValueError("a chart spec is a JSON object")
    return spec


def _inline(svg: str, title: str) -> str:
    """The drawing as part of an HTML page: no namespaces, one image for a screen reader instead of its shapes."""
    opening, _, rest = svg.partition(">")
    size = re.search(r'width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*"', opening)
    assert size is not None, opening
    rest = re.sub(r' (?:role|aria-[a-z]+|pointer-events|stroke-miterlimit|font-family|opacity)="[^"]*"', "", rest)
    rest = re.sub(r'<path class="(?:background|foreground)"[^>]*/>', "", rest)
    return f'<svg role="img" aria-label="Chart: {title}; its figures follow as a table" {size.group()}>{rest}'
