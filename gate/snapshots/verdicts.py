"""What people said of examples, as an object of the store, and who of them counts.

A review is a signed statement (`gate.provenance.statements.Review`) that names an object of verdicts. Reasons are kept
there as they were written; they may quote what they complain about, and are masked wherever they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gate.checks.base import REVIEWS, no_reviews
from gate.provenance.envelope import Signer
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Review, Statement
from gate.provenance.trust import Trust, Untrusted
from gate.snapshots.layout import VERDICTS
from gate.snapshots.parquet import from_parquet, to_parquet
from gate.snapshots.reach import Erased, current
from gate.snapshots.sealed_objects import replaced
from gate.store.objects import Damaged

LARGEST = 64 << 20
"""Bytes of an object of verdicts: more than anybody writes. A guard against the wrong file."""
LONGEST = 2000
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Reviews:
    """What a store holds of people's verdicts."""

    counted: tuple[tuple[Statement, pl.DataFrame], ...]
    """Reviews that count, the oldest first, each with its verdicts (schema gate.checks.base.REVIEWS), as of the time of
    the statement."""
    ignored: tuple[str, ...] = ()
    """Statements that do not count, and why."""

    @property
    def frame(self) -> pl.DataFrame:
        """Every verdict that counts (schema gate.checks.base.REVIEWS), for `check(reviews=…)`."""
        return pl.concat([no_reviews(), *(frame for _, frame in self.counted)])

    def about(self, ids: pl.Series) -> list[str]:
        """The digests of the reviews with a verdict on one of these examples: what an admission of them rests on."""
        return [one.digest for one, frame in self.counted if frame["id"].is_in(ids.implode()).any()]


def said(
    ledger: Ledger, verdicts: pl.DataFrame, signer: Signer, *, seed: int, sampled: int, snapshot: str | None = None
) -> Statement:
    """Keep some verdicts and sign that they are one's own.

    Args:
        verdicts: schema gate.snapshots.layout.VERDICTS, one for each example.
        sampled: how many examples were drawn with the seed.
        snapshot: of which they were drawn; None: of data that was not sealed yet.

    Raises:
        ValueError: not such verdicts.
        StoreError: there is no room or no permission.
    """
    if wrong := _wrong(verdicts):
        raise ValueError(wrong)
    digest = ledger.store.put(to_parquet(verdicts.sort("id"), VERDICTS), "parquet")
    good, bad = (int((verdicts["verdict"] == word).sum()) for word in ("good", "bad"))
    about = Review(verdicts=digest, sampled=sampled, good=good, bad=bad, seed=seed, snapshot=snapshot)
    return ledger.say(about, signer)


def verdicts_of(ledger: Ledger, statement: Statement, gone: dict[str, Erased] | None = None) -> pl.DataFrame:
    """The verdicts of a review (schema gate.snapshots.layout.VERDICTS), verified.

    Args:
        gone: objects from which reasons were erased (`gate.snapshots.reach.erased`).

    Raises:
        Damaged: the object is gone, or is not what the statement says.
    """
    store, about = ledger.store, statement.about
    if not isinstance(about, Review):
        raise Damaged("it is no review", where=store.name(store.statement_path(statement.digest)))
    digest = current(about.verdicts, gone or {})
    path = store.path(digest, "parquet")
    name = store.name(path)
    if path.is_file() and path.stat().st_size > LARGEST:
        raise Damaged("it is too large to be the verdicts of a review", where=name)
    frame = from_parquet(store.read(digest, "parquet"), VERDICTS, name)
    if wrong := _wrong(frame):
        raise Damaged(wrong, where=name)
    counts = tuple(int((frame["verdict"] == word).sum()) for word in ("good", "bad"))
    if counts != (about.good, about.bad) or frame.height > about.sampled:
        raise Damaged(
            "the verdicts are not as many as the review says",
            where=store.name(store.statement_path(statement.digest)),
        )
    return frame


def reviews(ledger: Ledger, trust: Trust | None, *, at: str | None = None) -> Reviews:
    """What trusted people said of examples.

    Args:
        trust: whose word counts; None: everybody's, unchecked, which is good enough to learn from and not to judge by.
        at: leave out what was said later, as statements write time.

    Raises:
        Damaged: a statement in the store is none, or verdicts that count are not what it says.
    """
    counted, ignored, every = [], [], ledger.all()
    gone = replaced(every, trust)
    for one in every:
        if not isinstance(one.about, Review) or (at is not None and one.made > at):
            continue
        try:
            # A person may have several keys, and is still one person: their last word counts.
            reviewer = one.keyid if trust is None else trust.vouched(one).name
        except Untrusted as error:
            ignored.append(str(error))
            continue
        # The moment at which it was signed: when a person clicked is their own affair, and could be any time.
        verdicts = verdicts_of(ledger, one, gone).with_columns(at=pl.lit(one.made), reviewer=pl.lit(reviewer))
        counted.append((one, verdicts.select(list(REVIEWS))))
    return Reviews(tuple(counted), tuple(ignored))


def _wrong(verdicts: pl.DataFrame) -> str | None:
    """What is wrong with a frame of verdicts, in a sentence."""
    if verdicts.schema != VERDICTS:
        return "not the columns of verdicts"
    if verdicts["id"].null_count() or verdicts["verdict"].null_count() or verdicts["at"].null_count():
        return "a verdict without an example, a word or a time"
    if not verdicts["id"].str.contains("^[0-9a-f]{64}$").all():
        return "a verdict on what is no content id"
    if verdicts["id"].is_duplicated().any():
        return "two verdicts on one example"
    if (verdicts["reason"].str.len_chars() > LONGEST).any():
        return f"a reason of more than {LONGEST:,} characters"
    return None
