"""Is fine-tuning the right tool? The decision table of practitioner guide G2, with the answer at each step.

Pure: rules and what is known go in, steps and one sentence come out. What is not known is asked for and never assumed:
advice that rests on it is provisional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gate.training.plan_cost import Return
from gate.training.plan_rules import Answer, Decision, Says, band

Advice = Literal["fine_tune", "prompts", "prompts_first", "retrieval", "unclear"]
"""Train; do not, prompts do; try prompts first; retrieval is the tool; what is known speaks for neither."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a person said of the task, and what the snapshot says."""

    examples: int
    """Of the train split."""
    validation: int
    test: int
    prompt_baseline: float | None = None
    """The score of prompts as they are, on the test set: a share."""
    optimised_prompts: float | None = None
    """The best score of optimised prompts, on the same."""
    target: float | None = None
    expected: float | None = None
    """The score that fine-tuning is hoped to reach."""
    goal: str | None = None
    latency: float | None = None
    """Milliseconds that an answer may take."""
    consistency: str | None = None

    @property
    def best_prompts(self) -> float | None:
        """The better of the two scores."""
        scores = [each for each in (self.prompt_baseline, self.optimised_prompts) if each is not None]
        return max(scores, default=None)


@dataclass(frozen=True, slots=True)
class Step:
    """A question of the table."""

    question: str
    answer: str | None
    """As it stands here; None where it is not known."""
    says: Says | None
    """What the answer speaks for; None where it is not known, or speaks for nothing."""
    why: str
    source: str
    ask: str | None = None
    """The flag that would answer it, where it is not known."""
    needed: bool = False
    """Whether the advice is provisional without it."""
    decides: bool = False
    """Whether this step settles the matter, whatever the others say."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the table leads."""

    steps: tuple[Step, ...]
    advice: Advice
    sentence: str
    provisional: bool
    """Whether a step without which nothing is sure has no answer."""

    @property
    def asks(self) -> tuple[str, ...]:
        """What to find out before the advice counts."""
        return tuple(each.ask for each in self.steps if each.ask and each.needed)


def decided(known: Known, rules: Decision, worth: Return | None = None) -> Verdict:
    """Walk down the table.

    Args:
        worth: cost and return, where the user gave enough to reckon them.
    """
    steps = [
        *_prompts(known, rules),
        _examples(known, rules),
        _enough(known, rules),
        _held_out(known, rules),
        _goal(known, rules),
        _target(known, rules),
        _latency(known, rules),
        _consistency(known, rules),
        _gain(known, rules, worth),
    ]
    advice, sentence = _concluded(steps, known, rules)
    provisional = any(each.needed and each.answer is None for each in steps) and not any(each.decides for each in steps)
    if provisional:
        sentence = f"provisional: {sentence}"
    return Verdict(tuple(steps), advice, sentence, provisional)


def _prompts(known: Known, rules: Decision) -> list[Step]:
    """Prompts as they are, then optimised ones: what they reach leaves nothing to train for."""
    suffice = rules.prompts_suffice
    bar = known.target if known.target is not None else suffice.value
    named = f"your target of {_percent(bar)}" if known.target is not None else f"{_percent(bar)} of the test set"
    found: list[Step] = []
    for question, score, flag in (
        ("Do prompts already reach it?", known.prompt_baseline, "--prompt-baseline SCORE"),
        (
            "Do optimised prompts reach it (5-10 examples shown, chain of thought, stricter format, temperature 0)?",
            known.optimised_prompts,
            "--optimised-prompts SCORE",
        ),
    ):
        if found and found[0].decides:
            break
        if score is None:
            ask = f"{flag}: run them on the test set that the model will face (the share they get right, 0 to 1)"
            why = f"prompts that reach {named} leave nothing to train for"
            found.append(Step(question, None, None, why, suffice.source, ask, needed=not found))
        elif score >= bar:
            found.append(
                Step(
                    question, f"yes: {_percent(score)}", "prompts", f"they reach {named}: do not fine-tune",
                    suffice.source, decides=True,
                )
            )  # fmt: skip
        else:
            why = f"they miss {named} by {_points(bar - score)}"
            found.append(Step(question, f"no: {_percent(score)}", "viable", why, suffice.source))
    if known.optimised_prompts is not None:  # optimised prompts that fail say as much of plain ones
        found[0] = replace(found[0], needed=False)
    return found


def _examples(known: Known, rules: Decision) -> Step:
    found = band(rules.examples, known.examples)
    question = "How many examples are there to train on?"
    few = found is rules.examples[0] and found.says == "prompts"
    return Step(question, f"{known.examples:,}", found.says, found.why, found.source, decides=few)


def _enough(known: Known, rules: Decision) -> Step:
    goal = known.goal or "any"
    enough = rules.enough.get(goal, rules.enough["any"])
    of = f"for {goal}" if goal in rules.enough and goal != "any" else "whatever the goal"
    question = f"Are they enough {of} (at least {enough.least:,}, better {enough.recommended:,})?"
    if known.examples < enough.least:
        why = f"{enough.least - known.examples:,} are missing to the least"
        return Step(question, "no", "prompts_first", why, enough.source)
    if known.examples < enough.recommended:
        why = f"above the least, and {enough.recommended - known.examples:,} short of what is recommended"
        return Step(question, "just", "viable", why, enough.source)
    why = f"{known.examples:,} examples are as many as are recommended {of}"
    return Step(question, "yes", "fine_tune", why, enough.source)


def _held_out(known: Known, rules: Decision) -> Step:
    least = int(rules.held_out.value)
    answer = f"{known.validation:,} and {known.test:,}"
    question = "How many are held out to validate and to test on?"
    if min(known.validation, known.test) < least:
        why = f"fewer than {least:,} of each cannot tell a better model from luck"
        return Step(question, answer, None, why, rules.held_out.source)
    return Step(question, answer, None, f"{least:,} of each at least, as they should be", rules.held_out.source)


def _goal(known: Known, rules: Decision) -> Step:
    question = "What is the goal?"
    if known.goal is None:
        ask = f"--goal GOAL, one of {', '.join(rules.goals)}"
        return Step(question, None, None, "some goals are for prompts, some for retrieval", "G2", ask, True)
    found = rules.goals[known.goal]
    return Step(question, known.goal, found.says, found.why, found.source)


def _target(known: Known, rules: Decision) -> Step:
    question = "What quality is wanted?"
    if known.target is None:
        return Step(question, None, None, "the higher, the less prompts do", "G2", "--target SCORE")
    return _banded(question, _percent(known.target), band(rules.target, known.target))


def _latency(known: Known, rules: Decision) -> Step:
    question = "How long may an answer take?"
    if known.latency is None:
        return Step(question, None, None, "a small tuned model answers faster than a long prompt", "G2", "--latency MS")
    return _banded(question, f"{known.latency:,.0f} ms", band(rules.latency, known.latency))


def _consistency(known: Known, rules: Decision) -> Step:
    question = "How consistent must answers be?"
    if known.consistency is None:
        ask = f"--consistency {' or '.join(rules.consistency)}"
        return Step(question, None, None, "prompts vary more", "G2", ask)
    return _banded(question, known.consistency, rules.consistency[known.consistency])


def _banded(question: str, answer: str, found: Answer) -> Step:
    return Step(question, answer, found.says, found.why, found.source)


def _gain(known: Known, rules: Decision, worth: Return | None) -> Step:
    least = rules.gain.value
    question = f"Is the expected gain worth the cost (more than {_percent(least)})?"
    if known.expected is None or known.best_prompts is None:
        missing = "--expected SCORE" if known.expected is None else "--prompt-baseline SCORE"
        return Step(question, None, None, f"worth it only above {_points(least)} of gain", rules.gain.source, missing)
    gain = known.expected - known.best_prompts
    cost = f", at {worth.ratio:.3g} times the cost of prompts" if worth is not None and worth.prompts else ""
    says: Says = "fine_tune" if gain > least else "prompts_first"
    answer = f"{'yes' if gain > least else 'no'}: {_points(gain)}"
    why = f"an expected gain of {_points(gain)} is {'more' if gain > least else 'not more'} than {_points(least)}{cost}"
    return Step(question, answer, says, why, rules.gain.source)


def _concluded(steps: Sequence[Step], known: Known, rules: Decision) -> tuple[Advice, str]:
    """The advice in one sentence: what settles it, else where the answers lead."""
    if settled := next((each for each in steps if each.decides), None):
        if settled.answer is not None and settled.answer.startswith("yes"):
            return "prompts", f"do not fine-tune: prompts reach {settled.answer.removeprefix('yes: ')}."
        return "prompts", f"do not fine-tune yet: {settled.why}; {settled.answer} are here."
    if retrieval := next((each for each in steps if each.says == "retrieval"), None):
        return "retrieval", f"do not fine-tune for it: {retrieval.why}."
    against = [each for each in steps if each.says == "prompts_first"]
    speaking = [each for each in steps if each.says == "fine_tune"]
    failed = known.best_prompts is not None  # and it missed the bar, or it would have settled the matter
    gain = steps[-1]
    if gain.says == "prompts_first":
        return "prompts_first", f"stay with prompts: the expected gain ({gain.answer}) is not worth the cost."
    if not failed:
        if against:
            return "prompts_first", f"try prompts first: {_listed(against)}."
        return (
            ("fine_tune", f"fine-tune where prompts miss the mark, which nobody has measured yet: {_listed(speaking)}.")
            if speaking
            else ("unclear", "nothing known speaks for fine-tuning or against it: answer the questions marked below.")
        )
    few = [each for each in against if each.question.startswith(("How many", "Are they"))]
    if few:
        return "prompts_first", f"improve prompts or gather more examples first: {_listed(few)}."
    doubts = f"; mind that {_listed(against)}" if against else ""
    missed = [each for each in steps[:2] if each.says == "viable"][-1:]
    return "fine_tune", f"fine-tune: prompts were tried, and {_listed([*missed, *speaking])}{doubts}."


def _listed(steps: Sequence[Step]) -> str:
    return "; ".join(dict.fromkeys(each.why for each in steps))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _points(share: float) -> str:
    return f"{100 * share:.3g} points"
