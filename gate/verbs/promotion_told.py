"""Gathers what a promotion's report tells beside the decision: data, run, figures, marks, who approves.

What a statement names is read from the store and verified by its digest. What is not there (an admission of another
team's store, a run's folder on another machine) is left out and said so: nothing of it decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import orjson
import polars as pl

from gate.promotion.decided import Decided, Side
from gate.provenance.ledger import Ledger
from gate.provenance.model_standing import model_standing
from gate.provenance.statements import Admission, Statement, Training
from gate.provenance.trust import Trust
from gate.reporting.inert import one_line
from gate.reporting.promotion_items import outputs
from gate.reporting.promotion_told import Json, Mark, Measured, Told, UsedData
from gate.snapshots.overview import exclusions
from gate.snapshots.parquet import from_parquet
from gate.snapshots.verdicts import reviews
from gate.store.objects import Damaged
from gate.training.accounting import FATES
from gate.training.events import parsed
from gate.training.history import History, history_of
from gate.training.runs import runs_folder

LARGEST_PREVIEW = 16 << 20
"""Bytes of preview.json, which nobody signed: a guard against the wrong file."""


def told_of(
    decided: Decided, ledger: Ledger, trust: Trust, *, author: str | None = None, promotion: str | None = None
) -> Told:
    """All that is known in a store of a candidate that was decided about.

    Args:
        author: the name of whoever asks for the promotion, who may not be one of those who approve it.
        promotion: the statement, once it is signed.

    Raises:
        Damaged: something that was signed is in the store and is not what its name says.
    """
    notes: list[str] = []
    training = decided.trained
    marks, said = marks_on(decided.candidate, decided.base, ledger, trust)
    demand = trust.demand("model")
    people = sorted(
        {key.name for key in trust.keys.values() if key.revoked is None and set(key.roles) & set(demand.roles)}
    )
    return Told(
        history=_history(training, ledger, notes),
        data=tuple(_data(training, ledger, trust, notes)),
        left_out=_left_out(training, ledger, notes),
        preview=_preview(training, ledger),
        figures=tuple(_figures(decided)),
        marks=marks,
        reviews=said,
        demand=demand,
        approvers=tuple(name for name in people if demand.by_author or name != author),
        approvals=() if promotion is None else _approvals(ledger, trust, promotion),
        promotion=promotion,
        notes=tuple(notes),
    )


def _there(ledger: Ledger, digest: str, kind: str) -> bool:
    return ledger.store.path(digest, kind).is_file()


def _history(training: Training, ledger: Ledger, notes: list[str]) -> History:
    if not _there(ledger, training.curves, "jsonl"):
        notes.append("The training curves are not in this store.")
        return History()
    return history_of(parsed(ledger.store.read(training.curves, "jsonl")))


def _data(training: Training, ledger: Ledger, trust: Trust, notes: list[str]) -> Iterator[UsedData]:
    known = set(ledger.store.statements())
    for use in training.snapshots:
        if use.statement not in known:
            notes.append(
                f"The admission of {one_line(use.name, 80)} is not in this store: what was excluded is not known."
            )
            yield UsedData(use, None)
            continue
        admission = ledger.statement(use.statement)
        if not isinstance(admission.about, Admission):
            raise Damaged("a snapshot's statement is no admission", where=f"statements/{use.statement}.json")
        try:
            excluded = exclusions(ledger, admission, trust)
        except Damaged:
            notes.append(f"What was excluded from {one_line(use.name, 80)}, rule by rule, is not in this store.")
            excluded = None
        yield UsedData(use, admission.about, excluded)


def _left_out(training: Training, ledger: Ledger, notes: list[str]) -> Mapping[str, int]:
    """Rows that the trainer dropped, by reason."""
    if not _there(ledger, training.accounting, "parquet"):
        notes.append("The books of what became of every row are not in this store.")
        return {}
    name = ledger.store.name(ledger.store.path(training.accounting, "parquet"))
    fates = from_parquet(ledger.store.read(training.accounting, "parquet"), FATES, name)
    dropped = fates.filter((pl.col("fate") == "dropped") & (pl.col("kind") != "canary"))
    counts = dropped["reason"].fill_null("no reason").value_counts(sort=True)
    return dict(counts.iter_rows())


def _preview(training: Training, ledger: Ledger) -> Json | None:
    """preview.json of the run's folder, where the folder is here and is that of this very model."""
    folder = runs_folder(ledger.store.root) / training.name
    path = folder / "preview.json"
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST_PREVIEW:
            return None
        state = orjson.loads((folder / "state.json").read_bytes())
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(state, dict) or state.get("model") != training.model:
        return None
    return content


def _figures(decided: Decided) -> Iterator[Measured]:
    from gate.evaluation.figures import figures_of

    for suite in ("safety", "memorization"):
        own, base = decided.candidate.evaluations.get(suite), decided.base.evaluations.get(suite)
        if own is None:
            continue
        theirs = {} if base is None else {(each.task, each.name): each for each in figures_of(base, None)}
        for figure in figures_of(own, base):
            yield Measured(figure, theirs.get((figure.task, figure.name)))


def marks_on(candidate: Side, base: Side, ledger: Ledger, trust: Trust) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
    """The last word of each trusted person on each output of the candidate's, and the digests of the reviews that hold
    them."""
    every = outputs(candidate.evaluations, base.evaluations, candidate.model)["id"]
    found = reviews(ledger, trust)
    last = (
        found.frame.filter(pl.col("id").is_in(every.implode()))
        .sort("at", maintain_order=True)
        .unique(["id", "reviewer"], keep="last", maintain_order=True)
    )
    marks = tuple(
        Mark(id_, verdict, reason, reviewer)
        for id_, verdict, reason, reviewer in last.select("id", "verdict", "reason", "reviewer").iter_rows()
    )
    return marks, tuple(found.about(every)) if marks else ()


def _approvals(ledger: Ledger, trust: Trust, promotion: str) -> tuple[Statement, ...]:
    return model_standing(ledger, trust, ledger.statement(promotion)).approvals
