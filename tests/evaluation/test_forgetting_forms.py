"""Of every instruction and every format an answer that keeps to it, and one that does not; and what else must fail."""

from __future__ import annotations

from collections import Counter

import pytest

from gate.evaluation.scorers import scorer
from gate.evaluation.scorers_format import checks_of
from gate.evaluation.task import Sample
from tests.evaluation.suite_items import WRITTEN, Item, items

FOLLOWED, _ = scorer("format@1")


def followed(item: Item, answer: str) -> bool:
    sample = Sample(item, item["reference"], item["question"], (answer,), (), ())
    return FOLLOWED(sample)["followed"] == 1.0


@pytest.mark.parametrize("task", WRITTEN)
def test_a_right_answer_passes_and_a_wrong_one_does_not(task: str) -> None:
    for item in items(task):
        assert checks_of(item), item
        assert followed(item, item["reference"]), item
        assert followed(item, f"  {item['reference']}\n"), item
        assert not followed(item, item["wrong"]), item


@pytest.mark.parametrize("task", WRITTEN)
def test_nothing_the_question_and_small_talk_do_not_pass(task: str) -> None:
    for item in items(task):
        for answer in ("", " \n", item["question"], f"Sure! Here you are:\n{item['reference']}\nIs there more?"):
            assert not followed(item, answer), (item, answer)


def test_what_follows_one_instruction_hardly_follows_another() -> None:
    """A model that always says the same follows few."""
    for item in items("instructions")[::7]:
        passed = [other["id"] for other in items("instructions") if followed(other, item["reference"])]
        assert item["id"] in passed
        assert len(passed) <= 0.04 * len(items("instructions")), passed


@pytest.mark.parametrize("task", WRITTEN)
def test_a_constant_answer_keeps_hardly_any_format(task: str) -> None:
    for constant in ("OK", "{}", "- a\n- b\n- c", "I like rain.", '"So they say."', "YES I DO INDEED."):
        assert sum(followed(item, constant) for item in items(task)) <= 0.02 * len(items(task)), constant


def test_a_reference_is_no_longer_than_the_model_may_write() -> None:
    """One token holds a character at least: of 32 tokens a word-level tokenizer needs a third."""
    for task, tokens in (("instructions", 32), ("formats", 64)):
        assert max(len(item["reference"]) for item in items(task)) <= 2.5 * tokens


@pytest.mark.parametrize("task", WRITTEN)
def test_kinds_are_alike_in_number(task: str) -> None:
    assert len(set(Counter(item["group"] for item in items(task)).values())) == 1
