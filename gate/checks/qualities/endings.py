"""Answers that break off, and prose whose last sentence has no end mark.

"Ends in . ! or ?" (practitioner guide G2) would flag half of real answers: numbers, names, lists, code, tables, and
every script with marks of its own. So what certainly breaks off is told from what only lacks a full stop.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gate.checks.qualities.problems import Problem, report

_BLANK = " \t\r\n\u200b"
_OPEN = r"[,、،，;\(\[\{–—]$|[A-Za-z]-$"
# Words that a sentence in English, German, French or Spanish does not end with. "to", "in", "on", "for", "with" and
# "that" may end one, and are left out, as are German verb prefixes (an, auf, mit).
_NEEDS_ANOTHER = (
    r"(?:^|\s)(?:and|or|the|a|an|of|because|your|their|our|than|whose|such|und|oder|der|das|weil|sowie|et|ou|le|les|du"
    r"|des|une|parce|y|el|los|las|una|porque)$"
)
# Also finished: a closing quote, bracket or stress mark (a title, a gesture), a hashtag, a domain or file name.
_END_MARK = r"[.!?…:。！？｡।॥؟۔።։༎;\p{So}\p{Sm}\p{Sc}%|#/\\`=>\d]$|[*_~\"'”’»›)\]}>）】」』]$|#\w+$|\.\w{1,4}$"
_NO_PROSE = r"^\s*(?:[-*•·>|#]|\d+[.)]|[A-Za-z][.)])|[|`{}<>=\\]|://"
_TAIL = 240


def ending_problems(rows: pl.DataFrame, words: int) -> Iterator[pl.DataFrame]:
    """Problems with the ends of answers of at least `words` words, code aside.

    Args:
        rows: as `gate.checks.taught.taught` gives them.
    """
    bare = pl.col("text").str.strip_chars_end(" \t\r\n")
    tails = rows.lazy().select("index", "field", "kind", "text", tail=bare.str.tail(_TAIL), code=_code())
    tails = tails.with_columns(last=pl.col("tail").str.split("\n").list.last())
    # An answer that ends within a block of code, or a table or list, has no last sentence.
    tails = tails.filter(~pl.col("code"), pl.col("text").str.count_matches(r"[ \n]") >= words - 1).with_columns(
        breaks=pl.col("last").str.contains(_OPEN)
        | pl.col("last").str.to_lowercase().str.contains(_NEEDS_ANOTHER) & ~pl.col("last").str.contains(r"\s[A-Z]$"),
        prose=~pl.col("last").str.contains(_NO_PROSE) & (pl.col("last").str.count_matches(r"\S+") >= words),
        marked=pl.col("last").str.strip_chars_end(_BLANK).str.contains(_END_MARK),
    )
    found = tails.filter(pl.col("breaks") | (pl.col("prose") & ~pl.col("marked"))).collect()
    shown = pl.col("tail").str.tail(80)
    broken = found.filter("breaks", pl.col("prose"))
    yield report(broken, Problem.UNFINISHED, "the answer breaks off in the middle of a sentence", shown=shown)
    unmarked = found.filter(~pl.col("breaks"))
    yield report(unmarked, Problem.NO_FINAL_PUNCTUATION, "the last sentence has no end mark", shown=shown)


def _code() -> pl.Expr:
    """Whether the answer holds a fence, or its last line looks like code."""
    return pl.col("text").str.contains("```", literal=True)
