"""Text that is no language: mashed keys, words without vowels, encoded blobs.

Told by forms that words of no language written in Latin letters have, so that other scripts, formulas and names are
left alone.
"""

from __future__ import annotations

import polars as pl

from gate.checks.qualities.problems import Problem, report

# Neighbouring keys in a row; "qwerty" itself is a word.
_MASH = (
    r"(?i)asdfg|sdfgh|dfghj|fghjk|ghjkl|zxcvb|xcvbn|cvbnm|ertyu|rtyui|tyuio|yuiop|lkjhg|kjhgf|jhgfd|hgfds|gfdsa|mnbvc"
)
_VOWELLESS = r"\b[bcdfghjklmnpqrstvwxz]{5,}\b"
_BLOB = r"[A-Za-z0-9+/_-]{100,}={0,2}"
_SYMBOLS = r"[^\p{L}\p{M}\p{N}\s\p{So}]"
_ABOUT = (
    r"(?i)keyboard|qwerty|encod|decod|base ?64|cipher|encrypt|\bhash|\bkey\b|password|random|sequence|ascii|code|dna\b"
)


def gibberish(rows: pl.DataFrame, share: float, symbols: float) -> pl.DataFrame:
    """Answers of which at least `share` of the words are without a vowel, or mashed, of which at least `symbols` of
    the visible characters are neither letters nor digits, or that hold an encoded blob."""
    text = pl.col("text")
    mashed, blob = text.str.contains(_MASH), text.str.contains(_BLOB)
    # Only what has two vowelless words in its first characters is counted through.
    vowelless = text.str.slice(0, 600).str.count_matches(_VOWELLESS) >= 2
    head = text.str.slice(0, 600)
    visible = head.str.len_chars() - head.str.count_matches(" ", literal=True)
    noisy = (head.str.count_matches(_SYMBOLS) >= symbols * visible) & (visible >= 20)
    maybe = rows.filter(mashed | blob | vowelless | noisy, ~pl.col("asked").str.contains(_ABOUT))
    maybe = maybe.filter(~text.str.contains(r"```|\|[-: ]{3,}\|"))
    words = text.str.count_matches(r"\p{L}{3,}")
    found = maybe.with_columns(
        why=pl.when(text.str.count_matches(_MASH) + text.str.count_matches(_VOWELLESS) >= share * (words + 1))
        .then(pl.lit("words that are no words"))
        .when(text.str.replace_all(r"\S*(?:://|www\.)\S+", "").str.contains(_BLOB) & (words <= 100))
        .then(pl.lit("an encoded blob"))
        .when(noisy)
        .then(pl.lit("signs instead of words"))
    ).filter(pl.col("why").is_not_null())
    return report(found, Problem.GIBBERISH, pl.format("the answer is {}", "why"))
