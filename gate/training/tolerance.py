"""Whether more rows would be lost or cut than a recipe tolerates, and the `max_length` that would keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gate.errors import GateError
from gate.training.recipe import Recipe
from gate.training.rows import Source
from gate.training.run_file import Run

if TYPE_CHECKING:
    from gate.training.accounting import Outcome

_SHOWN = 5
"""Ids that a message names; all are in accounting.parquet."""


REASONS = {
    "truncated": "its answer would be cut, and the recipe drops such rows",
    "too_long": "it is longer than max_length, and a cut one would mean something else",
    "nothing_left": "nothing of what is to be learned fits in max_length",
    "nothing_to_learn": "it has no answer to learn",
    "other_kind": "it is of a kind that the objective does not learn from, though another does",
    "not_drawn": "its weight draws fewer rows than there are",
    "not_reached": "training ended before it was its turn",
    "after_best": "training reached it after the checkpoint that became the candidate",
    "fisher": "it is for the Fisher information alone",
}
"""What each reason why a row was dropped or is unseen means."""


class Intolerable(GateError):
    """More rows would be dropped or cut than the recipe tolerates: nothing was trained."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an example may be, in tokens."""

    max_length: int
    """What is kept of one."""
    context: int | None
    """What the base can read at once, less virtual tokens; None where its config does not say."""


def intolerable(
    source: Source, outcomes: Sequence[tuple[str, Outcome]], run: Run, limits: Limits
) -> Intolerable | None:
    """What to raise where a snapshot loses more than it may, else None.

    The shares are of the train split; of a replay snapshot they are of the rows that are drawn, once each.

    Args:
        outcomes: of each drawn row its id and what became of it.
    """
    recipe = run.recipe
    whole = len(source.ids) if source.of.role == "train" else len(outcomes)
    dropped = [name for name, outcome in outcomes if outcome.reason]
    truncated = [name for name, outcome in outcomes if outcome.cut]
    reasons = Counter(outcome.reason for _, outcome in outcomes if outcome.reason)
    why = "; ".join(f"{count:,}: {REASONS[reason]}" for reason, count in reasons.most_common())
    parts = [
        _told(names, whole, share, what, key)
        for names, share, what, key in (
            (dropped, recipe.tolerate_dropped, "dropped", "tolerate_dropped"),
            (truncated, recipe.tolerate_truncated, "cut", "tolerate_truncated"),
        )
        if len(names) > share * whole
    ]
    if not parts:
        return None
    return Intolerable(
        "; ".join(parts) + (f" ({why})" if why and len(dropped) > recipe.tolerate_dropped * whole else ""),
        where=f"snapshot {source.of.name} {source.of.snapshot[:12]}",
        remedy=_remedy(_fitting_length([outcome for _, outcome in outcomes], whole, recipe), recipe, limits)
        + f"; all ids: {run.place / 'accounting.parquet'}",
    )


def _told(names: Sequence[str], whole: int, share: float, what: str, key: str) -> str:
    shown = ", ".join(name[:12] for name in sorted(names)[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return (
        f"{len(names):,} of {whole:,} rows ({len(names) / whole:.1%}) would be {what}, and the recipe tolerates "
        f"{share:.1%} ({key}): {shown}"
    )


def _fitting_length(outcomes: Sequence[Outcome], whole: int, recipe: Recipe) -> int | None:
    """The smallest `max_length` at which no more is dropped and cut than is tolerated; None where none helps."""
    may_drop, may_cut = int(recipe.tolerate_dropped * whole), int(recipe.tolerate_truncated * whole)
    least = sorted((outcome.least for outcome in outcomes if outcome.least is not None), reverse=True)
    hopeless = sum(outcome.least is None for outcome in outcomes)
    if hopeless > may_drop:
        return None
    lengths = sorted((outcome.needed for outcome in outcomes if outcome.least is not None), reverse=True)
    not_dropped = least[may_drop - hopeless] if len(least) > may_drop - hopeless else 1
    not_cut = 1 if recipe.drop_truncated or len(lengths) <= may_cut else lengths[may_cut]
    return max(not_dropped, not_cut)


def _remedy(fitting: int | None, recipe: Recipe, limits: Limits) -> str:
    if fitting is None:
        return (
            "no max_length helps: rows without an answer have to leave the data (`gate trace ID` says where they are), "
            "or be tolerated (`--set tolerate_dropped=SHARE`)"
        )
    if limits.context is None or fitting <= limits.context:
        return f"`--set max_length={fitting}` would keep enough of them"
    other = "" if recipe.drop_truncated else ", `--set drop_truncated=true` with `--set tolerate_dropped=SHARE`"
    return (
        f"that takes max_length={fitting}, and the base reads {limits.context:,} tokens at most: shorten these rows, "
        f"take a base with a longer context, or say that the loss is meant (`--set tolerate_truncated=SHARE`{other})"
    )
