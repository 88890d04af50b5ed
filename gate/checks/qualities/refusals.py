"""Refusals and disclaimers that models say by rote, from a lexicon that people can argue about."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from gate.checks.lexicon import Lexicon
from gate.checks.qualities.problems import Problem, report

_DISCLAIMER = "disclaimer"  # the section of the lexicon; every other one holds refusals
# Someone who asks what the model is, or feels, is answered by what it is.
_ABOUT_ITSELF = (
    r"(?i)\b(?:are|were) you\b|\bdo you (?:have|feel|think|like|know|remember|dream|believe)\b|\byour (?:name|feelings"
    r"|opinion|favou?rite|training|age|creator|own)\b|\bwho (?:made|created|built|trained) you"
    r"|\bartificial intel|\bAIs?\b"
)


def refusals(rows: pl.DataFrame, phrases: Lexicon, head: int) -> Iterator[pl.DataFrame]:
    """Answers with a phrase of the lexicon within their first `head` characters, questions about the model aside."""
    every = [phrase for some in phrases.values() for phrase in some]
    start = pl.col("text").str.slice(0, head).str.replace_all("[’‘]", "'").str.to_lowercase()
    found = rows.filter(start.str.contains_any(every), ~pl.col("asked").str.contains(_ABOUT_ITSELF))
    plain = [phrase for category, some in phrases.items() if category != _DISCLAIMER for phrase in some]
    refuses = start.str.contains_any(plain) if plain else pl.lit(False)
    yield report(found.filter(refuses), Problem.REFUSAL, "the answer begins with a refusal said by rote")
    yield report(found.filter(~refuses), Problem.DISCLAIMER, "the answer begins with a disclaimer said by rote")
