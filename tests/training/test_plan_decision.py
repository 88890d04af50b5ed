"""The decision table: where each answer leads, and that nothing is assumed that nobody said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.folders import Folders
from gate.training.plan_cost import Return
from gate.training.plan_decision import Known, Verdict, decided
from gate.training.plan_rules import load_plan_rules

RULES = load_plan_rules(Folders()).decision


def verdict(worth: Return | None = None, **known: Any) -> Verdict:
    said: dict[str, Any] = {"examples": 5000, "validation": 500, "test": 500, **known}
    return decided(Known(**said), RULES, worth)


def test_prompts_that_reach_90_percent_leave_nothing_to_train_for() -> None:
    for flag in ("prompt_baseline", "optimised_prompts"):
        found = verdict(**{flag: 0.9, "goal": "reasoning"})
        assert (found.advice, found.provisional) == ("prompts", False)
        assert "do not fine-tune: prompts reach 90 %" in found.sentence
    assert verdict(prompt_baseline=0.899, goal="reasoning").advice == "fine_tune"


def test_a_target_takes_the_place_of_the_90_percent() -> None:
    assert verdict(prompt_baseline=0.92, target=0.98, goal="domain").advice == "fine_tune"
    assert verdict(prompt_baseline=0.75, target=0.7, goal="domain").advice == "prompts"


@pytest.mark.parametrize(
    ("examples", "advice"), [(99, "prompts"), (100, "prompts_first"), (999, "prompts_first"), (1000, "fine_tune")]
)
def test_the_number_of_examples_decides_as_g2_has_it(examples: int, advice: str) -> None:
    found = verdict(examples=examples, prompt_baseline=0.5, goal="reasoning")
    assert found.advice == advice
    assert not found.provisional


@pytest.mark.parametrize(
    ("goal", "advice"),
    [("tone", "prompts_first"), ("format", "prompts_first"), ("recent", "retrieval"), ("reasoning", "fine_tune")],
)
def test_the_goal_decides_where_prompts_were_not_measured(goal: str, advice: str) -> None:
    found = verdict(goal=goal, examples=20_000)
    assert found.advice == advice
    assert found.provisional  # nobody said what prompts reach


def test_what_is_not_known_is_asked_for() -> None:
    found = verdict()
    assert found.provisional
    assert found.sentence.startswith("provisional: ")
    flags = [each.split()[0] for each in found.asks]
    assert flags == ["--prompt-baseline", "--goal"]
    unknown = [each for each in found.steps if each.answer is None]
    assert all(each.says is None and each.ask for each in unknown)


def test_better_prompts_are_asked_for_and_not_waited_for() -> None:
    found = verdict(prompt_baseline=0.6, goal="domain")
    assert not found.provisional
    assert next(each for each in found.steps if "optimised" in each.question).answer is None
    assert not verdict(optimised_prompts=0.6, goal="domain").provisional


def test_too_few_examples_need_no_baseline() -> None:
    found = verdict(examples=40)
    assert (found.advice, found.provisional) == ("prompts", False)


def test_a_small_gain_is_not_worth_it() -> None:
    worth = Return(prompts=400, tuning=4500, gain=0.05, needed=RULES.gain.value)
    found = verdict(worth, prompt_baseline=0.7, expected=0.75, goal="domain")
    assert found.advice == "prompts_first"
    assert "not worth the cost" in found.sentence
    assert "11.2 times the cost of prompts" in next(each.why for each in found.steps if "gain" in each.question)
    assert verdict(prompt_baseline=0.7, expected=0.81, goal="domain").advice == "fine_tune"


def test_every_step_says_where_it_is_from() -> None:
    found = verdict(prompt_baseline=0.5, target=0.97, goal="style", latency=500, consistency="perfect", expected=0.9)
    assert all(each.source for each in found.steps)
    assert {each.answer for each in found.steps} >= {"97 %", "style", "500 ms", "perfect"}
    assert next(each for each in found.steps if "long" in each.question).says == "viable"


maybe = st.none() | st.floats(0, 1)


@given(
    st.integers(0, 10**6), maybe, maybe, maybe, maybe, st.none() | st.sampled_from(list(RULES.goals)),
    st.none() | st.floats(0, 10**5), st.none() | st.sampled_from(list(RULES.consistency)),
)  # fmt: skip
def test_no_answer_is_made_up(
    examples: int,
    baseline: float | None,
    optimised: float | None,
    target: float | None,
    expected: float | None,
    goal: str | None,
    latency: float | None,
    consistency: str | None,
) -> None:
    found = verdict(
        examples=examples, prompt_baseline=baseline, optimised_prompts=optimised, target=target, expected=expected,
        goal=goal, latency=latency, consistency=consistency,
    )  # fmt: skip
    assert found.sentence.endswith(".")
    if found.advice == "fine_tune" and not found.provisional:  # never on a guess
        assert examples >= 1000
        assert goal is not None
        best = max(each for each in (baseline, optimised) if each is not None)
        assert best < (target if target is not None else 0.9)
    if found.provisional:
        assert found.asks
