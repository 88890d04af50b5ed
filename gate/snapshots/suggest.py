"""Looks for a rule that would have caught the examples that people called bad, and says how well it would have.

Bad examples are grouped by reason. For each group the predicates of `gate.snapshots.predicates` are held against the
reviewed examples, and only what can hardly be chance is suggested: among some hundred candidates one will tell three
bad examples from a dozen good ones by luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import polars as pl

from gate.data.views import Frames
from gate.snapshots.predicates import (
    BEHIND,
    PRECISION,
    Bound,
    Candidates,
    Draft,
    Measured,
    Phrases,
    Predicate,
    Setting,
    Spoken,
    f1,
)

CHANCE = 0.05
"""The greatest probability, over all candidates that were tried, that it is luck: the usual level of significance, with
Bonferroni's correction for trying many."""
SUGGESTED = 3
"""Predicates that are shown for a group."""

_SIMPLEST = (Setting, Bound, Phrases, Spoken, Measured)
"""Of equals, what takes the least to maintain."""


@dataclass(frozen=True, slots=True)
class Group:
    """Bad examples for one reason."""

    reason: str | None
    """As somebody wrote it (not masked); None: no reason was given."""
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A predicate, and how it does on the reviewed examples."""

    predicate: Predicate
    caught: int
    """Bad examples of the group that it flags."""
    behind: int
    """Bad examples of the group."""
    wrong: int
    """Good examples that it flags."""
    good: int
    """Good examples."""
    chance: float
    """Probability that some candidate does as well by luck (Fisher's exact test, one-sided, times the candidates)."""

    @property
    def precision(self) -> float:
        """Bad ones among the reviewed examples that it flags, those of other groups left out."""
        return self.caught / (self.caught + self.wrong)

    @property
    def recall(self) -> float:
        """The share of the group that it flags."""
        return self.caught / self.behind


def grouped(verdicts: pl.DataFrame) -> list[Group]:
    """The bad examples by reason, the most frequent first; reasons that differ in case and spaces are one.

    Args:
        verdicts: columns `id`, `verdict`, `reason` (gate.checks.spot_check.settled).
    """
    bad = verdicts.filter(pl.col("verdict") == "bad").with_columns(
        same=pl.col("reason").str.to_lowercase().str.replace_all(r"[\s\p{P}]+", " ").str.strip_chars()
    )
    groups = bad.group_by("same", maintain_order=True).agg("id", pl.col("reason").first(), number=pl.len())
    ordered = groups.sort("number", descending=True, maintain_order=True)
    return [Group(reason, tuple(ids)) for ids, reason in ordered.select("id", "reason").iter_rows()]


def best(candidates: Candidates, frames: Frames, bad: pl.Series) -> list[Suggestion]:
    """The predicates that tell the bad from the good, the best first; none where nothing does.

    Args:
        frames: the examples of a group and the good ones.
        bad: whether each is of the group.
    """
    behind, good = int(bad.sum()), int((~bad).sum())
    if behind < BEHIND:
        return []
    found: list[Suggestion] = []
    for predicate in candidates.predicates:
        flags = predicate.flags(frames)
        caught, wrong = int((flags & bad).sum()), int((flags & ~bad).sum())
        if caught < BEHIND or caught < PRECISION * (caught + wrong):
            continue
        chance = min(1.0, candidates.tried * _luck(caught, wrong, behind, good))
        if chance < CHANCE:
            found.append(Suggestion(predicate, caught, behind, wrong, good, chance))
    found.sort(key=lambda each: (-_f1(each), _SIMPLEST.index(type(each.predicate.draft)), -_words(each)))
    shown: dict[tuple[object, ...], Suggestion] = {}
    for suggestion in found:  # of limits of one number, and of phrases, the best is enough
        shown.setdefault(_about(suggestion.predicate.draft), suggestion)
    return list(shown.values())[:SUGGESTED]


def _about(draft: Draft) -> tuple[object, ...]:
    """What a draft looks at, whatever its limit."""
    match draft:
        case Bound(column=column):
            return "bound", column
        case Measured(feature=feature):
            return "measured", feature
        case Spoken(column=column):
            return "spoken", column
        case Setting(rule=rule, params=params):
            # `info` lists differ with the code that is taken out of them.
            return "setting", rule, *params, *(str(each) for each in params.values() if isinstance(each, list))
        case Phrases():
            return ("spoken", "answer")


def _f1(suggestion: Suggestion) -> float:
    return float(f1(suggestion.caught, suggestion.wrong, suggestion.behind))


def _words(suggestion: Suggestion) -> int:
    """Words of a phrase: of two that flag the same the longer one flags less elsewhere."""
    draft = suggestion.predicate.draft
    said: Sequence[str] = draft.phrases if isinstance(draft, Spoken) else getattr(draft, "entries", ())
    return sum(len(each.split()) for each in said)


def _luck(caught: int, wrong: int, bad: int, good: int) -> float:
    """The probability that as many flagged examples, drawn blindly, hold as many bad ones or more (hypergeometric:
    Fisher's exact test, one-sided)."""
    flagged = caught + wrong
    ways = comb(bad + good, flagged)
    return sum(comb(bad, k) * comb(good, flagged - k) for k in range(caught, min(bad, flagged) + 1)) / ways
