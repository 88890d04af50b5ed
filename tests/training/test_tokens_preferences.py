"""Preferences, judged answers and prompts as tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples.tiny_base import TEMPLATE
from gate.errors import UsageError
from gate.training.rows import Row
from gate.training.template import TemplateError
from gate.training.tokens import feedback_tokens, preference_tokens, prompt_tokens
from tests.training.rows_made import chat, message, plain_run, row, rows_of


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def pair(good: str = "yes", bad: str = "no no", asked: str = "is it?") -> Row:
    return row(chat(("user", asked)), chosen=chat(("assistant", good)), rejected=chat(("assistant", bad)))


PROMPT = "<|user|>is it?<|end|>\n<|assistant|>"


def test_a_pair_is_its_prompt_and_both_answers_with_their_ends(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, objective="dpo")
    [example] = preference_tokens(rows_of([pair()]), tokenizer, run).train
    assert tokenizer.decode(example["prompt_ids"]) == PROMPT
    assert tokenizer.decode(example["chosen_ids"]) == "yes<|end|>"
    assert tokenizer.decode(example["rejected_ids"]) == "no no<|end|>"


def test_a_reward_model_reads_whole_conversations(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, objective="reward")
    [example] = preference_tokens(rows_of([pair()]), tokenizer, run).train
    assert tokenizer.decode(example["chosen_ids"]) == f"{PROMPT}yes<|end|>"
    assert tokenizer.decode(example["rejected_ids"]) == f"{PROMPT}no no<|end|>"


def test_orpo_learns_no_token_of_the_prompt(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, objective="orpo")
    [example] = preference_tokens(rows_of([pair()]), tokenizer, run).train
    for side, answer in (("chosen", "yes<|end|>"), ("rejected", "no no<|end|>")):
        assert tokenizer.decode(example[f"{side}_input_ids"]) == f"{PROMPT}{answer}"
        labels = example[f"{side}_labels"]
        assert tokenizer.decode([label for label in labels if label != -100]) == answer
        assert labels[: len(example["prompt_input_ids"])] == [-100] * len(example["prompt_input_ids"])


@pytest.mark.parametrize("objective", ["dpo", "orpo", "reward"])
@pytest.mark.parametrize("most", range(3, 40, 3))
def test_a_pair_that_is_too_long_is_cut_or_dropped_and_told(
    objective: str, most: int, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    rows = [pair(), pair(bad="0 " * 10)]
    run = plain_run(tmp_path / "run", tiny_base, objective=objective, max_length=most)
    tokens = preference_tokens(rows_of(rows), tokenizer, run)
    prompt = len(tokenizer.encode(PROMPT))
    for outcome in tokens.account.outcomes:
        if objective == "reward":
            assert outcome.reason == ("too_long" if most < outcome.needed else None)
            assert outcome.least == outcome.needed
        else:
            assert outcome.reason == ("nothing_left" if most <= prompt else None)
            assert outcome.least == prompt + 1
            if not outcome.reason:
                assert outcome.cut == max(0, outcome.needed - most)
                assert outcome.lost_end == (most < outcome.needed)
    kept = [outcome for outcome in tokens.account.outcomes if not outcome.reason]
    assert len(tokens.train) == len(kept)
    for example in tokens.train:
        for key, ids in example.items():
            if key.endswith("_ids") and objective == "dpo":
                assert len(example["prompt_ids"]) + (len(ids) if key != "prompt_ids" else 0) <= most


def test_an_answer_is_the_assistants_alone(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    two = chat(("assistant", "yes"), ("user", "sure?"), ("assistant", "yes"))
    mixed = row(chat(("user", "is it?")), chosen=two, rejected=chat(("assistant", "no")))
    run = plain_run(tmp_path / "run", tiny_base, objective="dpo")
    with pytest.raises(UsageError, match="would learn the other's words as well"):
        preference_tokens(rows_of([mixed]), tokenizer, run)


def test_a_template_that_changes_the_prompt_is_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, "{{ messages|length }}" + TEMPLATE, objective="dpo")
    with pytest.raises(TemplateError, match="nobody can say where the answer begins"):
        preference_tokens(rows_of([pair()]), tokenizer, run)


def test_feedback_is_a_prompt_an_answer_and_a_label(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    rows = [row(chat(("user", "is it?"), ("assistant", said)), label=said == "yes") for said in ("yes", "no")]
    run = plain_run(tmp_path / "run", tiny_base, objective="kto")
    tokens = feedback_tokens(rows_of(rows), tokenizer, run)
    assert [tokenizer.decode(each["completion_ids"]) for each in tokens.train] == ["yes<|end|>", "no<|end|>"]
    assert [each["label"] for each in tokens.train] == [True, False]
    with pytest.raises(UsageError, match="no label"):
        feedback_tokens(rows_of([row(rows[0].messages)]), tokenizer, run)


def test_a_prompt_is_what_comes_before_the_answer_and_leaves_room_for_one(
    tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    rows = [
        row(chat(("system", "brief"), ("user", "is it?"), ("assistant", "yes"))),
        pair(asked="and now?"),
        row(chat(("user", "long " * 60), ("assistant", "yes"))),
    ]
    run = plain_run(tmp_path / "run", tiny_base, objective="rloo", max_length=60, generations=2, batch=8)
    tokens = prompt_tokens(rows_of(rows), tokenizer, run)
    assert [example["prompt"] for example in tokens.train] == [
        [{"role": "system", "content": "brief"}, {"role": "user", "content": "is it?"}],
        [{"role": "user", "content": "and now?"}],
    ]
    assert [outcome.reason for outcome in tokens.account.outcomes] == [None, None, "too_long"]
    longest = tokens.account.outcomes[2]
    assert longest.least == longest.needed + run.recipe.max_new_tokens
    assert tokens.account.per_step == 4
    again = tokenizer.apply_chat_template(tokens.train[0]["prompt"], add_generation_prompt=True, return_dict=False)
    assert len(again) == tokens.account.outcomes[0].needed, "the trainer renders what was counted"


def test_prompts_that_a_trainer_could_not_render_are_refused(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    run = plain_run(tmp_path / "run", tiny_base, objective="rloo")
    tools = json.dumps([{"type": "function", "function": {"name": "add"}}])
    with pytest.raises(UsageError, match="it has tools"):
        prompt_tokens(rows_of([row(chat(("user", "a"), ("assistant", "b")), tools=tools)]), tokenizer, run)
    called = [message("user", "a"), message("assistant", None, tool_calls="[]x"), message("user", "b")]
    with pytest.raises((UsageError, TemplateError)):
        prompt_tokens(rows_of([row(called)]), tokenizer, run)
    run = plain_run(tmp_path / "short", tiny_base, objective="rloo", max_length=8, max_new_tokens=8)
    with pytest.raises(UsageError, match="leaves no room for a prompt"):
        prompt_tokens(rows_of([pair()]), tokenizer, run)
