"""Conflicting answers: one prompt, answers that contradict each other; and quiet about all else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gate.checks.base import Context, Measurement
from gate.checks.conflicting_answers import ConflictingAnswersParams, conflicting_answers
from gate.data.views import Frames

FRAMES = Callable[..., Frames]


def check(frames: Frames, context: Context, minimum_words: int = 0) -> Measurement:
    return conflicting_answers.run(frames, ConflictingAnswersParams(minimum_words=minimum_words), context)


def test_every_row_of_a_prompt_with_two_answers_is_found_with_another(frames: FRAMES, context: Context) -> None:
    rows = [
        {"prompt": "How many legs has a spider?", "completion": "Eight."},
        {"prompt": "how many legs  has a spider? ", "completion": "Six."},
        {"prompt": "How many legs has a spider?", "completion": "EIGHT."},
        {"prompt": "How many legs has an ant?", "completion": "Six."},
    ]
    found = check(frames(rows), context).findings
    assert found["row"].to_list() == [1, 2, 3]
    assert found["group"].n_unique() == 1
    assert found["remedy"].unique().to_list() == ["review"]
    assert found["message"].to_list() == [
        "The same prompt has another answer in data.jsonl:2.",
        "The same prompt has another answer in data.jsonl:1.",
        "The same prompt has another answer in data.jsonl:2.",
    ]


def test_the_same_answer_or_none_is_no_conflict(frames: FRAMES, context: Context) -> None:
    rows = [{"prompt": "p", "completion": text} for text in ("An answer.", "an  answer.", "", " ")]
    rows.append({"messages": [{"role": "user", "content": "p"}]})
    assert check(frames(rows), context).findings.is_empty()


def test_feedback_conflicts_when_one_answer_has_both_labels(frames: FRAMES, context: Context) -> None:
    def row(completion: str, label: bool) -> dict[str, object]:
        return {"prompt": "Why?", "completion": completion, "label": label}

    found = check(frames([row("A", True), row("B", False), row("b", True), row("A", True)]), context).findings
    assert found.select("row", "code").rows() == [(2, "opposite_labels"), (3, "opposite_labels")]


def test_preferences_conflict_when_one_is_the_other_turned_round(frames: FRAMES, context: Context) -> None:
    def row(chosen: str, rejected: str, prompt: str = "Why?") -> dict[str, object]:
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}

    rows = [row("A", "B"), row("B", "C"), row("A", "C"), row("B", "A", "Where?"), row("D", "D")]
    found = check(frames(rows), context).findings
    assert found.select("row", "code").rows() == [(1, "opposite_preferences"), (2, "opposite_preferences")]


def test_tools_and_kinds_make_prompts_differ(frames: FRAMES, context: Context) -> None:
    def row(answer: str, tools: str | None) -> dict[str, object]:
        turns = [{"role": "user", "content": "Order a pizza."}, {"role": "assistant", "content": answer}]
        return {"messages": turns, "tools": tools}

    rows = [row("I cannot.", None), row("Which one?", '[{"name": "order"}]')]
    assert check(frames(rows), context).findings.is_empty()
    rows = [{"prompt": "p", "completion": "A"}, {"prompt": "p", "completion": "B", "label": True}]
    assert check(frames(rows), context).findings.is_empty()


def test_short_openers_can_be_left_out(frames: FRAMES, context: Context) -> None:
    rows = [{"prompt": "Hello", "completion": text} for text in ("Hi!", "Good day.")]
    assert check(frames(rows), context).findings.height == 2
    assert check(frames(rows), context, minimum_words=3).findings.is_empty()


@pytest.mark.parametrize("rows", [[], [{"text": "Plain text."}]])
def test_nothing_to_compare_is_said(frames: FRAMES, context: Context, rows: list[dict[str, object]]) -> None:
    assert check(frames(rows), context).skipped


def test_real_files_are_quiet(real: dict[str, Frames], context: Context) -> None:
    flagged = {name: n for name, frames in real.items() if (n := check(frames, context).findings.height)}
    assert flagged == {"identity.json": 4, "glaive_toolcall_en_demo.json": 3, "all": 7}


def test_its_examples_fail_and_pass(frames: FRAMES, context: Context) -> None:
    for records, expected in ((conflicting_answers.fails, 2), (conflicting_answers.passes, 0)):
        rows = frames({"prompt": r["instruction"], "completion": r["output"]} for r in records)
        assert check(rows, context).findings.height == expected
