"""Which training runs saw an example, and which models came of them: from the books that training statements seal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from gate.provenance.statements import Promotion, Release, Training
from gate.snapshots.parquet import from_parquet
from gate.snapshots.tracing import Life, Tracer, TrainedIn
from gate.training.accounting import FATES, REASONS

_COLUMNS = ["use", "snapshot", "id", "fate", "reason", "times"]


def with_runs(tracer: Tracer, lives: Sequence[Life]) -> list[Life]:
    """The same lives with the runs that had the examples in a train split, the oldest run first.

    Raises:
        Damaged: the books of a run are missing, or are not what its statement names.
    """
    wanted = [life.id for life in lives]
    found: dict[str, list[TrainedIn]] = {each: [] for each in wanted}
    for one in tracer.statements:
        about = one.about
        if not isinstance(about, Training):
            continue
        read = tracer.objects.read(about.accounting, "parquet")
        fates = from_parquet(read.content, FATES, read.name, columns=_COLUMNS)
        mine = fates.filter(pl.col("id").is_in(wanted) & pl.col("use").is_not_null())
        # The same content may stand in a split several times: it is one example.
        by_example = mine.group_by("id", "snapshot", "fate", maintain_order=True).agg(
            pl.col("reason").first(), pl.col("times").sum()
        )
        for row in by_example.iter_rows(named=True):  # few: those of the examples that are asked for
            found[row["id"]].append(
                TrainedIn(
                    one.digest,
                    about.name,
                    one.made,
                    one.author,
                    tracer.trusted(one),
                    row["snapshot"],
                    about.model,
                    row["fate"],
                    row["times"],
                    REASONS.get(row["reason"], row["reason"]),
                )
            )
    told = []
    for life in lives:
        models = _models(tracer, found[life.id])
        told.append(replace(life, runs=tuple(found[life.id]), models=models, promoted=_promoted(tracer, models)))
    return told


def _promoted(tracer: Tracer, models: Sequence[str]) -> tuple[str, ...]:
    """What was decided of some models, the oldest decision first."""
    return tuple(
        f"{one.about.name} ({one.about.model[:12]}): {one.about.verdict}, by {one.author} on {one.made[:10]}"
        + (" (not trusted)" if tracer.trusted(one) is False else "")
        for one in tracer.statements
        if isinstance(one.about, Promotion) and one.about.model in models
    )


def _models(tracer: Tracer, runs: Sequence[TrainedIn]) -> tuple[str, ...]:
    learned = [run for run in runs if run.fate == "trained"]
    sources = {run.statement for run in learned}
    released = [
        one.about.model
        for one in tracer.statements
        if isinstance(one.about, Release) and sources.intersection(one.about.sources)
    ]
    return tuple(dict.fromkeys([*(run.model for run in learned), *released]))
