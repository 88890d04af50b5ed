"""The word diff: both sides can be put together again, and only what differs is marked."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.reporting.word_diff import Run, word_diff

TEXTS = st.lists(st.sampled_from(["the", "cat", "sat", " ", "\n", ",", "日", "本", "é"]), max_size=60).map("".join)


def side(runs: tuple[Run, ...], kind: str) -> str:
    return "".join(run.text for run in runs if run.kind == kind)


@given(TEXTS, TEXTS)
def test_nothing_is_lost_where_nothing_is_left_out(left: str, right: str) -> None:
    diff = word_diff(left, right)
    for runs, text in ((diff.left, left), (diff.right, right)):
        if not any(run.kind == "left_out" for run in runs):
            assert "".join(run.text for run in runs) == text
    assert "".join(side(diff.left, "same").split()) == "".join(side(diff.right, "same").split())


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert not side(word_diff(text, text).left, "differs")


def test_one_changed_word_is_the_only_thing_marked() -> None:
    diff = word_diff("the quick brown fox", "the quick red fox")
    assert side(diff.left, "differs") == "brown "
    assert side(diff.right, "differs") == "red "


def test_a_long_common_stretch_is_left_out_and_counted() -> None:
    same = " ".join(f"w{number}" for number in range(300))
    diff = word_diff(f"first {same} last", f"second {same} final")
    gaps = [run.text for run in diff.left if run.kind == "left_out"]
    assert gaps == ["276 words the same"]


@pytest.mark.parametrize("right", ["", "a"])
def test_an_empty_side(right: str) -> None:
    assert word_diff("", right).identical == (right == "")


def test_two_long_texts_with_nothing_in_common_are_quick() -> None:
    started = time.perf_counter()
    diff = word_diff("a b " * 20_000, "b c " * 20_000)
    assert time.perf_counter() - started < 5
    assert any("more" in run.text for run in diff.left if run.kind == "left_out")


def test_scripts_without_spaces_are_compared_by_character() -> None:
    diff = word_diff("今日は天気がいい", "今日は気分がいい")
    assert side(diff.left, "differs") in ("天", "天気", "天気が")
    assert len(side(diff.left, "same")) >= 5


def test_white_space_alone_is_no_difference_of_words() -> None:
    diff = word_diff("one  two\nthree", "one two three")
    assert diff.identical
    assert not side(diff.left, "differs")
