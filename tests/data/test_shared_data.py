"""Real public files, each with the right shape and without any loss."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from gate.data.read import read


def test_every_real_file_is_read_without_loss(shared_data: Path) -> None:
    dataset = read([shared_data])
    assert {one.path: (one.shape, one.split, one.examples) for one in dataset.files} == {
        "alpaca_en_demo.json": ("instruction", None, 999),
        "c4_demo.jsonl": ("text", None, 300),
        "dpo_en_demo.json": ("preference", None, 300),
        "glaive_toolcall_en_demo.json": ("sharegpt", None, 300),
        "gsm8k/test.jsonl": ("question_answer", "test", 1319),
        "gsm8k/train.jsonl": ("question_answer", "train", 7473),
        "identity.json": ("instruction", None, 91),
        "kto_en_demo.json": ("feedback", None, 300),
    }
    assert dataset.malformed.height == 0
    assert [one.path for one in dataset.skipped] == ["README.md"]
    assert dataset.examples["meta"].null_count() == dataset.examples.height
    turns = dataset.examples.filter(pl.col("shape") == "sharegpt")["messages"].explode().struct.unnest()
    assert turns["role"].value_counts().sort("role").rows() == [("assistant", 957), ("tool", 211), ("user", 746)]
    assert turns["tool_calls"].drop_nulls().len() == 211
    assert dataset.examples["tools"].drop_nulls().len() == 191  # the other 109 say "[]"
    assert dataset.examples["label"].drop_nulls().len() == 300
