"""Which answers the check takes for broken, and which are only written differently."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.answer_format import CODES, AnswerFormatParams, answer_format
from gate.checks.base import FOUND, Context, Measurement
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
TAGS = ("think", "tool_call")


def turn(role: str, content: str | None) -> dict[str, str | None]:
    return {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}


def chat(answer: str, prompt: str = "Tell me.", system: str | None = None) -> dict[str, object]:
    first = [] if system is None else [turn("system", system)]
    return {"kind": "chat", "messages": [*first, turn("user", prompt), turn("assistant", answer)]}


def measure(*rows: dict[str, object], **params: Any) -> Measurement:
    placed = [{"id": f"id{at}", "file": "a.jsonl", "row": at, **row} for at, row in enumerate(rows, start=1)]
    frames = Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))
    return answer_format.run(frames, AnswerFormatParams(**{"tags": TAGS} | params), CONTEXT)


def codes(answer: str, prompt: str = "Tell me.", system: str | None = None) -> list[str]:
    return measure(chat(answer, prompt, system)).findings["code"].to_list()


FENCE = "```"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"a": 1', ["answer_not_json"]),
        ('{"a": 1,}', ["answer_not_json"]),
        ('{"a": NaN}', ["answer_not_json"]),
        ('{"a": 1} Hope this helps!', ["answer_not_json"]),
        ('[{"a": 1}, {"a": }]', ["answer_not_json"]),
        ('{"a": 1}', []),
        (' {\n  "a": [1, 2]\n}\n', []),
        ('{"a": 1}\n{"a": 2}', []),
        ("{}", []),
        ('["a", "b"]', []),
        ("[1] Smith 2004, [2] Jones", []),
        ('["Hello"] is a list, and so is [1]. Both are.', []),
        ("{{author}} made me.", []),
        ("{name} is a placeholder}", []),
        (f'{FENCE}json\n{{"a": 1}}\n{FENCE}', []),
        (f'{FENCE}json\n{{"a": 1,}}\n{FENCE}', ["json_fence_broken"]),
        (f'Two:\n{FENCE}json\n{{"a": 1}}\n{FENCE}\n{FENCE}json\n{{"a" 1}}\n{FENCE}', ["json_fence_broken"]),
        (f"{FENCE}python\nprint(1)", ["fence_not_closed"]),
        (f"{FENCE}python\nprint(1)\n{FENCE}", []),
        (f"1. Do it:\n    {FENCE}sh\n    ls\n    {FENCE}", []),
        (f"{FENCE}\nprint(1){FENCE}\nDone.", []),
        (f"Use {FENCE}code{FENCE} here.", []),
        (f"````md\n{FENCE}py\n````", []),
        ("~~~\na", ["fence_not_closed"]),
        ("<think>Hm.", ["tag_unbalanced"]),
        ("Hm.</think> Yes.", ["tag_unbalanced"]),
        ("<think>Hm.</think> Yes.", []),
        ("<think>Hm.</think></think>", ["tag_unbalanced"]),
        ('<tool_call name="f">{}</tool_call>', []),
        ("The tag `<think>` opens a thought.", []),
        ("<thinker> is another tag.", []),
        ("<b>bold", []),
        ("Plain text.", []),
    ],
)
def test_an_answer_is_broken_or_not(answer: str, expected: list[str]) -> None:
    assert codes(answer) == expected


@pytest.mark.parametrize(
    "prompt",
    ["Answer in JSON.", "Return the result as a JSON object.", "Respond only with valid JSON", "List them. JSON only."],
)
def test_json_that_was_asked_for_has_to_be_there(prompt: str) -> None:
    for place in ({"prompt": prompt}, {"system": prompt}):
        assert codes("Oslo is in Norway.", **place) == ["json_missing"]
        assert codes('{"city": "Oslo"}', **place) == []
        assert codes('Sure! {"city": "Oslo"} is it.', **place) == []
        assert codes("42", **place) == [], "a number is JSON"


@pytest.mark.parametrize(
    "prompt",
    ["What is JSON?", "Parse the following JSON data and reformat into an HTML table", "Convert this JSON to YAML."],
)
def test_a_prompt_about_json_does_not_ask_for_it(prompt: str) -> None:
    assert codes("Oslo is in Norway.", prompt) == []


def test_only_the_turn_before_and_the_system_message_can_ask() -> None:
    turns = [turn("user", "Answer in JSON."), turn("assistant", "{}"), turn("user", "Thanks!"), turn("assistant", "Hi")]
    assert measure({"kind": "chat", "messages": turns}).findings.height == 0


def test_what_one_row_asks_for_is_nothing_to_the_next() -> None:
    ask: dict[str, object] = {"kind": "chat", "messages": [turn("user", "Answer in JSON.")]}
    assert measure(ask, {"kind": "chat", "messages": [turn("assistant", "Hi.")]}).findings.height == 0


def test_places_do_not_depend_on_how_many_examples_are_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [chat("<think>"), chat("Fine."), chat('{"a": 1')]
    whole = measure(*rows).findings
    assert whole["row"].to_list() == [1, 3]
    monkeypatch.setattr("gate.checks.answer_format._ROWS", 1)
    assert measure(*rows).findings.equals(whole)


def test_a_finding_says_where_it_is() -> None:
    row = chat(f'é🙂\n{FENCE}json\n{{"a": ann@acme.org}}\n{FENCE}')
    findings = measure(chat("Fine."), row).findings
    assert findings.schema == FOUND
    found = findings.row(0, named=True)
    assert (found["row"], found["id"], found["field"]) == (2, "id2", "messages[1].content")
    assert row["messages"][1]["content"][found["start"] : found["end"]] == '{"a": ann@acme.org}\n'  # type: ignore[index]
    assert "acme" not in found["evidence"]


def test_of_a_preference_the_chosen_answer_counts() -> None:
    broken, sound = [turn("assistant", '{"a": 1')], [turn("assistant", '{"a": 1}')]
    ask = [turn("user", "Answer in JSON.")]
    row: dict[str, object] = {"kind": "preference", "messages": ask, "chosen": broken, "rejected": sound}
    assert measure(row).findings["field"].to_list() == ["chosen[0].content"]
    assert measure(row | {"chosen": sound, "rejected": broken}).findings.height == 0
    assert measure(row | {"chosen": [turn("assistant", "No.")]}).findings["code"].to_list() == ["json_missing"]


def test_a_sketch_in_a_json_fence_only_counts() -> None:
    found = measure(chat(f'{FENCE}json\n{{"a": 1, ...}}\n{FENCE}'), chat(f'{FENCE}json\n{{"a": 1,}}\n{FENCE}')).findings
    assert found["severity"].to_list() == ["info", None]


def test_tags_and_codes_are_the_rules_to_say() -> None:
    assert measure(chat("<think>"), tags=()).findings.height == 0
    assert measure(chat("<plan>"), tags=("plan",)).findings["code"].to_list() == ["tag_unbalanced"]
    assert measure(chat("<think>"), ignore=("tag_unbalanced",)).findings.height == 0
    with pytest.raises(ValidationError, match="not the name of a tag"):
        AnswerFormatParams(tags=("<think>",))
    with pytest.raises(ValidationError, match="no such code"):
        AnswerFormatParams(tags=(), ignore=("nonsense",))


def test_every_code_is_tested_and_has_a_meaning() -> None:
    tested = {"json_missing"} | {
        code
        for mark in test_an_answer_is_broken_or_not.pytestmark  # type: ignore[attr-defined]
        for _, expected in mark.args[1]
        for code in expected
    }
    assert tested == set(CODES)


def test_no_rows_are_nothing_examined() -> None:
    measured = measure()
    assert (measured.examined, measured.skipped is None) == (0, False)


@pytest.mark.parametrize("unit", ['{"a":', "```json\n", "```\n", "<think>", "[[", "`", "~~~\n"])
def test_hostile_text_takes_no_time(unit: str) -> None:
    begun = time.perf_counter()
    measure(chat(unit * (100_000 // len(unit)), "Answer in JSON."))
    assert time.perf_counter() - begun < 5


def test_real_datasets_hold_what_was_looked_at(shared_data: Path) -> None:
    dataset = read([shared_data])
    measured = answer_format.run(Frames(dataset.examples, dataset.malformed), AnswerFormatParams(tags=TAGS), CONTEXT)
    assert measured.examined >= 11_000
    assert dict(measured.findings["code"].value_counts().iter_rows()) == {"fence_not_closed": 8, "answer_not_json": 1}
