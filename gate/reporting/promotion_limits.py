"""What a promotion's figures cannot say, in sentences: how many items, what loss would have gone unnoticed, what noise
there was, what was not measured at all. Each follows from the decision; none is boilerplate.
"""

from __future__ import annotations

from collections.abc import Iterator

from gate.evaluation.results import Evaluated
from gate.evaluation.task_document import SUITES
from gate.promotion.decided import Decided, Outcome
from gate.reporting.counts import counted
from gate.reporting.inert import one_line
from gate.reporting.promotion_forgetting import Forgetting
from gate.reporting.promotion_lines import gain
from gate.reporting.promotion_told import Told


def limitations(decided: Decided, told: Told, forgot: Forgetting) -> list[str]:
    """The sentences, those that matter most first."""
    return [
        *_not_measured(decided, told, forgot),
        *_power(decided),
        *_noise(decided),
        *_test_split(decided),
        *_settings(decided),
        *(one_line(note, 400) for note in told.notes),
        "Tasks ask what they ask: a loss that none of them looks at is not seen here. Read the sampled outputs.",
    ]


def _not_measured(decided: Decided, told: Told, forgot: Forgetting) -> Iterator[str]:
    here = decided.candidate.evaluations
    if missing := [suite for suite in SUITES if suite not in here]:
        yield f"Not measured at all: {', '.join(missing)}. Nothing on this page speaks of it."
    unjudged = [
        f"{suite}: {name}"
        for suite, evaluated in here.items()
        for name in evaluated.tasks
        if suite != "memorization" and not any(_about(one, suite, name) for one in decided.outcomes)
    ]
    if unjudged:
        some = ", ".join(one_line(each, 80) for each in unjudged[:6])
        more = f" and {len(unjudged) - 6} more" if len(unjudged) > 6 else ""
        yield f"Scored, and asked for by no rule of the policy: {some}{more}."
    if decided.champion is None:
        said = "somebody said that there is none yet (--first)" if decided.first else "none was named"
        yield f"There is no champion to compare with: {said}. Only the base stands against the candidate."
    if not decided.base.prompts:
        yield (
            "The base was not scored under other prompts: whether a good prompt would have done as well as "
            "fine-tuning is not known."
        )
    if forgot.divergence is None:
        yield "How far the model's words moved from the base's (KL) was not measured: the recipe has no `kl`."
    if not told.marks:
        yield "No person has marked any of the candidate's outputs."


def _about(outcome: Outcome, suite: str, name: str) -> bool:
    together = outcome.task.config.get("together", ())  # tasks that were judged as one
    return outcome.task.suite == suite and (outcome.task.task == name or name in together)


def _power(decided: Decided) -> Iterator[str]:
    gated = [one for one in decided.outcomes if one.gated and one.comparison is not None and one.demand == "no_worse"]
    if gated:
        blind = max(gated, key=_blindness)
        found = blind.comparison
        assert found is not None
        least = gain(found.minimum_detectable, share=found.kind == "binary").lstrip("+")
        yield (
            f"The least is known of {one_line(blind.task.task, 80)} ({counted(found.n, 'item')}): only a true loss "
            f"beyond {least} would have failed the candidate with probability 0.8."
        )
        yield (
            f"A candidate whose true loss is exactly the margin passes a task with probability at most "
            f"{100 * decided.alpha:g} %; that every task has to pass makes it less, not more."
        )


def _blindness(outcome: Outcome) -> float:
    """How much a task could miss, in margins, so that tasks of different units can be ranked."""
    found = outcome.comparison
    return 0.0 if found is None or not found.margin else found.minimum_detectable / found.margin


def _noise(decided: Decided) -> Iterator[str]:
    noisy = {one.task.task: one.comparison for one in decided.outcomes if one.comparison and one.comparison.noise > 0}
    for name, found in noisy.items():
        by = gain(found.noise, share=found.kind == "binary").lstrip("+")
        yield (
            f"Scoring {one_line(name, 80)} again did not give the same: its intervals were widened by {by} at either "
            "end. The margin did not move."
        )
    repeated = sorted({*decided.base.repeats, *decided.candidate.repeats})
    if not repeated:
        yield "Nothing was scored twice, so what noise the scoring itself has is not known."
    elif not noisy:
        yield f"A second scoring gave the same on every item ({', '.join(repeated)})."


def _test_split(decided: Decided) -> Iterator[str]:
    for snapshot, uses in sorted(decided.split_uses.items()):
        if uses > 1:
            yield (
                f"The test split of snapshot {snapshot[:12]} was used to judge {uses:,} different candidates. The more "
                "are tried on the same items, the more the best of them owes to luck."
            )


def _settings(decided: Decided) -> Iterator[str]:
    sides = [decided.candidate, decided.base, *([decided.champion] if decided.champion else [])]
    every: list[Evaluated] = [each for side in sides for each in side.evaluations.values()]
    for side in sides:
        if any(each.about.form == "remote" for each in side.evaluations.values()):
            yield (
                f"The {side.role} ran on a server: which weights answered there is its owner's word, and not checked."
            )
    how = sorted({f"{each.settings.precision} on {each.settings.device}" for each in every})
    batches = sorted({each.settings.batch_size for each in every})
    if how:
        yield (
            f"All of it was scored in {' and '.join(how)}, {', '.join(map(str, batches))} items at a time; served in "
            "another precision, or quantised, the model may answer otherwise."
        )
