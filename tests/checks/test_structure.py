"""What the structure check calls broken, what it takes for a convention, and that it never quotes a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
from pydantic import ValidationError

from gate.checks.base import FOUND, Context, Measurement
from gate.checks.structure import StructureParams, structure
from gate.checks.structure_problems import Problem
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.malformed import MEANINGS, Misfit, Reason, malformed, malformed_frame
from gate.data.read import read
from gate.data.views import Frames

Turn = dict[str, object]

CONTEXT = cast(Context, None)  # the check uses neither workers nor folders


def turn(role: str | None, content: str | None = "Hello.", calls: object = None, answers: str | None = None) -> Turn:
    """One turn; `calls` as an object becomes JSON, as a string it stands as it is."""
    text = calls if calls is None or isinstance(calls, str) else json.dumps(calls)
    return {"role": role, "content": content, "name": None, "tool_calls": text, "tool_call_id": answers}


def call(name: object = "look_up", arguments: object = None, identity: str | None = None) -> dict[str, object]:
    body: dict[str, object] = {"name": name, "arguments": {} if arguments is None else arguments}
    return {"id": identity, "type": "function", "function": body}


SYSTEM, USER, ASSISTANT = turn("system", "Be kind."), turn("user", "Why?"), turn("assistant", "Because.")
CALL, RESULT = turn("assistant", None, [call()]), turn("tool", "42")
TOOLS = json.dumps([{"type": "function", "function": {"name": "look_up", "parameters": {}}}])


def frames(*rows: dict[str, object], unreadable: pl.DataFrame | None = None) -> Frames:
    placed = [{"id": f"id{at}", "file": "a.jsonl", "row": at, **row} for at, row in enumerate(rows, start=1)]
    return Frames(
        pl.DataFrame(placed, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED) if unreadable is None else unreadable
    )


def chat(*turns: Turn, tools: str | None = None) -> dict[str, object]:
    return {"kind": "chat", "shape": "messages", "messages": list(turns), "tools": tools}


def preference(prompt: Iterable[Turn], chosen: Iterable[Turn], rejected: Iterable[Turn]) -> dict[str, object]:
    return {"kind": "preference", "messages": list(prompt), "chosen": list(chosen), "rejected": list(rejected)}


def measure(*rows: dict[str, object], **params: Any) -> Measurement:
    return structure.run(frames(*rows), StructureParams(**params), CONTEXT)


def problems(*rows: dict[str, object]) -> list[tuple[str, str]]:
    """Code and field of everything found."""
    return cast(list[tuple[str, str]], measure(*rows).findings.select("code", "field").rows())


# ── conventions that are data ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "row",
    [
        chat(USER, ASSISTANT),
        chat(SYSTEM, USER, ASSISTANT, USER, ASSISTANT),
        chat(SYSTEM, ASSISTANT),
        chat(USER, CALL),
        chat(USER, CALL, RESULT, ASSISTANT),
        chat(USER, ASSISTANT, CALL, RESULT, ASSISTANT),
        chat(USER, CALL, RESULT, CALL, RESULT, ASSISTANT),
        chat(USER, turn("assistant", None, [call(), call()]), RESULT, RESULT, ASSISTANT),
        chat(USER, turn("assistant", None, [call(), call()]), turn("tool", "[1, 2]"), ASSISTANT),
        chat(USER, CALL, CALL, RESULT, RESULT, ASSISTANT),
        chat(USER, turn("assistant", "Let me see.", [call()]), turn("tool", ""), ASSISTANT),
        chat(USER, turn("assistant", '<tool_call>{"name": "look_up"}</tool_call>'), RESULT, ASSISTANT),
        chat(USER, turn("assistant", "[look_up(x=1)]"), RESULT, ASSISTANT),
        chat(USER, turn("assistant", "Yes")),
        chat(turn("user", "hi"), turn("assistant", "Hi")),
        chat(USER, CALL, RESULT, ASSISTANT, tools=TOOLS),
        chat(USER, CALL, tools='[{"name": "look_up", "input_schema": {}}]'),
        chat(USER, CALL, tools='{"name": "look_up"}'),
        chat(USER, CALL, tools='["{\\"name\\": \\"look_up\\"}"]'),
        chat(USER, CALL, tools='[{"type": "web_search"}]'),
        chat(USER, CALL, tools=""),
        chat(USER, turn("assistant", None, {"name": "look_up", "arguments": '{"a": 1}'}), tools=TOOLS),
        chat(USER, turn("assistant", None, [{"type": "tool_use", "name": "look_up", "input": {}}]), tools=TOOLS),
        chat(
            USER,
            turn("assistant", None, [call(identity="a"), call(identity="b")]),
            turn("tool", "1", answers="b"),
            turn("tool", "2", answers="a"),
            ASSISTANT,
        ),
        {"kind": "feedback", "messages": [USER, ASSISTANT], "label": False},
        {"kind": "text", "text": "."},
        preference([USER], [ASSISTANT], [turn("assistant", "because.")]),
        preference([], [ASSISTANT], [turn("assistant", "No.")]),
        preference([USER], [CALL, RESULT, ASSISTANT], [turn("assistant", "No.")]),
        preference([USER, CALL, RESULT], [ASSISTANT], [turn("assistant", "No.")]),
        # Case may be what is preferred, or asked for.
        preference([USER], [turn("assistant", "Paris")], [turn("assistant", "paris")]),
        chat(turn("user", "paris"), turn("assistant", "Paris")),
        # The last call has no result yet, whatever ids earlier ones have.
        chat(
            USER,
            turn("assistant", None, [call(identity="a")]),
            turn("tool", "1", answers="a"),
            turn("assistant", None, [call(identity="b")]),
        ),
        preference([USER, CALL], [RESULT, ASSISTANT], [RESULT, turn("assistant", "No.")]),
    ],
)
def test_conventions_of_published_data_are_no_problems(row: dict[str, object]) -> None:
    assert problems(row) == []


# ── what is broken ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (chat(), [("empty_conversation", "messages")]),
        (chat(turn("user", " \n\t"), ASSISTANT), [("empty_turn", "messages[0].content")]),
        (chat(turn("user", "\u200b\ufeff"), ASSISTANT), [("empty_turn", "messages[0].content")]),
        (chat(turn("user", None), ASSISTANT), [("empty_turn", "messages[0].content")]),
        (chat(USER, turn("assistant", ""), USER, ASSISTANT), [("empty_turn", "messages[1].content")]),
        (chat(USER, turn("assistant", "", "[]"), USER, ASSISTANT), [("empty_turn", "messages[1].content")]),
        (chat(turn("system", ""), USER, ASSISTANT), [("empty_system_turn", "messages[0].role")]),
        (chat(USER, turn("assistant", " ")), [("empty_answer", "messages[1].content")]),
        (chat(USER, turn("assistant", " Why?\n")), [("answer_equals_prompt", "messages[1].content")]),
        (chat(USER, turn("agent"), USER, ASSISTANT), [("unknown_role", "messages[1].role")]),
        (chat(USER, turn(None), USER, ASSISTANT), [("unknown_role", "messages[1].role")]),
        (chat(ASSISTANT), [("no_user_turn", "messages[0].role")]),
        (chat(USER), [("no_assistant_turn", "messages[0].role")]),
        (chat(SYSTEM, USER), [("no_assistant_turn", "messages[1].role")]),
        (chat(ASSISTANT, USER, ASSISTANT), [("starts_with_assistant", "messages[0].role")]),
        (chat(SYSTEM, ASSISTANT, USER, ASSISTANT), [("starts_with_assistant", "messages[1].role")]),
        (chat(USER, USER, ASSISTANT), [("repeated_user_turn", "messages[1].role")]),
        (chat(USER, ASSISTANT, ASSISTANT), [("repeated_assistant_turn", "messages[2].role")]),
        (chat(USER, SYSTEM, ASSISTANT), [("system_not_first", "messages[1].role")]),
        (chat(SYSTEM, USER, SYSTEM, ASSISTANT), [("several_system_turns", "messages[2].role")]),
        (chat(USER, ASSISTANT, USER), [("last_turn_not_assistant", "messages[2].role")]),
        (chat(USER, CALL, RESULT), [("last_turn_not_assistant", "messages[2].role")]),
        (chat(USER, CALL, RESULT, USER, ASSISTANT), [("tool_result_unanswered", "messages[3].role")]),
        (chat(USER, RESULT, ASSISTANT), [("tool_result_without_call", "messages[1].role")]),
        (chat(USER, RESULT, RESULT, ASSISTANT), [("tool_result_without_call", "messages[1].role")]),
        (
            chat(USER, turn("assistant", "One moment."), RESULT, ASSISTANT),
            [("tool_result_without_call", "messages[2].role")],
        ),
        (chat(USER, CALL, ASSISTANT), [("tool_call_without_result", "messages[1].tool_calls")]),
        (chat(USER, CALL, USER, ASSISTANT), [("tool_call_without_result", "messages[1].tool_calls")]),
        (chat(USER, CALL, CALL, ASSISTANT), [("tool_call_without_result", "messages[2].tool_calls")]),
        (
            chat(
                USER,
                turn("assistant", None, [call(identity="a"), call(identity="b")]),
                turn("tool", "1", answers="a"),
                turn("tool", "2", answers="c"),
                ASSISTANT,
            ),
            [("tool_call_without_result", "messages[1].tool_calls"), ("tool_result_without_call", "messages[3].role")],
        ),
        (chat(USER, turn("assistant", None, '{"name": ')), [("tool_call_not_json", "messages[1].tool_calls")]),
        (
            chat(USER, turn("assistant", None, [call(arguments='{"a": ')])),
            [("tool_call_not_json", "messages[1].tool_calls")],
        ),
        (chat(USER, turn("assistant", None, [call(arguments="")])), [("tool_call_not_json", "messages[1].tool_calls")]),
        (
            chat(USER, turn("assistant", None, [call(name=None)])),
            [("tool_call_without_name", "messages[1].tool_calls")],
        ),
        (chat(USER, turn("assistant", None, '["look_up"]')), [("tool_call_without_name", "messages[1].tool_calls")]),
        (
            chat(USER, turn("assistant", None, [call("cancel")]), tools=TOOLS),
            [("unknown_tool", "messages[1].tool_calls")],
        ),
        (chat(USER, CALL, tools="[]"), [("unknown_tool", "messages[1].tool_calls")]),
        (chat(USER, CALL, tools='[{"name": '), [("tools_not_json", "tools")]),
        ({"kind": "text", "text": " \n"}, [("empty_text", "text")]),
        ({"kind": "text", "text": None}, [("empty_text", "text")]),
        ({"kind": "feedback", "messages": [USER, ASSISTANT], "label": None}, [("label_missing", "label")]),
        (
            {"kind": "feedback", "messages": [USER, turn("assistant", "")], "label": True},
            [("empty_answer", "messages[1].content")],
        ),
        (preference([USER], [ASSISTANT], [turn("assistant", " Because.\n")]), [("same_answers", "rejected")]),
        (preference([USER], [turn("assistant", "A  b")], [turn("assistant", "A\nb")]), [("same_answers", "rejected")]),
        (preference([USER], [ASSISTANT], []), [("empty_answer", "rejected")]),
        (preference([USER], [turn("assistant", "")], [ASSISTANT]), [("empty_answer", "chosen[0].content")]),
        (preference([USER], [turn("assistant", "Why?")], [ASSISTANT]), [("answer_equals_prompt", "chosen[0].content")]),
        (
            preference([USER], [ASSISTANT, USER], [turn("assistant", "No.")]),
            [("answer_not_assistant", "chosen[1].role")],
        ),
        (
            preference([USER, ASSISTANT], [ASSISTANT], [turn("assistant", "No.")]),
            [("repeated_assistant_turn", "chosen[0].role")],
        ),
        (
            preference([USER, CALL], [ASSISTANT], [turn("assistant", "No.")]),
            [("tool_call_without_result", "messages[1].tool_calls")],
        ),
    ],
)
def test_a_problem_is_found_where_it_is_and_nowhere_else(
    row: dict[str, object], expected: list[tuple[str, str]]
) -> None:
    sound = [chat(USER, ASSISTANT), preference([USER], [ASSISTANT], [turn("assistant", "No.")])]
    measured = measure(sound[0], row, sound[1])
    assert measured.findings.select("code", "field").rows() == expected
    assert set(measured.findings["row"]) == {2}
    assert set(measured.findings["id"]) == {"id2"}


def test_every_code_has_a_meaning_and_a_test_of_its_own() -> None:
    marker = next(
        mark
        for mark in test_a_problem_is_found_where_it_is_and_nowhere_else.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    )
    tested = {code for _, expected in marker.args[1] for code, _ in expected}
    assert tested == {problem.value for problem in Problem}
    assert dict(structure.codes) == {each.value: each.meaning for each in Problem} | {
        reason.value: meaning for reason, meaning in MEANINGS.items()
    }
    assert all(meaning.endswith(".") for meaning in structure.codes.values())


def test_only_an_empty_system_message_is_lowered_to_info() -> None:
    found = measure(chat(turn("system", ""), USER, ASSISTANT), chat(USER, USER, ASSISTANT)).findings
    assert found.select("code", "severity").rows() == [("empty_system_turn", "info"), ("repeated_user_turn", None)]


def test_single_codes_can_be_switched_off() -> None:
    row = chat(USER, USER, turn("assistant", ""))
    assert [code for code, _ in problems(row)] == ["repeated_user_turn", "empty_answer"]
    off = measure(row, ignore=["repeated_user_turn"])
    assert off.findings["code"].to_list() == ["empty_answer"]
    assert off.figures == {"empty_answer": 1}
    with pytest.raises(ValidationError, match="repeated_user_turn"):
        StructureParams(ignore=("repeated_user_trun",))  # type: ignore[arg-type]


def test_neighbours_are_looked_for_within_one_example_only() -> None:
    assert problems(chat(USER, ASSISTANT), chat(ASSISTANT), chat(USER, ASSISTANT)) == [
        ("no_user_turn", "messages[0].role")
    ]
    assert problems(chat(USER, CALL), chat(USER, ASSISTANT), chat(USER, CALL)) == []


# ── rows that could not be read ────────────────────────────────────────────────────────────────────────────────


def test_a_malformed_row_is_one_finding_and_goes_and_a_malformed_file_has_to_be_mended() -> None:
    row = malformed(
        Misfit(Reason.INVALID_JSON, "not valid JSON"), b'{"a": "mail ann@acme.org', row=3, line=3, offset=40
    )
    file = malformed(Misfit(Reason.CORRUPT, "the file is damaged"), None)
    bad = pl.concat([malformed_frame([row], "a.jsonl", "chat"), malformed_frame([file], "b.parquet", None)])
    measured = structure.run(frames(chat(USER, ASSISTANT), unreadable=bad), StructureParams(), CONTEXT)
    assert measured.findings.schema == FOUND
    columns = ["code", "id", "file", "row", "message", "remedy"]
    assert measured.findings.select(columns).rows() == [
        ("invalid_json", None, "a.jsonl", 3, "not valid JSON", "drop"),
        ("corrupt", None, "b.parquet", None, "the file is damaged", "fix"),
    ]
    assert measured.findings["evidence"].to_list() == ['{"a": "mail ***@****.***', None]
    assert measured.examined == 3
    assert measured.figures == {"invalid_json": 1, "corrupt": 1}


def test_nothing_to_look_at_is_nothing_examined() -> None:
    measured = structure.run(frames(), StructureParams(), CONTEXT)
    assert (measured.examined, measured.findings.height) == (0, 0)


# ── evidence ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_secret_or_contact_is_quoted() -> None:
    secrets = ("ann@acme.org", "4111 1111 1111 1111", "sk-proj-Ab12Cd34Ef56Gh78", "+1 202 555 0143")
    for secret in secrets:
        padded = " " * 70 + secret  # the excerpt's end would cut it in two
        text = f"x{'y' * 69}{secret}"
        rows = [
            chat(turn("user", secret), turn("assistant", secret)),
            chat(turn("user", text), turn("assistant", text)),
            preference([USER], [turn("assistant", secret)], [turn("assistant", secret)]),
            chat(USER, turn(secret), USER, ASSISTANT),
            chat(USER, turn(padded), USER, ASSISTANT),
            chat(USER, turn("assistant", None, [call(secret)]), tools=TOOLS),
            chat(USER, turn("assistant", None, [call(arguments=secret)])),
            chat(USER, turn("assistant", None, secret)),
            chat(USER, CALL, tools=secret),
        ]
        measured = measure(*rows)
        assert set(measured.findings["row"]) == set(range(1, len(rows) + 1))
        shown = str(measured.findings.to_dicts())
        assert secret not in shown
        assert secret[:9] not in shown


def test_the_examples_of_the_rule_reference_do_what_they_say() -> None:
    def read(record: dict[str, Any]) -> dict[str, object]:
        if "messages" in record:
            return chat(*(turn(each["role"], each["content"]) for each in record["messages"]))
        return preference(
            [turn("user", record["prompt"])],
            [turn("assistant", record["chosen"])],
            [turn("assistant", record["rejected"])],
        )

    for record in structure.fails:
        assert len(problems(read(dict(record)))) == 1
    for record in structure.passes:
        assert problems(read(dict(record))) == []


def test_real_datasets_are_found_sound(shared_data: Path) -> None:
    dataset = read([shared_data])
    measured = structure.run(Frames(dataset.examples, dataset.malformed), StructureParams(), CONTEXT)
    assert measured.examined >= 11_000
    assert measured.findings.select("file", "row", "code").rows() == []
