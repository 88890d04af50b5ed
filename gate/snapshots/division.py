"""From a judged dataset to the split of each admitted example: as the data brings them, or divided by the rules.

Dividing needs more of every example than judging did (what makes it like another one), which is worked out only where
an example has no split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import polars as pl

from gate.admission.result import AdmissionResult
from gate.checks.base import Context
from gate.checks.leakage import LeakageParams
from gate.data.corpus import ROWS, Corpus
from gate.data.frame import SPLITS, Split
from gate.engines.local import LocalEngine
from gate.policy.snapshot_rules import load_snapshot_rules
from gate.snapshots.split import assign, splitting_demands
from gate.snapshots.split_notes import Note, notes_of_given
from gate.snapshots.strata import strata_of


@dataclass(frozen=True, slots=True, repr=False)
class Division:
    """How the admitted examples come to their splits."""

    splits: pl.Series
    """Of every row of the dataset; null where it is not admitted."""
    given: bool
    """Whether the data brought all of them."""
    by: Mapping[str, object]
    """What decided, for the policy document."""
    notes: tuple[Note, ...] = ()
    """What the owner should know."""
    strata: pl.DataFrame | None = None
    """How each stratum is divided (schema gate.snapshots.split_notes.TABLE); None where there are none."""


def divided(result: AdmissionResult, corpus: Corpus, admitted: pl.Series) -> Division:
    """The split of every admitted example.

    Args:
        corpus: every row of the dataset.
        admitted: whether each of them is sealed.

    Raises:
        PolicyError: `rules/snapshot.yaml` does not say something gate can do, or there are too few examples for it.
        NotMeasured: what makes examples alike could not be worked out.
    """
    given, rules = corpus.rows["split"], load_snapshot_rules(result.folders)
    brought = given.filter(admitted)
    if brought.null_count() == 0:
        counts: dict[Split, int] = {split: int((brought == split).sum()) for split in SPLITS}
        notes = tuple(notes_of_given(counts, rules.split))
        return Division(given.zip_with(admitted, _none()), given=True, by={"given": True}, notes=notes)
    demands = splitting_demands([bound for bound, _ in result.applied], result.folders)
    with LocalEngine() as engine:
        result.dataset.prepare(demands, engine)
        first, *others = ((result.dataset.corpus(each), cast(LeakageParams, each.params)) for each in demands)
        assigned = assign(
            first[0],
            admitted,
            rules,
            first[1],
            Context(engine, result.folders),
            strata_of(corpus, rules.split),
            also=[(also.features, params) for also, params in others],
        )
    splits = _none().new_from_index(0, corpus.rows.height).scatter(admitted.arg_true(), assigned.splits)
    strata = None if rules.split.stratify is None else assigned.table
    return Division(splits, given=False, by=rules.document(), notes=assigned.notes, strata=strata)


def _none() -> pl.Series:
    return pl.Series("split", [None], ROWS["split"])
