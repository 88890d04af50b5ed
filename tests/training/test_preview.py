"""Ten examples token by token: what a person reads before trusting a mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gate.training.events import Events
from gate.training.preview import LONGEST, chosen_examples, token_text, visible
from gate.training.rows import Row
from gate.training.tokens import chat_tokens
from tests.training.rows_made import chat, plain_run, row, rows_of


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def preview(rows: list[Row], tokenizer: Any, base: Path, folder: Path, **keys: Any) -> dict[str, Any]:
    run = plain_run(folder, base, tolerate_truncated=1.0, **keys)
    chat_tokens(rows_of(rows), tokenizer, run).account.settle(run, Events(run.place))
    return dict(json.loads((run.place / "preview.json").read_text("utf-8")))


def test_an_example_is_shown_token_by_token_with_what_is_learned(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    shown = preview([row(chat(("user", "two"), ("assistant", "2\n+ 2")))], tokenizer, tiny_base, tmp_path / "run")
    [example] = shown["examples"]
    [sequence] = example["sequences"]
    assert "".join(token["text"] for token in sequence["tokens"]) == "<|user|>two<|end|>↵<|assistant|>2↵+·2<|end|>"
    learned = [token["text"] for token in sequence["tokens"] if token["learned"]]
    assert "".join(learned) == "2↵+·2<|end|>"
    assert sequence["learned"] == len(learned)
    assert [token["text"] for token in sequence["tokens"] if token.get("special")] == [
        "<|user|>", "<|end|>", "<|assistant|>", "<|end|>",
    ]  # fmt: skip
    assert shown["template"]["text"] == tokenizer.chat_template
    assert len(shown["template"]["digest"]) == 64


def test_ten_are_shown_those_that_were_cut_first_and_of_each_kind_one() -> None:
    rows = [Row(str(at), 0, "data", 0) for at in range(30)]
    rows[20] = replace(rows[20], kind="replay")
    rows[25] = replace(rows[25], kind="canary")
    rows[1] = replace(rows[1], repeat=1)
    picked = chosen_examples(rows, [at in (7, 9, 11) for at in range(30)], [at != 2 for at in range(30)])
    assert picked == [7, 9, 0, 20, 25, 3, 4, 5, 6, 8]


def test_a_long_one_says_how_much_is_left_out(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    long = row(chat(("user", "count"), ("assistant", " ".join("7" * 1015))))
    shown = preview([long], tokenizer, tiny_base, tmp_path / "run")
    [sequence] = shown["examples"][0]["sequences"]
    assert len(sequence["tokens"]) == LONGEST
    assert sequence["left_out"] == 1024 - LONGEST
    assert shown["examples"][0]["cut_tokens"] > 0


def test_what_cannot_be_seen_is_shown() -> None:
    assert "".join(map(visible, "a b\n\t\u200b\u202e\x00\u00a0é")) == "a·b↵⇥⟨U+200B⟩⟨U+202E⟩⟨U+0000⟩⍽é"


def test_a_part_of_a_character_is_shown_as_the_tokenizer_writes_it(tokenizer: Any) -> None:
    ids = tokenizer.encode("🦉", add_special_tokens=False)
    assert len(ids) > 1
    texts = [token_text(each, tokenizer) for each in ids]
    assert all(text.startswith("⟨") and "\ufffd" not in text for text in texts)
