"""Where in a text a phone number can be at all, so that the slow matcher looks only there.

Presidio's PhoneRecognizer runs python-phonenumbers' matcher over the whole text once per region. What that finds
lies within one match of the library's own candidate pattern, and whether it counts depends on this candidate and
the characters beside it alone. So a text falls into pieces (digits that one candidate may join) that are judged
one by one; and a piece holds no number of a region unless its digits contain, side by side, what some number type
in the region's metadata matches, or a country code behind a plus or a dialling prefix. The metadata asked is the
library's own, as installed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from phonenumbers.phonemetadata import PhoneMetadata

# phonenumbers.phonenumbermatcher._PATTERN (9.0): digits, leading brackets and plus signs, punctuation, and what
# extensions are made of (ext, extension, extensión, доб, anexo, int, x, #, ~, ;ext=, in half and full width).
_PUNCTUATION = r"\-xX‐-―−ー－-／ \u00a0\u00ad\u200b\u2060\u3000()（）［］.\[\]/~⁓∼～"
_EXTENSION = (
    _PUNCTUATION + r",;=:．#＃\tetxnsioaETXNSIOAóÓ\u0301доб\u0414\u041e\u0411\u1c81\u1c82ｅｘｔｎｉＥＸＴＮＩıİſ"
)
"""Superset of what extensions are made of: ext, extension, extensión, доб, anexo, int, x, #, ~, ;ext=."""
_GAP = (
    rf"(?:[{_PUNCTUATION}]{{0,4}}|[\- ]*"
    rf"|[{_EXTENSION}]*?(?:[xXｘＸ#＃~～;б\u0411]|[nN][tT]|[ｎＮ][ｔＴ])[{_EXTENSION}]*?)"
)
"""What may stand between two digits of one candidate (phonenumbers.phonenumbermatcher._PATTERN): a little
punctuation, or something with the mark of an extension in it."""


def _piece(digit: str) -> str:
    """All digits that one candidate can have, and a plus sign before them: a regex for Rust and Python alike."""
    return rf"(?:[+＋][{_PUNCTUATION}+＋]{{0,9}})?{digit}(?:{_GAP}{digit})*"


PIECE = re.compile(_piece(r"\d"))
_RUST_DIGIT = r"[\p{Nd}\p{Cn}]"
_RUST_PIECE = _piece(_RUST_DIGIT)
_LEAST_DIGITS = 4
"""No region's numbers are shorter (`regions_of` refuses otherwise): a cheap first look."""

# A candidate with three letters or more is read as a vanity number (x is 9), and digits of other scripts are
# converted: such pieces are not judged by their ASCII digits but always looked into. Of the letters that a
# candidate can have, three at once need an x or the word "int".
_RUST_LETTERS = r"[A-Za-z](?s:.)*[A-Za-z](?s:.)*[A-Za-z]"
_RUST_OTHER_DIGITS = r"[\p{Nd}\p{Cn}--[0-9]]"
_PLUS = "[+＋]"
_NUMBER_TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Regions:
    """What the digits of a window must contain to be a number of each region, as regular expressions over ASCII
    digits that Python and Rust read alike."""

    patterns: dict[str, str]
    international: int
    """The fewest digits of a country code and a number behind it, in any country."""

    def possible(self, texts: pl.Series) -> pl.Series:
        """Which texts have a piece in which some region's number can be: a superset, one boolean per text."""
        pieces = (
            texts.alias("text")
            .to_frame()
            .with_row_index("at")
            .filter(pl.col("text").str.contains(rf"{_RUST_DIGIT}(?:{_GAP}{_RUST_DIGIT}){{{_LEAST_DIGITS - 1}}}"))
            .select("at", piece=pl.col("text").str.extract_all(_RUST_PIECE))
            .explode("piece")
            .drop_nulls()
        )
        digits = pl.col("piece").str.replace_all("[^0-9]", "")
        may_be = (
            digits.str.contains("|".join(f"(?:{pattern})" for pattern in self.patterns.values()))
            | (pl.col("piece").str.contains(_PLUS) & (digits.str.len_bytes() >= self.international))
            | pl.col("piece").str.contains(_RUST_LETTERS)
            | pl.col("piece").str.contains(_RUST_OTHER_DIGITS)
        )
        found = pieces.filter(may_be)["at"].unique()
        return pl.int_range(texts.len(), eager=True, dtype=pl.UInt32).is_in(found.implode())

    def of(self, piece: str) -> tuple[str, ...]:
        """The regions of which a number may be in one piece."""
        digits = "".join(character for character in piece if character in "0123456789")
        if (
            (len(digits) >= self.international and piece[0] in "+＋")
            or len(digits) < sum(map(str.isdecimal, piece))
            or sum(character.isascii() and character.isalpha() for character in piece) >= 3
        ):
            return tuple(self.patterns)
        return tuple(region for region, pattern in self.patterns.items() if re.search(pattern, digits))


def regions_of(supported: Sequence[str]) -> Regions | None:
    """What the installed metadata says about some regions; None where it cannot be summed up in digits."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.phonemetadata import PhoneMetadata

    by_code: dict[int, list[PhoneMetadata]] = {}
    for code, names in COUNTRY_CODE_TO_REGION_CODE.items():
        for name in names:
            found = PhoneMetadata.metadata_for_region_or_calling_code(code, name)
            if found is not None:
                by_code.setdefault(code, []).append(found)
    international = min(
        len(str(code)) + _shortest(one) - _digits_added(one.national_prefix_transform_rule)
        for code, metadata in by_code.items()
        for one in metadata
    )
    patterns = {}
    for region in supported:
        own = PhoneMetadata.metadata_for_region(region, None)
        if own is None or own.country_code is None or own.international_prefix is None:
            return None
        relatives = by_code[own.country_code]  # a number is valid in any region that shares the country code
        if _digits_added(own.national_prefix_transform_rule) or _digits_added(
            relatives[0].national_prefix_transform_rule
        ):
            return None  # the digits that are judged are not those that stand in the text
        if min(map(_shortest, relatives)) < _LEAST_DIGITS:
            return None
        valid = _alternatives(
            description.national_number_pattern
            for one in relatives
            for description in (getattr(one, name) for name in _NUMBER_TYPES)
            if description is not None and description.national_number_pattern
        )
        # A dialling prefix counts unless a zero follows it (phonenumberutil._parse_prefix_as_idd).
        dialled = f"(?:{own.international_prefix})[1-9][0-9]{{{international - 1},}}"
        patterns[region] = f"{valid}|{dialled}".replace(r"\d", "[0-9]")
    try:
        pl.Series([""]).str.contains("|".join(f"(?:{pattern})" for pattern in patterns.values()))
    except pl.exceptions.ComputeError:
        return None
    return Regions(patterns, international)


def _shortest(metadata: PhoneMetadata) -> int:
    """Digits of the shortest national number."""
    lengths = metadata.general_desc.possible_length if metadata.general_desc else ()
    return min(lengths, default=0)


def _alternatives(patterns: Iterable[str]) -> str:
    return "(?:" + "|".join(f"(?:{pattern})" for pattern in patterns) + ")"


def _digits_added(rule: str | None) -> int:
    """How many literal digits a national-prefix transform rule such as `268\\1` puts in front."""
    return len(re.sub(r"\\\d|\D", "", rule or ""))
