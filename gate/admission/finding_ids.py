"""The id of a finding: the same problem has the same id in another run, another file and another place in it.

What a person waives or a machine counts is named by it: a finding that came later has another id. That holds for one
more copy of a row as well: of findings that are alike in all that counts, each says which one of them it is.
"""

from __future__ import annotations

import hashlib

import polars as pl

_OF_EXAMPLE = ("rule", "code", "id", "field", "start", "end", "partner")
_OF_REST = ("rule", "code", "file", "row", "field", "start", "end", "group", "message")
_DIGITS = 6
"""Significant digits that tell scores apart: numbers that were added up in another order differ in the last of many."""


def finding_ids(findings: pl.DataFrame) -> pl.Series:
    """The id (SHA-256, 64 hex digits) of each finding; no two are the same.

    About an example it follows from rule, code, content id, field, span and partner. About a row that could not be
    read, a file or the dataset as a whole, it follows from rule, code, file, row, field, span, group, message and
    score: one that is worse is another finding. Those that are the same in all this are numbered in the order of their
    files and rows. Evidence is no part of it, since it may be masked once more on its way to a reader.

    Args:
        findings: schema gate.admission.result.FINDINGS; all of a rule's, since a part may be numbered otherwise. A
            million take about two seconds.
    """
    if findings.is_empty():
        return pl.Series("finding", [], dtype=pl.String)
    names = findings.select(
        pl.when(pl.col("id").is_not_null())
        .then(pl.concat_str(pl.lit("gate finding 1 example"), *map(_part, _OF_EXAMPLE)))
        .otherwise(pl.concat_str(pl.lit("gate finding 1 rest"), *map(_part, _OF_REST), _score(findings)))
        .alias("name")
    )
    again = names["name"].is_duplicated()
    if again.any():
        names = names.with_columns(_numbered(findings, names["name"], again))
    # A loop over findings, since no column function makes a SHA-256: about a microsecond each.
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names["name"]]
    return pl.Series("finding", digests, dtype=pl.String)


def _part(name: str) -> pl.Expr:
    """A value after its length in bytes, so that no text can move from one part into the next."""
    text = pl.col(name).cast(pl.String)
    return pl.when(text.is_null()).then(pl.lit("-")).otherwise(pl.format("{}:{}", text.str.len_bytes(), text))


def _score(findings: pl.DataFrame) -> pl.Series:
    """The scores of what is about no example, by their first digits."""
    scores = findings.select(pl.when(pl.col("id").is_null()).then("score").fill_nan(None)).to_series()
    # A loop over distinct scores of files and datasets, which are few.
    written = {score: f"{score + 0.0:.{_DIGITS}g}" for score in scores.drop_nulls().unique()}
    text = scores.replace_strict(list(written), list(written.values()), return_dtype=pl.String, default=None)
    return text.fill_null("-")


def _numbered(findings: pl.DataFrame, names: pl.Series, again: pl.Series) -> pl.Series:
    """The names, where the second and later findings of one name say which one they are: the first keeps its id when
    another joins it."""
    some = pl.DataFrame({"position": again.arg_true(), "name": names.filter(again)}).with_columns(
        findings.select("file", "row").filter(again)
    )
    which = pl.int_range(pl.len()).over("name")
    ranked = some.sort("name", "file", "row", "position", nulls_last=False).with_columns(which=which)
    later = ranked.filter(pl.col("which") > 0).select("position", one=pl.format("{}#{}", "name", "which"))
    return names.scatter(later["position"], later["one"])
