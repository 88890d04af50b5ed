"""Texts that were decoded wrongly on their way here, or hold characters that nobody sees.

The classes of characters are in `encoding_characters`, mojibake in `encoding_mojibake`; `encoding_repair` puts right
what is found here with remedy `fix`. A half of a surrogate pair cannot get this far: the reader makes such a row
malformed (`lone_surrogate`), and the `structure` check reports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import polars as pl

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.checks.encoding_characters import CHARACTERS, CharacterCode
from gate.checks.encoding_mojibake import POSSIBLE, places
from gate.data.masking import mask_text
from gate.data.views import Frames

EncodingCode = Literal["mojibake"] | CharacterCode

_ROWS = 20_000
"""Examples whose texts are made and looked through at once: bounds what is held besides the frame."""
_AROUND = 20
"""Characters shown before and behind mojibake, which alone tells a reader little."""
_NAMED = 4
"""Code points that a message names, of those found."""

CODES: dict[str, str] = {
    "mojibake": "Text that was decoded with the wrong encoding: UTF-8 read as Latin-1, Windows-1252 or another.",
} | {str(code): characters.meaning for code, characters in CHARACTERS.items()}
_JSON = r"^tools$|\.tool_calls$"
"""Fields that hold JSON as it was read, in which an escape is not yet text."""


class EncodingParams(Params):
    """Which problems are looked for."""

    ignore: tuple[EncodingCode, ...] = ()
    """Codes that are not reported."""


_Found = tuple[int, str, str, int, int, str, str, str | None, str | None]
_SCHEMA = {
    "index": pl.UInt32, "field": pl.String, "code": pl.String, "start": pl.UInt32, "end": pl.UInt32,
    "message": pl.String, "evidence": pl.String, "severity": pl.String, "remedy": pl.String,
}  # fmt: skip


@check(
    "encoding",
    params=EncodingParams,
    codes=CODES,
    fails=(
        {"instruction": "Translate: the café is closed.", "output": "Le cafÃ© est fermÃ©, câ€™est dommage."},
        {"instruction": "Say hello.", "output": "Hel\u200blo!\u0007"},
    ),
    passes=(
        {"instruction": "Translate: the café is closed.", "output": "Le café est fermé, c’est dommage."},
        {"instruction": "Say hello.", "output": "Hello! 👩‍🚀"},
    ),
    libraries=("ftfy",),
)
def encoding(frames: Frames, params: EncodingParams, context: Context) -> Measurement:
    """Text that was decoded with the wrong encoding, and characters that do not belong in text: controls, characters
    without width or for writing direction where no script needs them, hidden tags, replacement characters.

    Findings: one per text and code, at the first place, with the number of places. Figures: places by code.
    """
    if not frames.examples.height:
        return Measurement(NOTHING_FOUND, 0, skipped="there is no example to look at")
    rows: list[_Found] = []
    counts: dict[str, float] = {}
    for first, part in frames.slices(_ROWS):
        # One by one: what is right depends on the characters beside, for which Rust's expressions have no look-around.
        # Some 5 µs per text and code; only texts come here in which a code is possible.
        for index, field, text, codes in possible(part.texts, params).iter_rows():
            for each, places_found in _problems(first + index, field, text, codes):
                rows.append(each)
                counts[each[2]] = counts.get(each[2], 0.0) + places_found
    where = frames.examples.select("id", "file", "row").with_row_index("index")
    findings = pl.DataFrame(rows, schema=_SCHEMA, orient="row").join(
        where, on="index", how="left", maintain_order="left"
    )
    return Measurement(found(findings.drop("index")), frames.examples.height, counts)


def possible(texts: pl.DataFrame, params: EncodingParams) -> pl.DataFrame:
    """The texts in which something can be wrong: index, field, text, codes."""
    expressions: list[tuple[EncodingCode, str]] = [("mojibake", POSSIBLE)]
    expressions += [(code, each.possible) for code, each in CHARACTERS.items()]
    wanted = {code: pattern for code, pattern in expressions if code not in params.ignore}
    if not wanted:
        return texts.clear().with_columns(codes=pl.lit([], dtype=pl.List(pl.String)))
    # Nearly every text is printable ASCII, which one cheap pass tells.
    unusual = texts.filter(pl.col("text").str.contains(r"[^\t\n\r -~]|\\u[dD][89abAB]"))
    literal = pl.col("field").str.contains(_JSON)
    codes = pl.concat_list(
        pl.when(pl.col("text").str.contains(pattern) & ~(literal & (code == "escaped_surrogate"))).then(pl.lit(code))
        for code, pattern in wanted.items()
    ).list.drop_nulls()
    return unusual.with_columns(codes=codes).filter(pl.col("codes").list.len() > 0)


def _problems(index: int, field: str, text: str, codes: list[str]) -> Iterator[tuple[_Found, int]]:
    """What is wrong with one text, one finding per code, and in how many places."""
    garbled = places(text) if "mojibake" in codes else []
    if garbled:
        start, end, mendable = garbled[0]
        message = f"Decoded with the wrong encoding, in {_lines(len(garbled))}" + (
            "." if mendable else "; a part of it was lost."
        )
        shown = mask_text(text)[max(start - _AROUND, 0) : end + _AROUND].replace("\n", " ")
        yield (
            (index, field, "mojibake", start, end, message, shown, None, None if mendable else "review"),
            len(garbled),
        )
    for code in codes:
        if code == "mojibake":
            continue
        characters = CHARACTERS[cast(CharacterCode, code)]
        # What mojibake turns into comes right with it.
        wrong = [
            (start, end)
            for start, end in characters.places(text)
            if not any(first <= start < last for first, last, _ in garbled)
        ]
        if not wrong:
            continue
        start, end = wrong[0]
        points = list(dict.fromkeys(f"U+{ord(text[at]):04X}" for at, _ in wrong))
        named = ", ".join(points[:_NAMED]) + (" and others" if len(points) > _NAMED else "")
        message = f"{named if code != 'escaped_surrogate' else 'An escape'}, {_times(len(wrong))}."
        severity = "info" if characters.information else None
        yield (
            (index, field, code, start, end, message, named, severity, None if characters.instead else "review"),
            len(wrong),
        )


def _lines(count: int) -> str:
    return "one line" if count == 1 else f"{count} lines"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
