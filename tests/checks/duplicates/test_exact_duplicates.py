"""Exact duplicates: the same content after folding, whatever file and shape it is in."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.checks.base import Context, Measurement
from gate.checks.duplicates.fold import fold
from gate.checks.exact_duplicates import ExactDuplicatesParams, exact_duplicates
from gate.data.views import Frames

FRAMES = Callable[..., Frames]


def check(frames: Frames, context: Context, key: str = "full") -> Measurement:
    return exact_duplicates.run(frames, ExactDuplicatesParams.model_validate({"key": key}), context)


def turn(role: str, content: str | None, calls: str | None = None) -> dict[str, str | None]:
    return {"role": role, "content": content, "tool_calls": calls}


def talk(*turns: dict[str, str | None], **more: object) -> dict[str, object]:
    return {"messages": list(turns), **more}


def alike(frames: FRAMES, context: Context, left: dict[str, object], right: dict[str, object]) -> bool:
    return not check(frames([left, right]), context).findings.is_empty()


def test_a_copy_in_another_file_is_dropped_and_names_what_is_kept(frames: FRAMES, context: Context) -> None:
    rows = [{"prompt": "Hi  there", "completion": "Hello!"}, {"prompt": "hi there ", "completion": "HELLO!"}]
    rows = frames(rows, ["one.jsonl", "two.csv"])
    (row,) = check(rows, context).findings.iter_rows(named=True)
    kept = rows.examples.filter(pl.col("id") == row["partner"])
    assert row["partner"] == rows.examples["id"].min()  # of equal length, the smaller id
    assert row["message"] == f"Same content as {kept['file'][0]}:{kept['row'][0]}, which is kept."
    assert (row["code"], row["remedy"], row["score"]) == ("exact_duplicate", "drop", 1.0)


def test_every_occurrence_but_the_kept_one_is_found(frames: FRAMES, context: Context) -> None:
    measured = check(frames([{"text": "One text."}] * 5 + [{"text": "Another."}]), context)
    assert measured.findings["row"].to_list() == [2, 3, 4, 5]  # identical rows: the first stays
    assert measured.findings["group"].n_unique() == 1
    assert measured.figures["dropped"] == 4


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (talk(turn("user", "a"), turn("assistant", "b")), talk(turn("user", "A "), turn("assistant", "b")), True),
        (talk(turn("user", "a"), turn("assistant", "b")), talk(turn("assistant", "a"), turn("user", "b")), False),
        (talk(turn("user", "a b"), turn("assistant", "c")), talk(turn("user", "a"), turn("assistant", "b c")), False),
        (talk(turn("user", "a\x1euser\x1db")), talk(turn("user", "a"), turn("user", "b")), False),
        (talk(turn("user", "a")), talk(turn("user", "a"), turn("assistant", "")), False),
        (talk(turn("user", "a"), turn("user", "b")), talk(turn("user", "b"), turn("user", "a")), False),
        (talk(turn("user", "a")), {"text": "a"}, False),
        (talk(turn("user", "a"), tools='[{"x": 1}]'), talk(turn("user", "a")), False),
        (talk(turn("user", "a"), tools='[{"x": 1, "y": 2}]'), talk(turn("user", "a"), tools='[{"y":2,"x":1}]'), True),
        (
            talk(turn("user", "a"), turn("assistant", None, '[{"id": "1", "name": "f"}]')),
            talk(turn("user", "a"), turn("assistant", None, '[{"name":"f","id":"2"}]')),
            True,
        ),
        (
            talk(turn("user", "a"), turn("assistant", None, '[{"name": "f"}]')),
            talk(turn("user", "a"), turn("assistant", None, '[{"name": "g"}]')),
            False,
        ),
        ({"prompt": "p", "completion": "c", "label": True}, {"prompt": "p", "completion": "c", "label": False}, False),
        ({"prompt": "p", "completion": "c", "label": True}, {"prompt": "p", "completion": "c", "label": True}, True),
        ({"prompt": "p", "completion": "c", "label": True}, {"prompt": "p", "completion": "c"}, False),
        ({"prompt": "p", "chosen": "c", "rejected": "r"}, {"prompt": "p", "chosen": "r", "rejected": "c"}, False),
        ({"prompt": "p", "chosen": "c", "rejected": "r"}, {"prompt": "P", "chosen": "C", "rejected": "R"}, True),
        ({"text": "Cafe\u0301"}, {"text": "CAFÉ"}, True),
        ({"text": "a\u00a0\r\nb"}, {"text": "a b"}, True),
        ({"text": "Straße"}, {"text": "Strasse"}, False),
        ({"text": "Yes."}, {"text": "Yes!"}, False),
    ],
)
def test_what_is_the_same_content(
    frames: FRAMES, context: Context, left: dict[str, object], right: dict[str, object], same: bool
) -> None:
    assert alike(frames, context, left, right) == same


@pytest.mark.parametrize(("key", "dropped"), [("full", 0), ("prompt", 1), ("response", 1)])
def test_the_key_says_what_is_compared(frames: FRAMES, context: Context, key: str, dropped: int) -> None:
    rows = [
        {"prompt": "One?", "completion": "First answer."},
        {"prompt": "one?", "completion": "Second answer."},
        {"prompt": "Two?", "completion": "second  answer."},
        {"prompt": "Three?", "completion": ""},
        {"prompt": "Four?", "completion": ""},
        {"text": "One?"},
    ]
    measured = check(frames(rows), context, key)
    assert measured.findings.height == dropped
    assert measured.examined == {"full": 6, "prompt": 5, "response": 3}[key]


def test_text_without_prompts_is_said_to_be_skipped(frames: FRAMES, context: Context) -> None:
    assert check(frames([{"text": "a"}, {"text": "a"}]), context, "prompt").skipped
    assert check(frames([]), context).skipped


def test_the_longer_is_kept_and_the_order_of_files_decides_nothing(frames: FRAMES, context: Context) -> None:
    rows = [{"prompt": "p", "completion": "short"}, {"prompt": "p", "completion": "a longer answer"}]
    for order in ([0, 1], [1, 0]):
        found = check(frames([rows[at] for at in order], ["a", "b"]), context, "prompt").findings
        assert found["file"].to_list() == ["a" if order[0] == 0 else "b"]


def test_real_files(real: dict[str, Frames], context: Context) -> None:
    dropped = {name: check(frames, context).findings.height for name, frames in real.items()}
    assert dropped == {
        "alpaca_en_demo.json": 14,
        "identity.json": 0,
        "dpo_en_demo.json": 5,
        "kto_en_demo.json": 0,
        "glaive_toolcall_en_demo.json": 35,
        "c4_demo.jsonl": 0,
        "gsm8k/train.jsonl": 0,
        "gsm8k/test.jsonl": 0,
        "all": 54,
    }


def test_its_examples_fail_and_pass(frames: FRAMES, context: Context) -> None:
    for records, expected in ((exact_duplicates.fails, 1), (exact_duplicates.passes, 0)):
        rows = frames({"prompt": r["instruction"], "completion": r["output"]} for r in records)
        assert check(rows, context).findings.height == expected


@given(st.lists(st.text(), max_size=8))
def test_folding_twice_changes_nothing_and_neighbours_do_not_matter(texts: list[str]) -> None:
    folded = fold(pl.Series(texts, dtype=pl.String))
    assert fold(folded).to_list() == folded.to_list()
    assert folded.to_list() == [fold(pl.Series([text]))[0] for text in texts]
