"""The texts behind a few findings, masked: all that a report may show of a dataset's rows.

Every text goes through `gate.data.masking.mask_text`, together with the spans of all findings in that very text, and
only then is it cut and made inert.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

import polars as pl

from gate.admission.stored import StoredDataset
from gate.data.frame import MALFORMED, ROLES
from gate.data.masking import mask_text, mask_value
from gate.data.views import Frames
from gate.reporting.inert import inert

Place = tuple[str, int]
"""File and row."""

_WINDOW = 12_000  # characters masked at once; longer than any PEM block, so that a cut text still hides one
_MARGIN = 300  # characters behind a cut that are masked with what is shown, so that no half of a secret stays
_TURN = re.compile(r"(messages|chosen|rejected)\[(\d+)\]\.content")


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of an example, masked and cut."""

    label: str
    """Who says it: a role, `chosen · assistant`, or the field's name."""
    text: str


@dataclass(frozen=True, slots=True)
class Excerpts:
    """The masked texts of the rows that a report shows."""

    texts: dict[Place, dict[str, str]]
    """By row, then by field, verbatim: private to this class's methods."""
    roles: dict[Place, dict[str, str]]
    spans: dict[Place, dict[str, list[tuple[int, int]]]]
    twins: dict[str, list[Place]] = field(default_factory=dict)
    """The rows of each content id that is somebody's partner."""

    def around(self, place: Place, name: str, start: int, end: int, width: int) -> str | None:
        """What stands about one span of a field, the span itself masked."""
        text = self.texts.get(place, {}).get(name)
        if text is None:
            return None
        begin = max(0, start - width)
        masked = self._masked(place, name, text, begin, min(len(text), end + width))
        return ("…" if begin else "") + inert(masked) + ("…" if end + width < len(text) else "")

    def opening(self, place: Place, pieces: int, width: int) -> list[Piece]:
        """The first words of an example's first and last texts."""
        names = self._conversation(place)
        chosen = names if len(names) <= pieces else [*names[: pieces - 1], names[-1]]
        return [self._piece(place, name, width) for name in chosen]

    def field_opening(self, place: Place, name: str, width: int) -> list[Piece]:
        """The first words of one field; empty where the example has no such text."""
        return [self._piece(place, name, width)] if name in self.texts.get(place, {}) else []

    def whole(self, place: Place, limit: int) -> str:
        """The text of an example (its turns, or its plain text), up to a number of characters."""
        parts: list[str] = []
        left = limit
        for name in self._conversation(place):
            text = self.texts[place][name]
            parts.append(self._masked(place, name, text, 0, min(len(text), left)))
            left -= len(text)
            if left <= 0:
                break
        return inert("\n".join(parts))

    def _piece(self, place: Place, name: str, width: int) -> Piece:
        text = self.texts[place][name]
        masked = self._masked(place, name, text, 0, min(len(text), width))
        shown = inert(masked) if masked.strip() else "(white space)"
        return Piece(self._label(place, name), shown + ("…" if len(text) > width else ""))

    def _label(self, place: Place, name: str) -> str:
        role = self.roles.get(place, {}).get(name)
        turn = _TURN.fullmatch(name)
        if role is None or turn is None:
            return inert(name, 60)
        side = "" if turn[1] == "messages" else f"{turn[1]} · "
        # A role that is none of ours is text of the dataset, and no pattern tells what it holds.
        return inert(f"{side}{role if role in ROLES else mask_value(role[:40])}", 60)

    def _conversation(self, place: Place) -> list[str]:
        return [name for name in self.texts.get(place, {}) if name == "text" or _TURN.fullmatch(name)]

    def _masked(self, place: Place, name: str, text: str, start: int, end: int) -> str:
        """The characters from `start` to `end`, masked together with what stands before and behind them."""
        begin, stop = max(0, start - _WINDOW), min(len(text), end + _MARGIN)
        spans = [
            (max(first, begin) - begin, min(last, stop) - begin)
            for first, last in self.spans.get(place, {}).get(name, [])
            if first < stop and last > begin
        ]
        return mask_text(text[begin:stop], spans)[start - begin : end - begin]


def excerpts(dataset: StoredDataset, findings: pl.DataFrame, every: pl.DataFrame) -> Excerpts:
    """Fetch the texts of the rows that some findings are about, and of the rows they were compared with.

    Args:
        findings: those to be shown (schema `FINDINGS`); a report's worth, not a dataset's.
        every: all findings, whose spans are hidden wherever they fall.
    """
    here = findings.select("file", "row").drop_nulls()
    partners = findings["partner"].drop_nulls().unique().to_list()
    twins = dataset.with_ids(partners).filter(pl.int_range(pl.len()).over("id") < _TWINS)
    wanted = pl.concat([here, twins.select(pl.col(name).cast(here[name].dtype) for name in here.columns)]).unique()
    rows = _rows_of(dataset, wanted)

    texts: dict[Place, dict[str, str]] = defaultdict(dict)
    roles: dict[Place, dict[str, str]] = defaultdict(dict)
    places: list[Place] = list(zip(rows["file"].to_list(), rows["row"].to_list(), strict=True))
    # Loops over the few hundred rows that are shown: their texts become HTML one by one anyway.
    # Tool calls are left out: names and keys in them are anybody's text, in which no pattern finds what is sensitive.
    for index, name, text in Frames(rows, pl.DataFrame(schema=MALFORMED)).texts.iter_rows():
        if not name.endswith(".tool_calls"):
            texts[places[index]][name] = text
    for column in ("messages", "chosen", "rejected"):
        for place, turns in zip(places, rows[column].to_list(), strict=True):
            for number, turn in enumerate(turns or ()):
                roles[place][f"{column}[{number}].content"] = turn["role"] or ""

    spans: dict[Place, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    spanned = every.filter(pl.col("start").is_not_null() & pl.col("end").is_not_null() & pl.col("field").is_not_null())
    spanned = spanned.join(rows.select("file", "row"), on=["file", "row"], how="semi")
    for file, row, name, start, end in spanned.select("file", "row", "field", "start", "end").iter_rows():
        spans[file, row][name].append((start, end))

    by_id: dict[str, list[Place]] = defaultdict(list)
    ordered = twins.with_columns(pl.col("file").cast(pl.String)).sort("file", "row")
    for content_id, file, row in ordered.select("id", "file", "row").iter_rows():
        by_id[content_id].append((file, row))
    return Excerpts(dict(texts), dict(roles), {place: dict(fields) for place, fields in spans.items()}, dict(by_id))


_TWINS = 50  # rows of one content that are looked through for the one that is kept


def _rows_of(dataset: StoredDataset, places: pl.DataFrame) -> pl.DataFrame:
    """The examples (schema `EXAMPLES`) at some places (columns `file`, `row`), each once."""
    return dataset.fetch(places)
