"""Fixed prompts answered while a model trains: which they are, that padding changes nothing, that no trace is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gate.training.rows import Row, Rows
from gate.training.sampling import Prompt, answers, prompts

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_base)


def said(role: str, content: str) -> dict[str, str | None]:
    return {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None}


def chat(question: str, answer: str, **more: Any) -> Row:
    return Row(question, 0, "data", 0, messages=[said("user", question), said("assistant", answer)], **more)


def rows(validation: list[Row], train: list[Row] | None = None) -> Rows:
    return Rows(train or [], validation, [])


QUESTIONS = ["What is 2 plus 3?", "What is the capital of Hungary?", "What is the opposite of hot?"]
ANSWERS = ["5", "Budapest", "cold"]


def test_questions_are_answered_as_each_is_alone(model: Any, tokenizer: Any) -> None:
    asked = prompts(rows([chat(question, "?") for question in QUESTIONS]), tokenizer, 3, 1000)
    assert [each.shown for each in asked] == QUESTIONS
    assert len({len(each.tokens) for each in asked}) > 1  # so that some are padded
    model.train()
    state = torch.get_rng_state()
    together = answers(model, tokenizer, asked, 8)
    assert together == ANSWERS
    assert together == [answers(model, tokenizer, [each], 8)[0] for each in asked]
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert tokenizer.padding_side == "right"
    model.eval()


def test_the_first_of_the_validation_split_each_once(tokenizer: Any) -> None:
    same = [chat("Why?", "a"), chat("Why?", "b"), chat("How?", "c")]
    train = [Row("x", -1, "canary", 0, messages=[said("user", "secret"), said("assistant", "s")]), chat("When?", "d")]
    assert [each.shown for each in prompts(rows(same, train), tokenizer, 9, None)] == ["Why?", "How?", "When?"]
    assert [each.shown for each in prompts(rows(same, train), tokenizer, 1, None)] == ["Why?"]
    assert prompts(rows([]), tokenizer, 3, None) == []
    assert answers(None, tokenizer, [], 8) == []


def test_of_a_conversation_the_last_answer_is_left_out(tokenizer: Any) -> None:
    talk = [
        said("system", "Be brief."),
        said("user", "Hi"),
        said("assistant", "Yes?"),
        said("user", "Why?"),
        said("assistant", "So"),
    ]
    (asked,) = prompts(rows([Row("a", 0, "data", 0, messages=talk)]), tokenizer, 1, None)
    assert asked.shown == "Be brief.\nHi\nWhy?"
    assert tokenizer.decode(asked.tokens).endswith("<|user|>Why?<|end|>\n<|assistant|>")
    assert "So" not in tokenizer.decode(asked.tokens)


def test_of_a_preference_its_prompt(tokenizer: Any) -> None:
    row = Row(
        "a",
        0,
        "data",
        0,
        messages=[said("user", "Hi")],
        chosen=[said("assistant", "A")],
        rejected=[said("assistant", "B")],
    )
    (asked,) = prompts(rows([row]), tokenizer, 1, None)
    assert tokenizer.decode(asked.tokens) == "<|user|>Hi<|end|>\n<|assistant|>"


def test_of_a_text_its_beginning_and_of_a_long_prompt_its_end(tokenizer: Any) -> None:
    text = " ".join(f"word{at}" for at in range(100))
    (asked,) = prompts(rows([Row("a", 0, "data", 0, text=text)]), tokenizer, 1, None)
    assert text.startswith(asked.shown)
    assert len(asked.tokens) == 32
    (asked,) = prompts(rows([chat(text, "x")]), tokenizer, 1, 50)
    assert len(asked.tokens) == 50
    assert tokenizer.decode(asked.tokens).endswith("word99<|end|>\n<|assistant|>")


def test_an_answer_is_bounded(model: Any, tokenizer: Any) -> None:
    (answer,) = answers(model, tokenizer, [Prompt("?", tuple(tokenizer.encode("word word word")))], 3)
    assert len(tokenizer.encode(answer)) <= 3
