"""Whatever is in an example comes out of its JSON Lines again."""

from __future__ import annotations

import json
from typing import Any  # what JSON holds

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.data.frame import EXAMPLES, Kind
from gate.snapshots.records import chat_lines, original_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=2)
INDENT = st.sampled_from([None, 2])
MESSAGE = st.fixed_dictionaries(
    {"role": TEXT, "content": st.none() | TEXT, "name": st.none() | TEXT, "tool_call_id": st.none() | TEXT},
    optional={"tool_calls": st.none() | CALLS},
)
PLAIN = st.fixed_dictionaries({"role": TEXT, "content": TEXT})
MESSAGES = st.lists(MESSAGE, max_size=4) | st.lists(PLAIN, max_size=4)
ROW = st.fixed_dictionaries(
    {"messages": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES, "label": st.booleans(), "text": TEXT,
     "tools": st.none() | CALLS}
)  # fmt: skip


def canonical(messages: list[dict[str, Any]], indent: int | None) -> list[dict[str, Any]]:
    fields = ("role", "content", "name", "tool_calls", "tool_call_id")
    rows = [{name: message.get(name) for name in fields} for message in messages]
    return [
        row | {"tool_calls": None if row["tool_calls"] is None else json.dumps(row["tool_calls"], indent=indent)}
        for row in rows
    ]


def frame(rows: list[dict[str, Any]], indent: int | None) -> pl.DataFrame:
    return pl.DataFrame(
        [
            row
            | {name: canonical(row[name], indent) for name in ("messages", "chosen", "rejected")}
            | {"tools": None if row["tools"] is None else json.dumps(row["tools"], indent=indent)}
            for row in rows
        ],
        schema=EXAMPLES,
    )


def bare(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in message.items() if value is not None} for message in messages]


def expected(row: dict[str, Any], kind: Kind) -> dict[str, Any]:
    messages = bare(row["messages"])
    said: dict[Kind, dict[str, Any]] = {
        "chat": {"messages": messages},
        "preference": {"prompt": messages, "chosen": bare(row["chosen"]), "rejected": bare(row["rejected"])},
        "feedback": {"prompt": messages[:-1], "completion": messages[-1:], "label": row["label"]},
        "text": {"text": row["text"]},
    }
    if kind == "preference" and not messages:
        del said[kind]["prompt"]
    return said[kind] | ({} if row["tools"] is None else {"tools": row["tools"]})


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from(["chat", "preference", "feedback", "text"]), INDENT)
def test_every_field_that_is_there_comes_out_and_no_other(
    rows: list[dict[str, Any]], kind: Kind, indent: int | None
) -> None:
    lines = chat_lines(frame(rows, indent), kind).to_list()
    assert not any("\n" in line or "\r" in line for line in lines)
    assert [json.loads(line) for line in lines] == [expected(row, kind) for row in rows]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.dictionaries(TEXT, JSON, max_size=4), min_size=1, max_size=4), INDENT)
def test_the_original_record_is_on_one_line_and_the_same(records: list[dict[str, Any]], indent: int | None) -> None:
    written = [json.dumps(record, indent=indent, ensure_ascii=False) for record in records]
    lines = original_lines(pl.DataFrame({"source": written})).to_list()
    assert not any("\n" in line or "\r" in line for line in lines)
    assert [json.loads(line) for line in lines] == records
    if indent is None:
        assert lines == written


def test_one_tool_stands_in_a_list_of_one() -> None:
    row = {"messages": [{"role": "user", "content": "Hi"}], "tools": '{"name": "tide"}'}
    (line,) = chat_lines(frame([row | {"chosen": [], "rejected": [], "tools": None}], None).with_columns(
        tools=pl.lit(row["tools"])
    ), "chat")  # fmt: skip
    assert json.loads(line)["tools"] == [{"name": "tide"}]


def test_tool_calls_that_are_no_json_are_a_text() -> None:
    message = {"role": "assistant", "content": None, "name": None, "tool_calls": 'look("up")', "tool_call_id": None}
    (line,) = chat_lines(pl.DataFrame([{"messages": [message]}], schema=EXAMPLES), "chat")
    assert json.loads(line) == {"messages": [{"role": "assistant", "tool_calls": 'look("up")'}]}
