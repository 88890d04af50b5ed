"""Folds texts, so that Unicode form, case and white space make no difference between them.

The fold is: NFC, then Unicode lower case (with final sigma as sigma; `ß` stays `ß`), then every run of white
space (Unicode's White_Space, and the separators U+001C to U+001F that Python also counts) as one space, then
no white space at either end. Lower case rather than case folding, because it is what runs as a column.
"""

from __future__ import annotations

import polars as pl

TURN = "\x1e"
"""Between the turns of a folded conversation. A folded text holds no such character itself."""
SECTION = "\x1f"
"""Between the parts of a folded example: the conversation, the chosen and the rejected answer."""

_SPACES = r"[\s\x1c-\x1f]+"
_ASCII_SPACE = r"[\t-\r\x1c-\x1f]"


def fold(texts: pl.Series) -> pl.Series:
    """The folded texts, nulls kept; one per text, under the same name.

    Texts of ASCII alone take a shorter way to the same result: normalisation leaves them as they are.
    """
    plain = texts.str.len_bytes() == texts.str.len_chars()
    if plain.all():
        return _fold_ascii(texts)
    frame = texts.alias("text").to_frame().with_columns(plain=plain.fill_null(True), at=pl.int_range(pl.len()))
    ascii_rows, others = frame.filter("plain"), frame.filter(~pl.col("plain"))
    return (
        pl.concat(
            [
                ascii_rows.with_columns(_fold_ascii(ascii_rows["text"])),
                others.with_columns(_fold_unicode(others["text"])),
            ]
        )
        .sort("at")["text"]
        .alias(texts.name)
    )


def _fold_ascii(texts: pl.Series) -> pl.Series:
    return (
        texts.str.to_lowercase()
        .str.replace_all(_ASCII_SPACE, " ")
        .str.replace_all("  +", " ")  # a literal start, which the regex engine skips to
        .str.strip_chars(" ")
    )


def _fold_unicode(texts: pl.Series) -> pl.Series:
    return (
        texts.str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all("ς", "σ", literal=True)
        .str.normalize("NFC")  # lower case can leave a decomposed letter behind
        .str.replace_all(_SPACES, " ")
        .str.strip_chars(" ")
    )
