"""The pii check: what it reports, what it lets pass, and how it refuses parameters that make no sense."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import Context
from gate.checks.pii import PiiParams, pii
from gate.checks.presidio import process
from gate.checks.presidio.engine import Setup
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.engines.local import LocalEngine
from gate.errors import GateError, MissingDependency
from gate.folders import Folders

ENTITIES = {
    "CREDIT_CARD": 0.5,
    "CRYPTO": 0.5,
    "EMAIL_ADDRESS": 0.5,
    "IBAN_CODE": 0.5,
    "IP_ADDRESS": 0.6,
    "MAC_ADDRESS": 0.6,
    "PHONE_NUMBER": 0.4,
    "US_ITIN": 0.5,
    "US_SSN": 0.5,
}


class Here:
    """Workers that do everything at once, in this process."""

    cores = 1

    def submit(self, lane: str, function: Callable[..., object], /, *args: object) -> Future[object]:
        future: Future[object] = Future()
        future.set_result(function(*args))
        return future


def frames(*texts: str, meta: str | None = None) -> Frames:
    rows = [
        {"id": f"id{n}", "record_id": f"r{n}", "file": "a.jsonl", "row": n + 1, "shape": "text", "kind": "text"}
        | {"text": text, "meta": meta}
        for n, text in enumerate(texts)
    ]
    return Frames(pl.DataFrame(rows, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def findings(*texts: str, **params: object) -> pl.DataFrame:
    settings = PiiParams.model_validate({"entities": ENTITIES} | params)
    return pii.run(frames(*texts), settings, Context(Here(), Folders())).findings  # type: ignore[arg-type]


def test_a_finding_says_where_it_is_and_shows_no_raw_value() -> None:
    text = "Mail m.okafor@harbour-lights.co.uk or phone +44 20 7031 3000, card 4539 1488 0343 6467."
    found = findings("nothing here", text)
    assert found.select("code", "id", "file", "row", "field").rows() == [
        ("EMAIL_ADDRESS", "id1", "a.jsonl", 2, "text"),
        ("CREDIT_CARD", "id1", "a.jsonl", 2, "text"),
        ("PHONE_NUMBER", "id1", "a.jsonl", 2, "text"),
    ]
    values = [text[start:end] for start, end in found.select("start", "end").rows()]
    assert values == ["m.okafor@harbour-lights.co.uk", "4539 1488 0343 6467", "+44 20 7031 3000"]
    assert found["severity"].to_list() == [None] * 3
    assert found["score"].to_list() == [1.0, 1.0, pytest.approx(0.75)]  # "phone" stands near
    everything = " ".join(str(value) for row in found.rows() for value in row)
    assert not any(value in everything for value in values)
    assert not re.search("okafor|harbour|7031|1488|6467", everything)


def test_positions_count_characters_not_bytes() -> None:
    text = "Приве́т 👩‍👩‍👧 — пишите: anna@harbour-lights.co.uk"
    ((start, end),) = findings(text).select("start", "end").rows()
    assert text[start:end] == "anna@harbour-lights.co.uk"


@pytest.mark.parametrize(
    "text",
    [
        "write to jane@example.com",
        "write to jane@mail.example.org",
        "write to root@intranet.example.net",
        "server 192.0.2.17",
        "server 198.51.100.3 and 203.0.113.9",
        "server 2001:db8::8a2e:370:7334",
        "ping 127.0.0.1",
        "call 212-555-0142",
        "call (555) 123-4567",
        "call 020 7946 0018",
        "card 4111 1111 1111 1111",
        "card 4242-4242-4242-4242",
        "card 5555555555554444",
        "card 378282246310005",
        "IBAN GB29 NWBK 6016 1331 9268 19",
        "IBAN DE89 3704 0044 0532 0130 00",
        "my ssn is 987-65-4321",
    ],
)
def test_documentation_values_are_info(text: str) -> None:
    found = findings(text)
    assert found.height
    assert found["severity"].unique().to_list() == ["info"]
    assert found["message"].str.starts_with("Stands for nobody").all()
    assert findings(text, documentation="count")["severity"].unique().to_list() == [None]


@pytest.mark.parametrize(
    "text",
    [
        "write to jane@example.co",
        "write to jane@myexample.com",
        "write to example.com@harbour-lights.co.uk",
        "server 192.0.3.17",
        "call 212-555-0242",
        "card 4539 1488 0343 6467",
        "IBAN DE02 1203 0000 0000 2020 51",
        "my ssn is 536-90-4399",
    ],
)
def test_values_beside_the_documented_ones_count(text: str) -> None:
    assert None in findings(text)["severity"].to_list()


def test_allowed_values_and_patterns_are_no_findings() -> None:
    text = "help@harbour-lights.co.uk, jobs@harbour-lights.co.uk, anna@harbour-lights.co.uk"
    assert findings(text).height == 3
    assert findings(text, allow=["help@harbour-lights.co.uk"]).height == 2
    assert findings(text, allow=["HELP@harbour-lights.co.uk", "harbour-lights"]).height == 3
    assert findings(text, allow_patterns={"EMAIL_ADDRESS": ["(help|jobs)@harbour-lights.co.uk"]}).height == 1
    assert findings(text, allow_patterns={"*": [".*@harbour-lights.co.uk"]}).height == 0
    assert findings(text, allow_patterns={"PHONE_NUMBER": [".*@harbour-lights.co.uk"]}).height == 3


def test_an_allowed_pattern_covers_the_whole_value() -> None:
    assert (
        findings("anna@harbour-lights.co.uk", allow_patterns={"EMAIL_ADDRESS": ["anna@", "co.uk", "^.*@"]}).height == 1
    )


def test_thresholds_are_per_entity() -> None:
    text = "the number is 212-736-5000 at 8.8.8.8"
    assert findings("212-736-5000 at 8.8.8.8")["code"].to_list() == ["IP_ADDRESS", "PHONE_NUMBER"]
    raised = findings("212-736-5000 at 8.8.8.8", entities=ENTITIES | {"PHONE_NUMBER": 0.5})
    assert raised["code"].to_list() == ["IP_ADDRESS"]
    assert "PHONE_NUMBER" in findings(text, entities=ENTITIES | {"PHONE_NUMBER": 0.5})["code"].to_list()  # in context


def test_only_the_named_fields_are_looked_through() -> None:
    rows = frames("anna@harbour-lights.co.uk", meta='{"author": {"email": "bo@harbour-lights.co.uk"}}')

    def fields(*names: str) -> list[str]:
        settings = PiiParams.model_validate({"entities": ENTITIES, "fields": names})
        return pii.run(rows, settings, Context(Here(), Folders())).findings["field"].to_list()  # type: ignore[arg-type]

    assert fields("text", "meta") == ["text", "meta.author.email"]
    assert fields("meta") == ["meta.author.email"]
    assert fields("tools") == []


def test_no_text_is_skipped_and_says_so() -> None:
    settings = PiiParams(entities=ENTITIES)
    measured = pii.run(frames(), settings, Context(Here(), Folders()))  # type: ignore[arg-type]
    assert (measured.findings.height, measured.examined) == (0, 0)
    assert measured.skipped


def test_the_examples_that_explain_the_rule_fail_and_pass() -> None:
    def codes(records: tuple[object, ...]) -> list[tuple[str, str | None]]:
        texts = [turn["content"] for record in records for turn in record["messages"]]  # type: ignore[index]
        return [(code, severity) for code, severity in findings(*texts).select("code", "severity").rows()]

    assert codes(pii.fails) == [("EMAIL_ADDRESS", None)]
    assert codes(pii.passes) == [("EMAIL_ADDRESS", "info")]


def test_the_worker_process_gives_the_same_findings() -> None:
    texts = ("anna@harbour-lights.co.uk", "call 212-736-5000", "4539 1488 0343 6467", "1 + 1 = 2")
    with LocalEngine() as engine:
        there = pii.run(frames(*texts), PiiParams(entities=ENTITIES), Context(engine, Folders())).findings
    assert there.equals(findings(*texts))
    assert there.height == 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "entities"),
        ({"entities": {}}, "entities"),
        ({"entities": {"EMAIL": 0.5}}, "not an entity"),
        ({"entities": {"PERSON": 0.5}}, "found by a model only"),
        ({"entities": {"EMAIL_ADDRESS": 0}}, "above 0"),
        ({"entities": {"EMAIL_ADDRESS": float("nan")}}, "above 0"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "engine": "spacy"}, "needs a `model`"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "model": "x"}, "needs no `model`"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "allow_patterns": {"*": ["a("]}}, "regular expression"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "allow_patterns": {"*": ["(?=a)b"]}}, "linear time"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "allow_patterns": {"US_SSN": ["a"]}}, "not looked for"),
        ({"entities": {"EMAIL_ADDRESS": 0.5}, "threshold": 0.5}, "threshold"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PiiParams.model_validate(params)


@pytest.mark.parametrize(
    ("engine", "model", "command"),
    [
        ("spacy", "en_core_web_nonesuch", "python -m spacy download en_core_web_nonesuch"),
        ("transformers", "someone/ner", "hf download someone/ner --local-dir models/ner"),
    ],
)
def test_a_model_that_is_not_installed_names_the_command(engine: str, model: str, command: str) -> None:
    if engine == "transformers":
        pytest.importorskip("transformers")  # without it, the package is what has to be installed first
    with pytest.raises(MissingDependency, match=re.escape(command)):
        PiiParams.model_validate({"entities": {"PERSON": 0.5}, "engine": engine, "model": model})


def test_weights_that_are_not_safetensors_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(MissingDependency, match="safetensors"):
        PiiParams.model_validate({"entities": {"PERSON": 0.5}, "engine": "transformers", "model": str(tmp_path)})


def test_an_entity_that_no_recogniser_knows_in_a_language_is_an_error() -> None:
    with pytest.raises(GateError, match=r"no recogniser for .*US_SSN in `fr`"):
        findings("bonjour", language="fr")


def test_a_spacy_pipeline_adds_names(tmp_path: Path) -> None:
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Ngozi Okafor"}])
    nlp.to_disk(tmp_path / "names")
    found = findings(
        "Ngozi Okafor wrote from ngozi@harbour-lights.co.uk", "nobody",
        entities={"PERSON": 0.5, "EMAIL_ADDRESS": 0.5}, engine="spacy", model=str(tmp_path / "names"),
    )  # fmt: skip
    assert sorted(found.select("code", "start", "end").rows()) == [("EMAIL_ADDRESS", 24, 50), ("PERSON", 0, 12)]


def test_a_text_on_which_presidio_fails_is_a_finding_and_the_rest_is_still_found() -> None:
    from presidio_analyzer import Pattern, PatternRecognizer

    class Breaks(PatternRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            raise ValueError(pattern_text)

    entities = {"EMAIL_ADDRESS": 0.51, "URL": 0.91}
    recognizers = process._analyzer(Setup("blank", None, "en", tuple(sorted(entities.items())))).engine.registry
    recognizers.add_recognizer(Breaks("URL", patterns=[Pattern("breaks", "harbour-lights", 0.9)]))
    found = findings("see https://harbour-lights.co.uk or anna@harbour-lights.co.uk", entities=entities)
    rows = found.select("code", "remedy", "message").rows()
    assert [row[0] for row in rows] == ["EMAIL_ADDRESS", "unscannable"]
    assert rows[1][1] == "review"
    assert "URL" in rows[1][2]
    assert "harbour" not in rows[1][2]


def test_a_pattern_that_times_out_is_a_finding_not_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    from presidio_analyzer import pattern_recognizer

    findings("warm")
    monkeypatch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 1e-9)
    found = findings("anna@harbour-lights.co.uk " + "a." * 5000)
    assert "unscannable" in found["code"].to_list()


def test_nothing_goes_to_the_network_or_to_a_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    import socket

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setenv("HOME", str(tmp_path))
    process._analyzer.cache_clear()
    with caplog.at_level("DEBUG"):
        found = findings("anna@harbour-lights.co.uk", "DE44 5001 0517 5407 3249 31", "XX00 ÀÀÀÀ 1234 5678 ²²²²")
    assert found["code"].to_list() == ["EMAIL_ADDRESS", "IBAN_CODE"]
    assert "harbour" not in caplog.text
    assert "5407" not in caplog.text
    assert list(tmp_path.iterdir()) == []
