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

_SIGNS = (TURN, SECTION)


def fold(texts: pl.Series, *, signs: bool = False) -> pl.Series:
    """The folded texts, nulls kept; one per text, under the same name.

    Args:
        signs: whether `TURN` and `SECTION` are signs, which stay and take no white space around them, rather
            than the white space that they are in any other text.

    Texts of ASCII alone take a shorter way to the same result: normalisation leaves them as they are.
    """
    plain = texts.str.len_bytes() == texts.str.len_chars()
    if plain.all():
        return _fold_ascii(texts, signs)
    frame = texts.alias("text").to_frame().with_columns(plain=plain.fill_null(True), at=pl.int_range(pl.len()))
    ascii_rows, others = frame.filter("plain"), frame.filter(~pl.col("plain"))
    return (
        pl.concat(
            [
                ascii_rows.with_columns(_fold_ascii(ascii_rows["text"], signs)),
                others.with_columns(_fold_unicode(others["text"], signs)),
            ]
        )
        .sort("at")["text"]
        .alias(texts.name)
    )


def _fold_ascii(texts: pl.Series, signs: bool) -> pl.Series:
    folded = (
        texts.str.to_lowercase()
        .str.replace_all(r"[\t-\r\x1c\x1d]" if signs else r"[\t-\r\x1c-\x1f]", " ")
        .str.replace_all("  +", " ")  # a literal start, which the regex engine skips to
    )
    return _trim(folded, signs)


def _fold_unicode(texts: pl.Series, signs: bool) -> pl.Series:
    folded = (
        texts.str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all("ς", "σ", literal=True)
        .str.normalize("NFC")  # lower case can leave a decomposed letter behind
        .str.replace_all(r"[\s\x1c\x1d]+" if signs else r"[\s\x1c-\x1f]+", " ")
    )
    return _trim(folded, signs)


def _trim(texts: pl.Series, signs: bool) -> pl.Series:
    for sign in _SIGNS if signs else ():
        texts = texts.str.replace_all(f" {sign}", sign, literal=True).str.replace_all(f"{sign} ", sign, literal=True)
    return texts.str.strip_chars(" ")
