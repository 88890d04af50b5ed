"""What a pull request adds: rows matched with those of the base, and findings that only concern what is new.

Occurrences are matched as multisets of (content id, split): the k-th occurrence of a row is old when the base has at
least k. A file that was renamed or split up brings nothing new, an exact second copy does, and so does a row copied
into another split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gate.admission.result import FINDINGS, State

OCCURRENCE = ("key", "split")
"""The columns of `gate.data.corpus.ROWS` that say which row it is; where full ids are at hand, ("id", "split")."""
_RANKED = ("rule", "code", "id", "field", "start", "end")
"""What makes two findings about a row the same one."""
_WHOLE = ("rule", "code", "field", "file", "group")
"""What makes two findings about a file or the dataset as a whole the same demand."""
_STATE = pl.Enum(State.__args__)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Side:
    """The rows of one of the two datasets, and what was found in it."""

    rows: pl.DataFrame
    """Columns `key`, `file`, `row`, `split`, `kind` and, for the head, `old` (gate.data.corpus.ROWS)."""
    malformed: pl.DataFrame
    """Columns `file`, `row`, `digest`, `reason`, `kind` (gate.data.frame.MALFORMED)."""
    findings: pl.DataFrame
    """Schema `FINDINGS`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How two datasets differ; malformed rows are rows."""

    rows: int
    """Of the base."""
    new: int
    unchanged: int
    removed: int


def old_rows(head: pl.DataFrame, base: pl.DataFrame, by: Sequence[str] = OCCURRENCE) -> pl.Series:
    """Whether the base has each row of the head too; a Boolean per row of `head`, in its order.

    Of several occurrences those in a file of the same name are old first, then the earlier ones.

    Args:
        head, base: the columns `by` and, where both have it, `file`.
        by: what tells one row from another; nulls are equal.
    """
    placed = "file" in head.columns and "file" in base.columns
    own = list(dict.fromkeys([*by, *(["file"] if placed else [])]))
    text: dict[str, type[pl.String]] = {"file": pl.String} if placed else {}  # categories differ from frame to frame
    left, right = (frame.lazy().select(own).cast(text) for frame in (head, base))  # type: ignore[arg-type]
    in_file = right.group_by(own).len("in_file")
    in_all = right.group_by(by).len("in_all")
    ranked = (
        left.with_row_index("position")
        .with_columns(rank=pl.int_range(pl.len(), dtype=pl.UInt32).over(own))
        .join(in_file, on=own, how="left", nulls_equal=True)
        .join(in_all, on=list(by), how="left", nulls_equal=True)
        .sort("position")
        .with_columns(here=pl.col("rank") < pl.col("in_file").fill_null(0))
        .with_columns(
            left_over=pl.col("in_all").fill_null(0).cast(pl.Int64) - pl.col("here").sum().over(by).cast(pl.Int64),
            moved=(~pl.col("here")).cum_sum().over(by).cast(pl.Int64),
        )
    )
    return ranked.select(old=pl.col("here") | (pl.col("moved") <= pl.col("left_over"))).collect()["old"]


def old_malformed(head: pl.DataFrame, base: pl.DataFrame) -> pl.Series:
    """Whether the base has each malformed row of the head too, by the digest of its bytes; a file that could not be
    read as a whole also by its name and the reason.

    Args:
        head, base: schema `gate.data.frame.MALFORMED`.
    """
    left, right = (_malformed_keys(frame) for frame in (head, base))
    return old_rows(left, right, ("whole", "name", "reason", "digest"))


def _malformed_keys(malformed: pl.DataFrame) -> pl.DataFrame:
    whole = pl.col("row").is_null()
    return malformed.select(
        "file",
        "digest",
        whole=whole,
        name=pl.when(whole).then(pl.col("file").cast(pl.String)),
        reason=pl.when(whole).then("reason"),
    )


def counts(head: Side, base: Side) -> Counts:
    """How many rows are new, unchanged and removed; they close: new + unchanged is the head, unchanged + removed the
    base."""
    old = _old_rows_of(head) + int(old_malformed(head.malformed, base.malformed).sum())
    of_base = base.rows.height + base.malformed.height
    return Counts(of_base, head.rows.height + head.malformed.height - old, old, of_base - old)


def _old_rows_of(head: Side) -> int:
    return int(head.rows["old"].sum())


def classify(head: Side, base: Side) -> pl.DataFrame:
    """The findings of the head (schema `FINDINGS`, in their order), each `new` or `unchanged`.

    New is what involves an occurrence that the base does not have: the row itself, or the one it was compared with.
    Of a finding at an old row that the base does not have, only one that names old rows alone as its partner is
    unchanged: something must have brought it about. A finding about a file or the dataset is new when the base has
    none of its kind, or a better one (a smaller score).
    """
    numbered = head.findings.drop("state").with_row_index("position")
    states = pl.concat(
        [
            _of_rows(numbered.filter(pl.col("row").is_not_null()), head, base),
            _of_whole(numbered.filter(pl.col("row").is_null()), head, base),
        ]
    )
    joined = numbered.join(states, on="position", how="left").sort("position")
    # What could not be classified counts.
    state = pl.when(pl.col("new").fill_null(True)).then(pl.lit("new")).otherwise(pl.lit("unchanged")).cast(_STATE)
    return joined.with_columns(state=state).select(list(FINDINGS))


def _of_rows(findings: pl.DataFrame, head: Side, base: Side) -> pl.DataFrame:
    """The columns `position` and `new` of findings about single rows."""
    places = pl.concat(
        [
            head.rows.select(pl.col("file").cast(pl.String), "row", "old"),
            head.malformed.select(
                pl.col("file").cast(pl.String), "row", old=old_malformed(head.malformed, base.malformed)
            ).filter(pl.col("row").is_not_null()),
        ]
    )
    same = [*_RANKED, "severity", "partner"]
    known = _identified(base.findings, base.malformed).filter(pl.col("row").is_not_null())
    located = _identified(findings, head.malformed).join(
        places.unique(["file", "row"], keep="any"), on=["file", "row"], how="left"
    )
    # A partner is old when it is a row of the head, and no occurrence of it is new.
    occurrences = head.rows.group_by("key").agg(partner_old=pl.col("old").all())
    located = (
        located.with_columns(old=pl.col("old").fill_null(False), key=_key(pl.col("partner")))
        .join(occurrences, on="key", how="left")
        .sort("position")
    )
    at_old = located.filter("old")
    counterpart = _first_of(at_old, known, same)
    new = ~counterpart & ~at_old["partner_old"].fill_null(False)
    return pl.concat(
        [
            located.filter(~pl.col("old")).select("position", new=pl.lit(True)),
            at_old.select("position", new=new),
        ]
    )


def _key(ids: pl.Expr) -> pl.Expr:
    """The key of a content id (as `gate.data.corpus.rows_of` makes it)."""
    digits = ids.str.head(16).str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    return pl.when(ids.is_not_null()).then(digits.fill_null(ids.hash()))


def _of_whole(findings: pl.DataFrame, head: Side, base: Side) -> pl.DataFrame:
    """The columns `position` and `new` of findings about files and the dataset."""
    unreadable = head.malformed.select(
        pl.col("file").cast(pl.String), "row", old=old_malformed(head.malformed, base.malformed)
    ).filter(pl.col("row").is_null())
    changed = unreadable.filter(~pl.col("old"))["file"]
    before = _worst_first(base.findings.filter(pl.col("row").is_null())).select(
        *_WHOLE, "rank", was=pl.col("score"), said=pl.col("message"), ranked=pl.col("severity").to_physical()
    )
    after = _worst_first(findings).join(before, on=[*_WHOLE, "rank"], how="left", nulls_equal=True)
    score, was = pl.col("score"), pl.col("was")
    # Without a score nobody can say which is worse: only the very same message is no news.
    measured = score.is_not_null() & score.is_not_nan() & was.is_not_null() & was.is_not_nan()
    unscored = score.is_null() & was.is_null() & (pl.col("message") == pl.col("said"))
    as_bad = (pl.col("ranked") <= pl.col("severity").to_physical()) & ((measured & (score <= was)) | unscored)
    return after.select(
        "position", new=~as_bad.fill_null(False) | pl.col("file").is_in(changed.implode()).fill_null(False)
    )


def _worst_first(findings: pl.DataFrame) -> pl.DataFrame:
    """With the column `rank`: the worst of several findings of one kind is 0."""
    return findings.sort("score", "message", descending=[True, False], nulls_last=False).with_columns(
        rank=pl.int_range(pl.len(), dtype=pl.UInt32).over(_WHOLE)
    )


def fixed(base: Side, head: Side) -> pl.DataFrame:
    """The findings of the base that the head does not have (schema `FINDINGS`, `state` null).

    Matched as multisets of rule, code, id (of a malformed row: the digest of its bytes), field, start and end, so that
    a finding whose row went elsewhere, or is compared with another one now, is not fixed; about files and the dataset:
    of rule, code, field, file and group.
    """
    parts = []
    for whole, same in ((False, _RANKED), (True, _WHOLE)):
        is_whole = pl.col("row").is_null() == whole
        before, after = (_identified(side.findings, side.malformed).filter(is_whole) for side in (base, head))
        parts.append(before.filter(~_first_of(before, after, same)))
    return pl.concat(parts).drop("state").with_columns(state=pl.lit(None, dtype=_STATE)).select(list(FINDINGS))


def _identified(findings: pl.DataFrame, malformed: pl.DataFrame) -> pl.DataFrame:
    """Findings, where those about malformed rows have the digest of the row for an id."""
    digests = malformed.select(pl.col("file").cast(pl.String), "row", "digest").filter(pl.col("row").is_not_null())
    return findings.join(
        digests.unique(["file", "row"], keep="any"), on=["file", "row"], how="left", maintain_order="left"
    ).with_columns(pl.coalesce("id", "digest").alias("id"))


def _first_of(these: pl.DataFrame, others: pl.DataFrame, same: Sequence[str]) -> pl.Series:
    """Whether each finding is among the first n of its kind, where `others` has n of that kind."""
    return old_rows(these.select(same), others.select(same), same)
