"""Scorers: published examples, the libraries that others use, and every text that a model may come up with."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import UsageError
from gate.evaluation.scorers import NEED_ANSWER, SCORERS, described, scorer, scorers, versioned
from gate.evaluation.scorers_format import CHECKS, Check
from gate.evaluation.scorers_json import calls_in, equal, is_structure
from gate.evaluation.scorers_text import common_subsequence, last_number
from gate.evaluation.task import Sample

OF_TEXTS = ("exact_match", "numeric", "contains", "starts_with", "f1", "rouge_l", "bleu", "chrf", "length", "json",
            "calls", "refusal", "compliance", "toxicity")  # fmt: skip


def scored(output: str, target: str, *names: str, **doc: object) -> dict[str, float]:
    functions, metrics = scorers(names)
    sample = Sample(doc, target, "", (output,), (), ())
    found: dict[str, float] = {}
    for function in functions:
        found |= function(sample)
    assert set(found) == {metric.name for metric in metrics}
    assert all(found[metric.name] in (0.0, 1.0) for metric in metrics if metric.binary)
    return found


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        # Rajpurkar et al. 2016, section 6.1: articles, case and punctuation do not count.
        ("the Denver Broncos", "Denver Broncos", {"exact_match": 0, "exact_match_normalised": 1, "f1": 1}),
        ("The Broncos of Denver.", "Denver Broncos", {"exact_match_normalised": 0, "f1": 0.8}),
        ("cat cat cat", "cat", {"f1": 0.5}),
        ("", "", {"exact_match": 1, "exact_match_normalised": 1, "f1": 1}),
        ("!", "?", {"exact_match": 0, "exact_match_normalised": 0, "f1": 0}),
        ("", "Paris", {"exact_match": 0, "exact_match_normalised": 0, "f1": 0}),
        (" Paris\n", "Paris", {"exact_match": 1}),
        ("cafe\u0301", "caf\u00e9", {"exact_match": 1}),
    ],
)
def test_words_that_two_answers_share(output: str, target: str, expected: dict[str, float]) -> None:
    found = scored(output, target, "exact_match", "f1")
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    # Lin 2004, section 3.1, with the reference "police killed the gunman".
    [("police kill the gunman", 0.75), ("the gunman kill police", 0.5), ("the gunman police killed", 0.5)],
)
def test_rouge_l_as_published(output: str, expected: float) -> None:
    assert scored(output, "police killed the gunman", "rouge_l")["rouge_l"] == pytest.approx(expected)


def _texts() -> list[tuple[str, str]]:
    draw = random.Random(0)
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "Dogs", "ran", "42", "fast,", "but", "Why?", "it's"]
    return [
        tuple(" ".join(draw.choices(words, k=draw.randint(4, 30))) for _ in range(2))  # type: ignore[misc]
        for _ in range(60)
    ]


@pytest.mark.slow  # its import takes seconds
def test_rouge_l_is_that_of_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rougeL"])
    for output, target in _texts():
        assert scored(output, target, "rouge_l")["rouge_l"] == pytest.approx(
            theirs.score(target, output)["rougeL"].fmeasure
        )


def test_bleu_and_chrf_are_those_of_lm_eval_on_corpora_of_one() -> None:
    from lm_eval.api.registry import get_aggregation

    for output, target in _texts():
        found = scored(output, target, "bleu", "chrf")
        assert found["bleu"] == pytest.approx(get_aggregation("bleu")([(target, output)]) / 100)
        assert found["chrf"] == pytest.approx(get_aggregation("chrf")([(target, output)]) / 100)


def test_a_short_right_answer_has_a_full_bleu() -> None:
    assert scored("Paris", "Paris", "bleu", "chrf") == {"bleu": 1.0, "chrf": 1.0}


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
@settings(max_examples=200, deadline=None)
def test_common_subsequences_by_the_table(first: list[int], second: list[int]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for at, one in enumerate(first):
        for by, other in enumerate(second):
            best = max(table[at][by + 1], table[at + 1][by])
            table[at + 1][by + 1] = table[at][by] + 1 if one == other else best
    assert common_subsequence(first, second) == table[-1][-1]


@given(st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_every_text_has_finite_scores(output: str, target: str) -> None:
    found = scored(output, target, *OF_TEXTS)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    assert all(value <= 1 for name, value in found.items() if name != "length_ratio")


@pytest.mark.parametrize("text", ["", "x" * 60_000, "word " * 12_000, "[" * 20_000, '{"a":' * 10_000, "\u202e\x00🙂"])
def test_huge_and_odd_texts_have_finite_scores(text: str) -> None:
    for output, target in ((text, "Paris"), ("Paris", text), (text, text)):
        assert all(math.isfinite(value) for value in scored(output, target, *OF_TEXTS).values())


def test_nothing_said_is_never_right() -> None:
    right = scored("", "Paris", *(name for name in OF_TEXTS if name != "toxicity"))
    assert set(right.values()) == {0.0}


@pytest.mark.parametrize(
    ("text", "number"),
    [("it is 1,234.50.", "1234.50"), ("3-4", "4"), ("−7 °C", "-7"), ("x = +5", "5"), ("none", None), ("12,34", "34"),
     ("9" * 200, None), ("2, then 3.", "3")],
)  # fmt: skip
def test_the_last_number(text: str, number: str | None) -> None:
    found = last_number(text)
    assert (None if found is None else str(found)) == number
    assert scored(text, number or "7", "numeric")["numeric_match"] == float(number is not None)


@pytest.mark.parametrize(
    ("output", "target", "same"),
    [
        ('{"b": 1.0, "a": [true]}', '{"a": [true], "b": 1}', True),
        ('{"a": 1}', '{"a": true}', False),
        ("[1, 2]", "[2, 1]", False),
        ('```json\n{"a": 1}\n```', '{"a": 1}', False),
        ('{"a": NaN}', '{"a": 1}', False),
        ("", '{"a": 1}', False),
    ],
)
def test_json_that_says_the_same(output: str, target: str, same: bool) -> None:
    assert scored(output, target, "json")["json_equal"] == float(same)


def test_depth_is_no_trap() -> None:
    deep: object = []
    for _ in range(5_000):
        deep = [deep]
    assert equal(deep, deep)
    assert not is_structure("[" * 5_000 + "]" * 5_000)  # the parser stops before
    assert calls_in("[" * 5_000 + "]" * 5_000) == []


@pytest.mark.parametrize(
    "output",
    [
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>',
        '[{"type": "function", "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}]',
        'I will add. {"name": "add", "parameters": {"a": 1.0}}',
    ],
)
def test_calls_however_a_template_marks_them(output: str) -> None:
    target = '[{"id": "x", "function": {"name": "add", "arguments": "{\\"a\\": 1}"}}]'
    assert scored(output, target, "calls") == {"calls_equal": 1.0, "calls_names": 1.0}
    assert scored(output.replace("1", "2"), target, "calls") == {"calls_equal": 0.0, "calls_names": 1.0}
    assert scored("none", target, "calls") == {"calls_equal": 0.0, "calls_names": 0.0}


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ({"check": "words", "exactly": 2}, "two words", "three words here"),
        ({"check": "words", "at_least": 2, "at_most": 3}, "two words", "one"),
        ({"check": "characters", "at_most": 3}, " abc ", "abcd"),
        ({"check": "lines", "exactly": 2}, "a\n\nb", "a"),
        ({"check": "sentences", "exactly": 2}, "One. Two!", "One."),
        ({"check": "paragraphs", "exactly": 2}, "a\n\nb", "a\nb"),
        ({"check": "bullets", "exactly": 2}, "- a\n* b", "a\nb"),
        ({"check": "numbered", "exactly": 2}, "1. a\n2) b", "a\nb"),
        ({"check": "uppercase"}, "ÄB 1", "Ab"),
        ({"check": "lowercase"}, "äb", "Ab"),
        ({"check": "digits"}, " 42 ", "4.2"),
        ({"check": "ascii"}, "plain", "Zoë"),
        ({"check": "json"}, "[1]", "1"),
        ({"check": "quoted"}, '"so"', '"so'),
        ({"check": "starts_with", "text": "So"}, "So it is", "And so"),
        ({"check": "ends_with", "text": "."}, "It is.", "It is"),
        ({"check": "contains", "text": "it"}, "It is, isn't it", "No"),
        ({"check": "omits", "text": ","}, "plain", "a, b"),
        ({"check": "equals", "text": "yes"}, " yes\n", "yes."),
        ({"check": "matches", "text": r"\d{4}-\d\d"}, "2024-01", "in 2024-01"),
    ],
)
def test_instructions_about_form(check: dict[str, object], right: str, wrong: str) -> None:
    padded = {"check": None, "exactly": None, "at_least": None, "at_most": None, "text": None} | check
    for text, held in ((right, 1.0), (wrong, 0.0), ("", 0.0)):
        assert scored(text, "", "format", checks=[padded]) == {"followed": held, "followed_share": held}


def test_every_check_of_form_is_tested() -> None:
    (mark,) = test_instructions_about_form.pytestmark  # type: ignore[attr-defined]
    assert {case[0]["check"] for case in mark.args[1]} == CHECKS


@pytest.mark.parametrize(
    "checks",
    [[], None, [{"check": "words"}], [{"check": "wrods", "exactly": 1}], [{"check": "contains"}], ["words"],
     [{"check": "matches", "text": "(?=a)"}], [{"check": "uppercase", "text": "A"}],
     [{"check": "contains", "text": ""}]],
)  # fmt: skip
def test_an_instruction_that_nothing_could_follow(checks: object) -> None:
    with pytest.raises(ValueError):
        scored("text", "", "format", checks=checks)


def test_half_of_the_instructions() -> None:
    checks = [{"check": "uppercase"}, {"check": "words", "exactly": 1}]
    assert scored("ONE TWO", "", "format", checks=checks) == {"followed": 0.0, "followed_share": 0.5}


def test_a_pattern_takes_linear_time() -> None:
    assert not Check(check="matches", text="(a+)+b").holds("a" * 50_000)


def test_a_name_without_version_is_the_latest() -> None:
    assert versioned("f1") == "f1@1"
    assert scorer("f1") is SCORERS["f1@1"]
    with pytest.raises(UsageError, match="no scorer 'f11'"):
        scorer("f11")
    assert set(SCORERS) >= NEED_ANSWER


def test_two_scorers_of_one_metric() -> None:
    assert len(scorers(["f1", "f1@1"])[0]) == 1


def test_each_scorer_says_what_it_measures() -> None:
    names: Sequence[str] = [name for name, _, _ in described()]
    assert names == sorted(SCORERS)
    for name, about, metrics in described():
        assert about.endswith((".", ")")), name
        assert all(metric.scorer == name for metric in metrics)
