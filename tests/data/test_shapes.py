"""Every layout that people use is recognised and becomes the canonical example it stands for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.data.columns import ColumnMap
from gate.data.frame import Dataset
from gate.data.read import read

Turn = tuple[str, str]


def read_rows(folder: Path, rows: list[object], name: str = "rows.jsonl", columns: ColumnMap | None = None) -> Dataset:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read([path], columns=columns)


def turns(dataset: Dataset, column: str = "messages", row: int = 0) -> list[Turn] | None:
    messages = dataset.examples[column].to_list()[row]
    return None if messages is None else [(turn["role"], turn["content"]) for turn in messages]


U, A = {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}
H, G = {"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}
ASKED = [("user", "U"), ("assistant", "A")]

CHATS = [
    ("instruction", {"instruction": "U", "input": "", "output": "A"}),
    ("instruction", {"instruction": "U", "output": "A"}),
    ("instruction", {"instruction": "U", "input": None, "output": "A", "system": None, "history": []}),
    ("prompt_completion", {"prompt": "U", "completion": "A"}),
    ("prompt_completion", {"prompt": [U], "completion": [A]}),
    ("prompt_completion", {"prompt": "U", "completion": "A", "label": "billing"}),
    ("input_output", {"input": "U", "output": "A"}),
    ("question_answer", {"question": "U", "answer": "A"}),
    ("question_answer", {"query": "U", "response": "A"}),
    ("question_answer", {"question": "U", "response": "A"}),
    ("question_answer", {"instruction": "U", "response": "A"}),
    ("question_answer", {"instruction": "U", "context": "", "response": "A", "category": "open_qa"}),
    ("question_answer", {"prompt": "U", "response": "A"}),
    ("messages", {"messages": [U, A]}),
    ("messages", {"messages": [{**U, "content": [{"type": "text", "text": "U"}]}, A]}),
    ("messages", {"messages": json.dumps([U, A])}),
    ("messages", {"messages": [U, {**A, "name": None, "tool_calls": None, "weight": None}]}),
    ("messages", {"messages": [U, A], "label": "billing"}),
    ("sharegpt", {"conversations": [H, G]}),
    ("sharegpt", {"conversation": [H, G]}),
    ("sharegpt", {"conversations": [U, A]}),
    ("sharegpt", {"messages": [H, G]}),
]


@pytest.mark.parametrize(("shape", "record"), CHATS)
def test_the_same_chat_in_any_shape_is_the_same_example(tmp_path: Path, shape: str, record: object) -> None:
    dataset = read_rows(tmp_path, [record])
    assert dataset.files[0].shape == shape
    assert dataset.examples["kind"].to_list() == ["chat"]
    assert turns(dataset) == ASKED
    assert dataset.examples["id"].to_list() == read_rows(tmp_path, [CHATS[0][1]]).examples["id"].to_list()
    for column in ("chosen", "rejected", "label", "text", "tools"):
        assert dataset.examples[column].to_list() == [None]


def test_input_follows_its_instruction_after_a_blank_line(tmp_path: Path) -> None:
    row = {"instruction": "I", "input": "X", "output": "A", "system": "S", "history": [["U", "A"]]}
    dataset = read_rows(tmp_path, [row, {"instruction": "", "input": "X", "output": "A"}])
    assert turns(dataset) == [("system", "S"), *ASKED, ("user", "I\n\nX"), ("assistant", "A")]
    assert turns(dataset, row=1) == [("user", "X"), ("assistant", "A")]
    assert dataset.examples["meta"].null_count() == 2
    assert turns(read_rows(tmp_path, [{"question": "Q", "context": "C", "answer": "A"}])) == [
        ("user", "Q\n\nC"),
        ("assistant", "A"),
    ]


def test_an_answer_that_is_a_number_is_read_as_its_text(tmp_path: Path) -> None:
    rows = [{"question": "U", "answer": answer} for answer in (42, 1.5, True)]
    dataset = read_rows(tmp_path, rows)
    assert [turns(dataset, row=row)[1][1] for row in range(3)] == ["42", "1.5", "true"]


def test_tool_calls_stay_as_the_source_gave_them(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
    answer = {"role": "tool", "content": "ok", "tool_call_id": "1", "name": "f"}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    for tools in ([{"name": "f"}], '[{"name":"f"}]'):
        dataset = read_rows(tmp_path, [{"messages": [U, asked, answer, A], "tools": tools}])
        messages = dataset.examples["messages"][0]
        assert json.loads(messages[1]["tool_calls"]) == [call]
        assert messages[1]["content"] is None
        assert (messages[2]["name"], messages[2]["tool_call_id"], messages[2]["role"]) == ("f", "1", "tool")
        assert json.loads(dataset.examples["tools"][0]) == [{"name": "f"}]


def test_sharegpt_function_calls_are_tool_calls(tmp_path: Path) -> None:
    rows = [
        {"conversations": [H, {"from": "function_call", "value": value}, {"from": "observation", "value": "r"}, G]}
        for value in ('{"name": "f"}', '[{"name": "f"}]', "f(")
    ]
    dataset = read_rows(tmp_path, [{**row, "system": "S", "tools": "[]"} for row in rows])
    calls = [messages[2] for messages in dataset.examples["messages"].to_list()]
    assert [call["tool_calls"] for call in calls] == ['[{"name": "f"}]', '[{"name": "f"}]', "f("]
    assert {(call["role"], call["content"]) for call in calls} == {("assistant", None)}
    assert turns(dataset)[0] == ("system", "S")
    assert turns(dataset)[3] == ("tool", "r")
    assert dataset.examples["tools"].null_count() == 3
    assert dataset.examples["id"].n_unique() == 2


def test_content_parts_are_joined_and_no_part_is_lost(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "file.png"}}
    parts = [{"type": "text", "text": "a", "cache": True}, image, "b"]
    dataset = read_rows(tmp_path, [{"messages": [{"role": "user", "content": parts}, {**A, "weight": 0}]}])
    first, second, third = turns(dataset)[0][1].split("\n")
    assert (first, json.loads(second), third) == ("a", image, "b")
    meta = {"messages[0].content[0].cache": True, "messages[1].weight": 0}
    assert json.loads(dataset.examples["meta"][0]) == meta


def test_roles_are_normalised_and_unknown_ones_stay(tmp_path: Path) -> None:
    roles = ["developer", "system", "human", "gpt", "observation", "narrator", "User"]
    dataset = read_rows(tmp_path, [{"messages": [{"role": role, "content": "c"} for role in roles]}])
    assert [role for role, _ in turns(dataset)] == [
        "system", "system", "user", "assistant", "tool", "narrator", "User",
    ]  # fmt: skip


P, Q = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
PREFERENCES = [
    {"prompt": "U", "chosen": "good", "rejected": "bad"},
    {"prompt": [U], "chosen": [P], "rejected": [Q]},
    {"prompt": "U", "chosen": [U, P], "rejected": [U, Q]},
    {"chosen": [U, P], "rejected": [U, Q]},
    {"conversations": [H], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}},
    {"messages": [U], "chosen": P, "rejected": Q},
    {"instruction": "U", "input": "", "chosen": "good", "rejected": "bad"},
    {"question": "U", "chosen": "good", "rejected": "bad"},
    {"chosen": "\n\nHuman: U\n\nAssistant: good", "rejected": "\n\nHuman: U\n\nAssistant: bad"},
    {"prompt": "U", "messages": [U, P], "chosen": [U, P], "rejected": [U, Q]},
]


@pytest.mark.parametrize("record", PREFERENCES)
def test_preferences_share_a_prompt_and_differ_in_their_answers(tmp_path: Path, record: dict[str, object]) -> None:
    dataset = read_rows(tmp_path, [record])
    assert dataset.files[0].shape == "preference"
    assert turns(dataset) == [("user", "U")]
    assert turns(dataset, "chosen") == [("assistant", "good")]
    assert turns(dataset, "rejected") == [("assistant", "bad")]


def test_equal_answers_stay_answers(tmp_path: Path) -> None:
    dataset = read_rows(tmp_path, [{"chosen": [U, P], "rejected": [U, P]}])
    assert turns(dataset, "chosen") == turns(dataset, "rejected") == [("assistant", "good")]
    assert turns(dataset) == [("user", "U")]


def test_the_implicit_prompt_is_the_longest_common_prefix(tmp_path: Path) -> None:
    dataset = read_rows(tmp_path, [{"chosen": [U, A, U, P], "rejected": [U, A, U, Q]}])
    assert turns(dataset) == [*ASKED, ("user", "U")]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "U", "completion": "A", "label": True},
        {"prompt": [U], "completion": [A], "label": True},
        {"messages": [U, A], "label": True},
        {"conversations": [H, G], "label": True},
        {"conversations": [H, G], "kto_tag": True},
        {"instruction": "U", "input": "", "output": "A", "kto_tag": True},
    ],
)
def test_feedback_is_an_answer_with_a_boolean_label(tmp_path: Path, record: dict[str, object]) -> None:
    wrong = {key: "yes" if value is True else value for key, value in record.items()}
    unlabelled = {key: None if value is True else value for key, value in record.items()}
    dataset = read_rows(tmp_path, [record, record, wrong, unlabelled])
    assert dataset.examples["kind"].to_list() == ["feedback"] * 2
    assert dataset.examples["label"].to_list() == [True] * 2
    assert turns(dataset) == ASKED
    assert dataset.malformed.select("kind", "reason").rows() == [("feedback", "wrong_type"), ("feedback", "null_value")]


def test_text_and_its_other_columns(tmp_path: Path) -> None:
    dataset = read_rows(tmp_path, [{"text": "T", "label": "sports", "url": {"b": [1, None]}}, {"text": "T"}])
    assert dataset.files[0].shape == "text"
    assert dataset.examples["text"].to_list() == ["T", "T"]
    assert dataset.examples["messages"].to_list() == [None, None]
    assert json.loads(dataset.examples["meta"][0]) == {"label": "sports", "url": {"b": [1, None]}}
    ids, record_ids = dataset.examples["id"].to_list(), dataset.examples["record_id"].to_list()
    assert ids[0] == ids[1]
    assert record_ids[0] != record_ids[1]


def test_the_most_frequent_shape_decides_and_the_others_are_malformed(tmp_path: Path) -> None:
    rows = [{"text": "T"}, {"prompt": "U", "completion": "A"}, {"completion": "A", "prompt": "U", "id": 7}]
    dataset = read_rows(tmp_path, rows)
    assert dataset.files[0].shape == "prompt_completion"
    assert dataset.malformed.select("row", "reason").rows() == [(1, "missing_field")]


def test_columns_of_no_shape_are_malformed_row_by_row(tmp_path: Path) -> None:
    dataset = read_rows(tmp_path, [{"a": 1}, {"b": 2}])
    assert dataset.malformed.select("row", "kind", "reason").rows() == [
        (1, None, "unknown_shape"),
        (2, None, "unknown_shape"),
    ]


WRONG = [
    ({"messages": [U, {"role": "assistant", "content": 7}]}, "wrong_type", "messages[1].content"),
    ({"messages": [U, {"role": "assistant", "content": None}]}, "null_value", "messages[1].content"),
    ({"messages": [U, {"role": "assistant"}]}, "missing_field", "messages[1].content"),
    ({"messages": [U, {"content": "A"}]}, "missing_field", "messages[1]"),
    ({"messages": [U, {"role": None, "content": "A"}]}, "null_value", "messages[1].role"),
    ({"messages": [U, "A"]}, "wrong_type", "messages[1]"),
    ({"messages": []}, "missing_field", "messages"),
    ({"messages": None}, "null_value", "messages"),
    ({"messages": "hello"}, "wrong_type", "messages"),
    ({"messages": [U, A], "tools": "no json"}, "wrong_type", "tools"),
    ({"messages": [U, A], "system": 3}, "wrong_type", "system"),
    ({"messages": [U, {**A, "name": 3}]}, "wrong_type", "messages[1].name"),
    ({"messages": [U, {**A, "tool_calls": 3}]}, "wrong_type", "messages[1].tool_calls"),
    ({"messages": [U, {**A, "content": [{"type": "text", "text": None}]}]}, "null_value", "content[0].text"),
]


@pytest.mark.parametrize(("record", "reason", "field"), WRONG)
def test_a_turn_of_the_wrong_type_is_malformed(tmp_path: Path, record: object, reason: str, field: str) -> None:
    dataset = read_rows(tmp_path, [{"messages": [U, A]}, {"messages": [U, A]}, record])
    (bad,) = dataset.malformed.to_dicts()
    assert (bad["row"], bad["reason"]) == (3, reason)
    assert field in bad["message"]


def test_a_split_column_speaks_for_its_row(tmp_path: Path) -> None:
    rows = [{"text": "T", "split": word} for word in ("train", "val", "TEST", "other")] + [{"text": "T"}]
    dataset = read_rows(tmp_path, rows, "dev.jsonl")
    assert dataset.examples["split"].to_list() == ["train", "validation", "test", "validation", "validation"]
    assert dataset.examples["meta"].to_list() == [None, None, None, '{"split":"other"}', None]


class TestColumnMap:
    def test_any_layout_can_be_named(self, tmp_path: Path) -> None:
        columns = ColumnMap(prompt="data.ask", response="data.reply", system="who", split="part")
        row = {"data": {"ask": "U", "reply": "A", "n": 1}, "who": "S", "part": "test", "prompt": "kept"}
        dataset = read_rows(tmp_path, [row, {"data": {"ask": "U"}, "who": "S", "part": "test"}], columns=columns)
        assert turns(dataset) == [("system", "S"), *ASKED]
        assert dataset.examples["split"].to_list() == ["test"]
        assert json.loads(dataset.examples["meta"][0]) == {"data": {"n": 1}, "prompt (unmapped)": "kept"}
        (bad,) = dataset.malformed.to_dicts()
        assert bad["reason"] == "missing_field"
        assert "`data.reply`" in bad["message"]

    def test_a_users_own_turns(self, tmp_path: Path) -> None:
        columns = ColumnMap(messages="dialog", role="speaker", content="said", roles={"bot": "assistant", "me": "user"})
        dialog = [{"speaker": "me", "said": "U"}, {"speaker": "bot", "said": "A"}]
        assert turns(read_rows(tmp_path, [{"dialog": dialog}], columns=columns)) == ASKED

    def test_preference_feedback_and_text(self, tmp_path: Path) -> None:
        row = {"q": "U", "better": "good", "worse": "bad"}
        dataset = read_rows(tmp_path, [row], columns=ColumnMap(prompt="q", chosen="better", rejected="worse"))
        assert (turns(dataset), turns(dataset, "chosen")) == ([("user", "U")], [("assistant", "good")])
        row = {"q": "U", "a": "A", "ok": False}
        dataset = read_rows(tmp_path, [row], columns=ColumnMap(prompt="q", response="a", label="ok"))
        assert dataset.examples["label"].to_list() == [False]
        dataset = read_rows(tmp_path, [{"body": "T", "text": 3}], columns=ColumnMap(text="body"))
        assert dataset.examples["text"].to_list() == ["T"]

    def test_a_named_label_is_a_judgement_whatever_it_holds(self, tmp_path: Path) -> None:
        rows = [{"q": "U", "a": "A", "rating": "good"}]
        dataset = read_rows(tmp_path, rows, columns=ColumnMap(prompt="q", response="a", label="rating"))
        assert dataset.malformed.select("kind", "reason").rows() == [("feedback", "wrong_type")]
        assert "`rating`" in dataset.malformed["message"].item()

    def test_a_file_with_none_of_the_names_is_recognised_as_usual(self, tmp_path: Path) -> None:
        dataset = read_rows(tmp_path, [{"question": "U", "answer": "A"}], columns=ColumnMap(prompt="q", response="a"))
        assert turns(dataset) == ASKED

    def test_a_map_may_name_only_what_is_unusual(self, tmp_path: Path) -> None:
        dataset = read_rows(tmp_path, [{"prompt": "U", "reply": "A"}], columns=ColumnMap(response="reply"))
        assert turns(dataset) == ASKED
