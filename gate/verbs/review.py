"""`gate review`: draw a sample, keep what a person says of it, and sign that as a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gate.errors import UsageError
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Review, Statement, now
from gate.provenance.trust import Trust
from gate.snapshots.sample import STRATA, Drawn, draw
from gate.snapshots.verdicts import said
from gate.store.objects import find_store
from gate.verbs.review_answers import Answers
from gate.verbs.review_rows import Rows, named_path, rows_of_data, rows_of_snapshot, stratum_of
from gate.verbs.surroundings import open_store, open_trust

OnStage = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """The examples that somebody is to look at."""

    drawn: Drawn
    examples: pl.DataFrame
    """Schema gate.data.frame.EXAMPLES, in the order in which they are shown."""
    snapshot: str | None
    """Of which they were drawn; None: of data that was not sealed."""
    start: Path
    """Where the store is looked for from."""

    @property
    def ids(self) -> list[str]:
        """Their content ids, in the same order."""
        return self.examples["id"].to_list()

    def answers(self) -> Answers:
        """What was said of them before on this machine."""
        return Answers.here(self.ids)


def find_rows(
    what: Sequence[str],
    *,
    store: Path | None = None,
    trust: Path | None = None,
    trust_revision: str | None = None,
    on_stage: OnStage = lambda stage, done, total: None,
) -> Rows:
    """The examples of some data, or of a snapshot.

    Args:
        what: files, folders or globs, or one snapshot by name or id; `gate.yaml`'s paths where empty.
        store, trust, trust_revision: where a snapshot is, and who is trusted to have admitted it.

    Raises:
        GateError: as `gate.verbs.review_rows` raises it; no store or trust file for what is no path.
    """
    if not what or named_path(what):
        return rows_of_data(what, on_stage)
    found = store if store is not None else find_store(Path())
    if not (found / "format.json").exists():
        raise UsageError(
            f"{what[0][:100]!r} is neither a path nor a snapshot: there is no store here",
            remedy="name data that is there, or the store that has the snapshot with --store",
        )
    ledger = Ledger(open_store(found))
    return rows_of_snapshot(what[0], ledger, open_trust(trust, trust_revision), on_stage)


def sample(rows: Rows, what: Sequence[str], *, size: int, seed: int = 0, stratify: str | None = None) -> Sample:
    """Draw a sample: always the same one of the same examples, size, seed and column.

    Args:
        stratify: a column of the dataset's own to tell rows apart by, instead of split, kind and file.

    Raises:
        UsageError: nothing to draw from, no such column, or one with more values than there are examples to draw.
    """
    small = rows.small()
    if stratify is None:
        drawn = draw(small, size, seed=seed, by=STRATA)
    else:
        values = stratum_of(rows, stratify).alias(stratify if stratify != "id" else "id ")
        drawn = draw(small.select("id", values), size, seed=seed, by=(values.name,), coarser=False)
    start = Path(what[0]) if what and Path(what[0]).exists() else Path()
    return Sample(drawn, rows.fetch(drawn.examples["id"]), rows.snapshot, start)


def sign(
    sample: Sample,
    verdicts: pl.DataFrame,
    signer: Signer,
    *,
    store: Path | None = None,
    trust: Trust | None = None,
) -> Statement:
    """Sign some verdicts on a sample.

    Args:
        verdicts: schema gate.snapshots.layout.VERDICTS.
        store: its folder, made where there is none; else the nearest.
        trust: who may say so, where that is known already.

    Raises:
        UsageError: there is nothing to sign.
        Untrusted: the statement would not count, and why.
        StoreError: the store cannot be written to.
    """
    if verdicts.is_empty():
        raise UsageError("there is no new verdict to sign", remedy="answer with g, b or s first")
    if trust is not None:
        trust.signer(signer.keyid, signer.name, Review.kind, now())
    ledger = Ledger(open_store(store, start=sample.start, create=True))
    size = len(sample.ids)
    statement = said(ledger, verdicts, signer, seed=sample.drawn.seed, sampled=size, snapshot=sample.snapshot)
    sample.answers().signed(signer.keyid, verdicts["id"])
    return statement
