"""Which rows the consistency check takes for slips and which mixtures for meant; shards do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.consistency import CODES, ConsistencyParams, consistency
from gate.checks.consistency_features import FEATURES, features
from gate.data.corpus import Corpus
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.read import read
from gate.data.views import Frames

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders
LIMITS: dict[str, Any] = {
    "group": 20, "majority": 0.9, "few": 0.05, "variant": 0.1, "variant_words": 12, "variant_messages": 1000
}  # fmt: skip
LONG = "You are the assistant of a harbour, and you answer the questions of captains in short and friendly sentences."


def turn(role: str, content: str) -> dict[str, str | None]:
    return {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}


def chat(answer: str = "Yes.", prompt: str = "Well?", system: str | None = None, **more: object) -> dict[str, object]:
    first = [] if system is None else [turn("system", system)]
    messages = [*first, turn("user", prompt), turn("assistant", answer)]
    return {"kind": "chat", "shape": "messages", "messages": messages} | more


def frames(rows: Sequence[dict[str, object]]) -> Frames:
    placed = [{"id": f"id{at}", "file": "a.jsonl", "row": at, **row} for at, row in enumerate(rows, start=1)]
    return Frames(pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))


def measure(rows: Sequence[dict[str, object]], **params: Any) -> Measurement:
    return consistency.run(frames(rows), ConsistencyParams(**LIMITS | params), CONTEXT)


def seen(rows: Sequence[dict[str, object]], **params: Any) -> list[tuple[str, int | None]]:
    return cast(list[tuple[str, int | None]], measure(rows, **params).findings.select("code", "row").rows())


# ── forms of answers ───────────────────────────────────────────────────────────────────────────────────────────

FORMS = {
    "JSON object": '{"city": "Oslo"}',
    "JSON array": '["Oslo", "Bergen"]',
    "fenced JSON": '```json\n{"city": "Oslo"}\n```',
    "one code block": "```python\nprint(1)\n```",
    "tagged": "<answer>Oslo</answer>",
    "text": "It is Oslo [1].",
}


@pytest.mark.parametrize(("form", "answer"), FORMS.items())
def test_the_form_of_an_answer(form: str, answer: str) -> None:
    assert features(frames([chat(answer), chat("\n " + answer + "\n")]))["form"].to_list() == [form, form]


@pytest.mark.parametrize(
    "answer", ["[1] Smith", "{name} is yours", "`code` is text", "<3 you", "5 < 6", "Here: ```json\n{}\n```", "{{x}}"]
)
def test_what_only_begins_like_another_form_is_text(answer: str) -> None:
    assert features(frames([chat(answer)]))["form"].to_list() == ["text"]


@pytest.mark.parametrize("shared", [{"system": "Answer in JSON."}, {"prompt": "Give the capital.\nNorway"}])
def test_the_odd_answer_under_one_instruction_is_found(shared: dict[str, str]) -> None:
    rows = [chat(FORMS["JSON object"], **shared) for _ in range(39)]
    rows.insert(7, chat("The capital is Oslo.", **shared))
    measured = measure(rows)
    assert measured.findings.schema == FOUND
    assert measured.findings.select("code", "id", "file", "row").rows() == [("mixed_answer_form", "id8", "a.jsonl", 8)]
    assert measured.findings["message"].to_list() == [
        "97.5 % of the 40 answers under the same instruction are of the form JSON object; this one is of the form text."
    ]
    assert measured.examined == 40


def test_text_among_text_mixtures_and_small_groups_are_left_alone() -> None:
    same = {"system": "Answer in JSON."}
    assert seen([chat("Oslo.", **same) for _ in range(40)]) == []
    assert seen([chat(FORMS["JSON object"], **same)] * 30 + [chat("Oslo.", **same)] * 10) == []
    assert seen([chat(FORMS["JSON object"], **same)] * 18 + [chat("Oslo.", **same)]) == []
    assert seen([chat(FORMS["JSON object"], prompt=f"{at}?") for at in range(30)] + [chat("Oslo.", prompt="?")]) == []


def test_what_is_demanded_is_the_rules_to_say() -> None:
    rows = [chat(FORMS["JSON object"], system="J.")] * 30 + [chat("Oslo.", system="J.")] * 10
    assert len(seen(rows, majority=0.7)) == 10
    assert seen(rows, majority=0.7, group=50) == []
    with pytest.raises(ValidationError, match="majority"):
        ConsistencyParams(**LIMITS | {"majority": 0.3})


def test_kinds_are_compared_apart() -> None:
    answer = [turn("assistant", "Oslo.")]
    odd: dict[str, object] = {
        "kind": "preference",
        "messages": [turn("system", "J."), turn("user", "?")],
        "chosen": answer,
    }
    assert seen([chat(FORMS["JSON object"], system="J.")] * 40 + [odd | {"shape": "preference"}]) == [
        ("mixed_shapes", None)
    ]


# ── system messages ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_few_conversations_without_or_with_a_system_message_are_a_slip() -> None:
    lone = [chat(prompt=f"{at}?") for at in range(40)]
    led = [chat(prompt=f"{at}?", system=LONG) for at in range(40)]
    few = measure([*led, *lone[:2]]).findings
    assert few.select("code", "id", "file", "row", "severity").rows() == [
        ("mixed_system_messages", None, None, None, None)
    ]
    assert few["message"].to_list() == ["2 of 42 conversations have no system message."]
    assert few["score"].to_list() == [pytest.approx(2 / 42)]
    assert measure([*lone, led[0]]).findings["message"].to_list() == ["1 of 41 conversations have a system message."]
    assert seen([*lone, *led]) == []
    assert seen(lone) == seen(led) == []
    assert seen([*led, chat(system=" ")]) == [("mixed_system_messages", None)], "an empty one is none"


@pytest.mark.parametrize(
    ("variant", "how"),
    [
        (LONG.lower(), "only in case"),
        (LONG.replace(" and ", "  and\n"), "only in case"),
        (LONG.rstrip(".") + "!", "only in case"),
        (LONG.replace("captains", "sailors"), "in one word"),
    ],
)
def test_a_system_message_that_is_almost_another_is_found(variant: str, how: str) -> None:
    rows = [chat(prompt=f"{at}?", system=LONG) for at in range(40)]
    rows[5] = chat(prompt="5?", system=variant)
    findings = measure(rows).findings
    assert findings.select("code", "row", "partner").rows() == [("near_system_message", 6, "id1")]
    assert how in findings["message"][0]
    assert "captains" not in str(findings.to_dicts())


@pytest.mark.parametrize(
    "other", [LONG.replace("captains", "sailors").replace("short", "long"), "Be kind.", LONG + " Always."]
)
def test_a_system_message_that_says_something_else_is_not(other: str) -> None:
    rows = [chat(prompt=f"{at}?", system=LONG) for at in range(40)]
    assert seen([*rows, chat(system=other)]) == []


def test_roles_dates_and_variants_that_are_common_are_made_to_differ() -> None:
    roles = [chat(prompt=f"{at}?", system="You are a lawyer.") for at in range(40)]
    assert seen([*roles, chat(system="You are a teacher.")]) == []
    dated = [chat(prompt=f"{at}?", system=LONG + " Today is Monday 3.") for at in range(40)]
    assert seen([*dated, chat(system=LONG + " Today is Monday 4.")]) == []
    rows = [chat(prompt=f"{at}?", system=LONG) for at in range(40)]
    assert seen([*rows, *(chat(prompt=f"{at}?", system=LONG.lower()) for at in range(20))]) == []


def test_the_row_that_is_named_is_a_new_one() -> None:
    rows = [chat(prompt=f"{at}?", system=LONG) for at in range(40)] + [chat(system=LONG.lower())] * 2
    corpus = Corpus.of(frames(rows), features(frames(rows))).marked(pl.Series([True] * 41 + [False]))
    findings = consistency.function(corpus, ConsistencyParams(**LIMITS), CONTEXT).findings
    assert findings["row"].to_list() == [42]


# ── shapes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_several_shapes_in_one_split_only_count() -> None:
    rows = [chat(split="train"), chat(split="train", shape="sharegpt"), chat(split="test", shape="sharegpt")]
    findings = measure(rows).findings
    assert findings.select("code", "severity", "group", "score").rows() == [("mixed_shapes", "info", "train", 0.5)]
    assert seen(rows[1:]) == []


# ── the whole ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_features_are_one_small_row_per_example_and_the_same_in_any_shard() -> None:
    lone: dict[str, object] = {"kind": "text", "text": "x"}
    rows = [chat(FORMS["JSON object"], system=LONG), chat("Oslo.", prompt="A\nB"), lone]
    whole = features(frames(rows))
    assert whole.schema == FEATURES
    assert whole.rows() == [row for each in rows for row in features(frames([each])).rows()]
    assert whole["instruction"].null_count() == 1
    assert features(frames([])).schema == FEATURES


def test_no_rows_are_nothing_examined() -> None:
    measured = measure([])
    assert (measured.examined, measured.skipped is None) == (0, False)


def test_every_code_has_a_meaning() -> None:
    assert set(consistency.codes) == set(CODES)
    assert all(meaning.endswith(".") for meaning in CODES.values())


def test_the_examples_of_the_rule_reference_do_what_they_say() -> None:
    def converted(records: Sequence[Any]) -> list[dict[str, object]]:
        return [chat(each["output"], each["instruction"], each["system"]) for each in records]

    assert seen(converted(consistency.fails)) == [("near_system_message", 11)]
    assert seen(converted(consistency.passes)) == []


def test_real_datasets_are_consistent(shared_data: Path) -> None:
    for path in (*sorted(shared_data.glob("*_demo.json*")), shared_data / "gsm8k"):
        dataset = read([path])
        rows = Frames(dataset.examples, dataset.malformed)
        assert consistency.run(rows, ConsistencyParams(**LIMITS), CONTEXT).findings.rows() == []
