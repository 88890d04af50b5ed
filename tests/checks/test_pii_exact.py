"""The pii check finds exactly what AnalyzerEngine finds, text by text, on real, made-up and hostile texts.

The engine it is compared with is Presidio's own: every recogniser as shipped, each entity's score set as Presidio's
own threshold, no prefilter and no stand-in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.checks.base import Context
from gate.checks.pii import PiiParams, pii
from gate.checks.presidio.engine import Setup, build
from gate.checks.presidio.entities import PATTERNS
from gate.checks.presidio.phone_recognizer import windowed
from gate.checks.presidio.process import plan
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.folders import Folders

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

Row = tuple[int, int, int, str, float]

CHOSEN = {
    "CREDIT_CARD": 0.5, "CRYPTO": 0.5, "EMAIL_ADDRESS": 0.5, "IBAN_CODE": 0.5, "IP_ADDRESS": 0.6, "MAC_ADDRESS": 0.6,
    "PHONE_NUMBER": 0.4, "US_ITIN": 0.5, "US_SSN": 0.5,
}  # fmt: skip
EVERYTHING = dict.fromkeys(PATTERNS, 0.01)


class Here:
    """Workers that do everything at once, in this process."""

    cores = 1

    def submit(self, lane, function, /, *args):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        future.set_result(function(*args))
        return future


@lru_cache(maxsize=8)
def presidio(scores: tuple[tuple[str, float], ...]) -> AnalyzerEngine:
    engine, _ = build(Setup("blank", None, "en", scores))
    for recognizer in engine.registry.recognizers:
        recognizer.score_thresholds = dict(scores)
    return engine


def expected(texts: list[str], scores: dict[str, float]) -> list[Row]:
    engine = presidio(tuple(scores.items()))
    found = [
        (at, result.start, result.end, result.entity_type, round(float(result.score), 6))
        for at, text in enumerate(texts)
        if text
        for result in engine.analyze(text, "en", entities=list(scores))
    ]
    return sorted(found)


def actual(texts: list[str], scores: dict[str, float]) -> list[Row]:
    rows = [
        {"id": str(at), "record_id": str(at), "file": "a", "row": at, "shape": "text", "kind": "text", "text": text}
        for at, text in enumerate(texts)
    ]
    frames = Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    measured = pii.run(frames, PiiParams(entities=scores), Context(Here(), Folders()))
    found = measured.findings.select("row", "start", "end", "code", pl.col("score").round(6))
    return sorted(found.iter_rows())


HOSTILE: list[str] = json.loads((Path(__file__).parent / "pii_hostile_texts.json").read_text())
HOSTILE += ["x" * 10_000 + "@example.org", "9" * 500, "1640," * 30, "1 " * 60, "a@b.co " * 20]


@pytest.mark.parametrize("scores", [CHOSEN, EVERYTHING], ids=["default", "everything"])
def test_hostile_texts(scores: dict[str, float]) -> None:
    texts = [*HOSTILE, "\n".join(HOSTILE[:60]), " ".join(reversed(HOSTILE[60:140]))]
    found = actual(texts, scores)
    assert found == expected(texts, scores)
    assert {row[3] for row in found} >= scores.keys() - {"MEDICAL_LICENSE", "US_DRIVER_LICENSE", "UUID"}


PIECES = st.sampled_from([text for text in HOSTILE if 0 < len(text) < 60])
GLUE = st.sampled_from([*" -./()+x:#\n1é0K№\u00a0\u200b", "", ", "])
NOISE = st.text(alphabet="0123456789 -.()+/x,:@#~;extnоб٣３\u00a0\u200b\u2010", max_size=25)


# Many texts at a time, since Rust compiles some fifty patterns for each batch.
@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.one_of(PIECES, GLUE, NOISE), max_size=12).map("".join), min_size=10, max_size=40))
def test_made_up_texts(texts: list[str]) -> None:
    assert actual(texts, EVERYTHING) == expected(texts, EVERYTHING)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=10, max_size=40))
def test_any_texts(texts: list[str]) -> None:
    assert actual(texts, EVERYTHING) == expected(texts, EVERYTHING)


def test_the_prefilter_is_made_for_the_installed_presidio() -> None:
    """No entity falls back to running on every text: if this fails, the installed code has to be read again."""
    filters = plan(Setup("blank", None, "en", tuple(EVERYTHING.items()))).filters
    assert {entity for entity, one in filters.items() if one.everywhere} == set()
    assert filters["PHONE_NUMBER"].phones is not None


@lru_cache(maxsize=1)
def phones() -> tuple[PhoneRecognizer, PhoneRecognizer]:
    recognizers = presidio(tuple(CHOSEN.items())).registry.recognizers
    (original,) = [one for one in recognizers if one.name == "PhoneRecognizer"]
    stand_in = windowed(original)
    assert stand_in is not None
    return original, stand_in[0]


DIGITS = st.text(alphabet="0123456789", min_size=1, max_size=11)
BETWEEN = st.one_of(
    st.sampled_from("-./()x#~:+[]$%aé·ｘ−（–— \t\n\u00a0"),
    st.sampled_from(
        ["  ", ") ", " - ", " x ", " ext. ", ";ext=", " #", ", ", ": ", " +", "+(", " int ", "xxx", "      "]
    ),
    st.sampled_from(["доб ", "Anexo", "EXTENſION", " extensión: "]),
)
STARTS = st.sampled_from(
    ["", "+", "+1 ", "+49", "(", "((", "0", "00", "011 ", "a", "$", "+ ", "[+", "16", "18", "030 ", "+44 (0)"]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(STARTS, DIGITS, BETWEEN, NOISE), max_size=14).map("".join))
def test_phone_numbers_are_found_in_pieces_as_in_the_whole(text: str) -> None:
    original, stand_in = phones()
    found = sorted((one.start, one.end) for one in stand_in.analyze(text, ["PHONE_NUMBER"]))
    assert found == sorted((one.start, one.end) for one in original.analyze(text, ["PHONE_NUMBER"]))


def test_numbers_of_every_country_are_found() -> None:
    import phonenumbers

    original, stand_in = phones()
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    numbers = [number for region in regions if (number := phonenumbers.example_number(region)) is not None]
    texts = [
        f"reach us at {phonenumbers.format_number(number, style)} today"
        for number in numbers
        for style in (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL)
    ]
    found = [[(one.start, one.end) for one in stand_in.analyze(text, [])] for text in texts]
    assert found == [[(one.start, one.end) for one in original.analyze(text, [])] for text in texts]
    assert sum(map(bool, found)) > len(numbers)
    known = plan(Setup("blank", None, "en", tuple(CHOSEN.items()))).filters["PHONE_NUMBER"].phones
    assert known is not None
    possible = known.possible(pl.Series(texts)).to_list()
    assert all(may or not spans for may, spans in zip(possible, found, strict=True))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _real(folder: Path) -> list[str]:
    texts: list[str] = []
    for file in sorted(folder.rglob("*.json*")):
        content = file.read_text(encoding="utf-8")
        lines = content.splitlines() if file.suffix == ".jsonl" else [content]
        texts += [text for line in lines if line for text in _texts(json.loads(line))]
    return texts


def test_real_texts(shared_data: Path) -> None:
    texts = _real(shared_data)[::60]
    assert actual(texts, EVERYTHING) == expected(texts, EVERYTHING)


@pytest.mark.slow
def test_all_real_texts(shared_data: Path) -> None:
    texts = _real(shared_data)
    found = actual(texts, EVERYTHING)
    assert found == expected(texts, EVERYTHING)
    assert len(found) > 3000
