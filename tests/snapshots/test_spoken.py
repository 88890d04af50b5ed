"""An example as a person reads it, whatever its kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gate.data.read import read
from gate.snapshots.spoken import parts

CALL = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"instruction": "Do.", "output": "Done.", "system": "Be brief."},
            [("system", "Be brief.", False), ("user", "Do.", False), ("assistant", "Done.", True)],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": None, "tool_calls": CALL},
                ]
            },
            [("user", "Hi", False), ("assistant calls", json.dumps(CALL, separators=(",", ":")), True)],
        ),
        (
            {"messages": [{"role": "user", "content": "Hi", "name": "ana"}, {"role": "assistant", "content": ""}]},
            [("user (ana)", "Hi", False), ("assistant", "", True)],
        ),
        (
            {"prompt": "Q", "chosen": "A", "rejected": "B"},
            [("user", "Q", False), ("chosen", "A", True), ("rejected", "B", True)],
        ),
        (
            {"prompt": "Q", "completion": "A", "label": False},
            [("user", "Q", False), ("assistant", "A", True), ("label", "bad answer", True)],
        ),
        ({"text": "All of it.", "topic": "x"}, [("text", "All of it.", True), ("meta", '{"topic":"x"}', False)]),
    ],
)
def test_who_says_what_and_what_is_learnt(
    record: dict[str, object], expected: list[tuple[str, str, bool]], tmp_path: Path
) -> None:
    (tmp_path / "data.jsonl").write_text(json.dumps(record) + "\n")
    (example,) = read([tmp_path / "data.jsonl"]).examples.rows(named=True)
    assert [(part.label, part.text, part.answer) for part in parts(example)] == expected
