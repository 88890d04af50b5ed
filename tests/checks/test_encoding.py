"""What the encoding check takes for damage, what is legitimate in some script, and that repair mends just that."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.encoding import CODES, EncodingParams, encoding
from gate.checks.encoding_repair import repaired
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders

# What is found, in which text, where, and what it becomes; None where only a person can say.
DAMAGE: list[tuple[str, str, str, str | None]] = [
    ("mojibake", "Le cafÃ© est ouvert", "Ã©", "Le café est ouvert"),
    ("mojibake", "It isnâ€™t here.", "â€™", "It isn’t here."),
    ("mojibake", "It isnâ\x80\x99t here.", "â\x80\x99", "It isn’t here."),
    ("mojibake", "twice: ÃƒÂ©tÃƒÂ©", "ÃƒÂ©tÃƒÂ©", "twice: été"),
    ("mojibake", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"),
    ("mojibake", "РџСЂРёРІРµС‚, РјРёСЂ", "РџСЂРёРІРµС‚, РјРёСЂ", "Привет, мир"),
    ("mojibake", "nice ðŸ˜€ work", "ðŸ˜€", "nice 😀 work"),
    ("mojibake", "Ã\x85ngström", "Ã\x85", "Ångström"),
    ("mojibake", "Isnâ€t it", "â€", None),
    ("control_character", "a\x00b", "\x00", "ab"),
    ("control_character", "a\x0cb", "\x0c", "a\nb"),
    ("control_character", "\x1b[31mred\x1b[0m", "\x1b[31m", "red"),
    ("control_character", "a\x7fb", "\x7f", "ab"),
    ("control_character", "wait\x85", "\x85", "wait…"),
    ("zero_width", "a\u200bb", "\u200b", "ab"),
    ("zero_width", "\ufeffa", "\ufeff", "a"),
    ("zero_width", "a\u2060b", "\u2060", "ab"),
    ("zero_width", "pass\u200dword", "\u200d", "password"),
    ("zero_width", "pass\u200cword", "\u200c", "password"),
    ("soft_hyphen", "Donau\xaddampf", "\xad", "Donaudampf"),
    ("bidi_control", "if access != '\u202euser\u2066':", "\u202e", "if access != 'user':"),
    ("bidi_control", "a\u200eb", "\u200e", "ab"),
    ("hidden_tag", "Hi\U000e0041\U000e0042!", "\U000e0041", "Hi!"),
    ("hidden_tag", "Hi\U000e0101!", "\U000e0101", "Hi!"),
    ("noncharacter", "a\ufffeb", "\ufffe", "ab"),
    ("noncharacter", "a\U0001ffffb", "\U0001ffff", "ab"),
    ("replacement_character", "caf\ufffd", "\ufffd", None),
    ("private_use", "a\uf0b7b", "\uf0b7", None),
    ("escaped_surrogate", r"Hi \ud83d\ude00!", r"\ud83d", None),
    ("no_break_space", "10\u00a0km", "\u00a0", None),
]


def frames(texts: Sequence[str]) -> Frames:
    rows = [{"id": f"id{at}", "file": "a.jsonl", "row": at, "kind": "text", "text": text} for at, text in
            enumerate(texts, start=1)]  # fmt: skip
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(*texts: str, **params: Any) -> Measurement:
    return encoding.run(frames(texts), EncodingParams(**params), CONTEXT)


def seen(text: str, **params: Any) -> list[tuple[str, str]]:
    """Code and first place of everything found in a text."""
    found = measure(text, **params).findings.select("code", "start", "end").rows()
    return [(code, text[start:end]) for code, start, end in found]


# ── what is found, and mended ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("code", "text", "place", "mended"), DAMAGE)
def test_damage_is_found_where_it_is_and_mended_where_it_can_be(
    code: str, text: str, place: str, mended: str | None
) -> None:
    assert seen(text) == [(code, place)]
    assert seen("Before it,\n" + text + "\nand after.") == [(code, place)]
    assert repaired(text) == (text if mended is None else mended)
    assert measure(text).findings["remedy"].to_list() == ["review" if mended is None else None]


def test_every_code_has_a_test_of_its_own() -> None:
    assert {code for code, _, _, _ in DAMAGE} == set(CODES) == set(encoding.codes)
    assert all(meaning.endswith(".") for meaning in CODES.values())


@pytest.mark.parametrize(
    "text",
    [
        "Tabs\tand\r\nlines are text.",
        "naïve café à la carte, Ærø, São Paulo, «É», 3 × 4 °C, £5 ½",
        "AÇÃO, LIÇÕES, VOILÀ, MÂLE, Ça",
        "👩‍🚀 👨‍👩‍👧 ❤️ 🏳️‍🌈 👍🏽",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می‌خواهم",
        "The suffix is '\u200cام'.",
        "क्‍ष न्‌",
        "ภาษา\u200bไทย",
        "שלום \u200eabc\u200f",
        "مرحبا \u2067abc\u2069",
        "葛\U000e0100城",
        "Привет, как дела? Россия № 1",
        "東京は日本の首都です。",
        "Tiếng Việt: Ấn tượng, Đường Âu Cơ",
        r"In JSON, \u00e9 is é.",
    ],
)
def test_what_some_script_or_emoji_needs_is_left_alone(text: str) -> None:
    assert seen(text) == []
    assert repaired(text) == text


def test_places_are_counted_and_named_once_per_code() -> None:
    measured = measure("a\u200bb\u200bc\ufeff\x00", "clean", "d\u200b")
    assert measured.findings.schema == FOUND
    assert measured.findings.select("row", "code", "message", "evidence").rows() == [
        (1, "control_character", "U+0000, once.", "U+0000"),
        (1, "zero_width", "U+200B, U+FEFF, 3 times.", "U+200B, U+FEFF"),
        (3, "zero_width", "U+200B, once.", "U+200B"),
    ]
    assert measured.figures == {"control_character": 1, "zero_width": 4}
    assert measured.examined == 3


def test_places_do_not_depend_on_how_many_examples_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure("a\x00", "b", "cafÃ©").findings
    assert whole["row"].to_list() == [1, 3]
    monkeypatch.setattr("gate.checks.encoding._ROWS", 1)
    assert measure("a\x00", "b", "cafÃ©").findings.equals(whole)


def test_what_is_often_on_purpose_only_counts() -> None:
    lowered = {code for code, text, _, _ in DAMAGE if measure(text).findings["severity"].to_list() == ["info"]}
    assert lowered == {"private_use", "escaped_surrogate", "no_break_space"}


def test_codes_can_be_switched_off() -> None:
    assert seen("cafÃ© \u00a0a\u200b", ignore=["mojibake", "no_break_space"]) == [("zero_width", "\u200b")]
    assert measure("cafÃ©\x00", ignore=list(CODES)).findings.height == 0
    with pytest.raises(ValidationError, match="mojibake"):
        EncodingParams(ignore=("mojibak",))


def test_escapes_are_text_in_an_answer_and_syntax_in_json() -> None:
    call = json.dumps([{"function": {"name": "f", "arguments": {"say": "😀"}}}])
    assert "\\ud83d" in call
    turn = {"role": "assistant", "content": "\\ud83d", "name": None, "tool_calls": call, "tool_call_id": None}
    row = {"id": "x", "file": "a.jsonl", "row": 1, "kind": "chat", "messages": [turn], "tools": call}
    rows = Frames(pl.DataFrame([row], schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    found = encoding.run(rows, EncodingParams(), CONTEXT).findings
    assert found.select("code", "field").rows() == [("escaped_surrogate", "messages[0].content")]


def test_evidence_hides_what_stands_beside() -> None:
    shown = str(measure("cafÃ© ann@acme.org").findings.to_dicts())
    assert "acme" not in shown


def test_no_rows_are_nothing_examined() -> None:
    measured = measure()
    assert (measured.examined, measured.skipped is None) == (0, False)


# ── repair ─────────────────────────────────────────────────────────────────────────────────────────────────────

ODD = st.sampled_from(
    "aé \n\x00\x0c\x1b[31m\x85\x80\x99Ãâ€™©Â\xa0\u200b\u200c\u200d\ufeff\u202e\u2066אبक❤️👩🚀"
    "\xad\ufffd\ufffe\U000e0041🏴"
)


@given(st.lists(ODD, max_size=30).map("".join) | st.text())
@settings(max_examples=400, deadline=None)
def test_after_repair_the_check_finds_nothing_to_mend_and_repair_changes_nothing_more(text: str) -> None:
    once = repaired(text)
    assert repaired(once) == once
    left = measure(once).findings if once else measure().findings
    assert left.filter(pl.col("remedy").is_null(), pl.col("severity").is_null()).rows() == []


@given(st.lists(ODD, max_size=30).map("".join) | st.text())
@settings(max_examples=400, deadline=None)
def test_repair_changes_only_what_the_check_flags(text: str) -> None:
    if repaired(text) != text:
        flagged = measure(text).findings.filter(pl.col("remedy").is_null(), pl.col("severity").is_null())
        assert flagged.height > 0


@pytest.mark.parametrize("unit", ["Ã©", "â€™", "Ã", "\u200d", "\x1b[", "\U0001f3f4", "a\x00", "Р°"])
def test_hostile_text_takes_no_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    begun = time.perf_counter()
    measure(text)
    repaired(text)
    assert time.perf_counter() - begun < 5


# ── real data ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_real_datasets_have_the_damage_that_was_looked_at(shared_data: Path) -> None:
    dataset = read([shared_data])
    rows = Frames(dataset.examples, dataset.malformed)
    measured = encoding.run(rows, EncodingParams(), CONTEXT)
    assert measured.examined >= 11_000
    serious = measured.findings.filter(pl.col("severity").is_null())
    assert dict(serious["code"].value_counts().iter_rows()) == {
        "mojibake": 3, "replacement_character": 4, "zero_width": 7, "soft_hyphen": 1, "control_character": 1
    }  # fmt: skip
