"""Planted rows that cannot be read; the clean twin holds them mended."""

from __future__ import annotations

from collections.abc import Callable

from grammar import Grammar, Row
from planting import FAQ, PREFERENCES, RATINGS, TRAIN, Plant, Slot, edited, line, turns


def malformed(grammar: Grammar) -> list[Slot]:
    """Rows that cannot be read; the clean twin holds them mended."""

    def slot(code: str, what: str, damage: Callable[[Row], bytes | Row], *, last: bool = False) -> Slot:
        row = grammar.ticket()
        return Slot(TRAIN, damage(row), row, (Plant("structure", code, what),), last=last)

    rating, preference, faq = grammar.rating(), grammar.preference(), grammar.faq()
    return [
        slot("invalid_json", "a comma is missing between two keys", lambda row: line(row).replace(b', "', b' "', 1)),
        slot("invalid_utf8", "a Latin-1 byte in a UTF-8 file", lambda row: line(row).replace(b" the ", b" th\xe9 ", 1)),
        slot(
            "duplicate_key", "`topic` stands there twice", lambda row: line(row).replace(b"{", b'{"topic": "heat", ', 1)
        ),
        slot("not_an_object", "a list in place of an object", lambda row: line(turns(row))),  # type: ignore[arg-type]
        slot("missing_field", "`messages` is missing", lambda row: edited(row, lambda r: r.pop("messages"))),
        slot("wrong_type", "a content is a number", lambda row: edited(row, lambda r: turns(r)[-1].update(content=42))),
        slot("wrong_type", "`messages` is a string", lambda row: {**row, "messages": "see the attached mail"}),
        slot("truncated", "the last line breaks off", lambda row: line(row)[: len(line(row)) // 2], last=True),
        Slot(
            FAQ,
            ",".join([*(f'"{rating[key]}"' for key in ("prompt", "completion")), "en", "train", "oops"]).encode(),
            faq,
            (Plant("structure", "ragged_row", "five fields where the header names four"),),
        ),
        Slot(
            PREFERENCES,
            {**preference, "chosen": None},
            preference,
            (Plant("structure", "null_value", "`chosen` is null"),),
        ),
        Slot(
            RATINGS,
            edited(rating, lambda row: row.pop("label")),
            rating,
            (Plant("structure", "missing_field", "`label` is missing"),),
        ),
    ]
