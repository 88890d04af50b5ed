"""Splits folded texts into words and hashes each word to 64 bits, without a Python string per word.

A word is a run of letters, marks, numbers (also `²` and `½`) and `_`. In scripts that put no spaces between words, each
character is a word of its own, so that n-grams of words are n-grams of characters there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.fold import SECTION

UNSPACED = (
    "Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan",
    "Javanese", "Balinese", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet",
)  # fmt: skip
"""Scripts written without spaces between words (Unicode Standard Annex 29 asks for a dictionary there)."""

_UNSPACED = "[" + "".join(rf"\p{{{script}}}" for script in UNSPACED) + "]"
_FOREIGN_GAP = r"[^\w\p{N}\x00-\x7f]+"

_ROW_END = b"\n"  # folded texts hold none
_WORD_BYTE = np.zeros(256, dtype=bool)
_WORD_BYTE[[*b"abcdefghijklmnopqrstuvwxyz0123456789_", *range(0x80, 256)]] = True

_LONG_WORD = 256
"""Words of more bytes are hashed one by one: the vectorised hash goes over the longest word's blocks."""

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]

_LENGTH = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = np.uint64(0xD6E8FEB86659FD93)
_SECTIONS = np.array([0, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of some texts, in order."""

    hashes: Hashes
    """One per word, of all texts one after the other."""
    offsets: Offsets
    """Length texts + 1: the words of text i are `hashes[offsets[i]:offsets[i + 1]]`."""


def mix(values: Hashes) -> Hashes:
    """The 64-bit finaliser of MurmurHash3 (Appleby, 2011): a bijection after which every bit depends on
    every other. Works in place."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values ^= values >> np.uint64(33)
        values *= np.uint64(factor)
    values ^= values >> np.uint64(33)
    return values


def tokens(texts: pl.Series) -> Tokens:
    """The hashed words of folded texts; a null text has none.

    A word in another section (after a `SECTION` sign) hashes differently, so that an answer swapped from
    chosen to rejected is other content.
    """
    buffer = _bytes(_spaced(texts.fill_null("")))
    word = _WORD_BYTE[buffer]
    # Positions where a run of word bytes begins or ends; the buffer ends with a byte that is in no word.
    edges = np.flatnonzero(word[1:] != word[:-1]) + 1
    if word[0]:
        edges = np.concatenate(([0], edges))
    starts, ends = edges[0::2], edges[1::2]
    row_ends = np.flatnonzero(buffer == _ROW_END[0])
    offsets = np.concatenate(([0], np.searchsorted(starts, row_ends))).astype(np.int64)
    hashes = _hash_words(buffer, starts, ends)
    sections = np.flatnonzero(buffer == ord(SECTION))
    if sections.size:
        before = np.searchsorted(sections, np.concatenate(([0], row_ends[:-1])))
        section = np.searchsorted(sections, starts) - np.repeat(before, np.diff(offsets))
        hashes ^= _SECTIONS[section]
    return Tokens(hashes, offsets)


def word_counts(texts: pl.Series) -> pl.Series:
    """About how many words each text has, for saying that it is short: runs of anything but white space, and each
    character by itself in scripts that put no spaces between words. Nulls stay."""
    foreign = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    others = texts.gather(foreign).str.replace_all(_UNSPACED, " $0 ")
    return texts.clone().scatter(foreign, others).str.count_matches(r"\S+")


def _spaced(texts: pl.Series) -> pl.Series:
    """The texts with every word between ASCII characters that are none, and nothing else beyond ASCII."""
    plain = texts.str.len_bytes() == texts.str.len_chars()
    if plain.all():
        return texts
    others = texts.filter(~plain).str.replace_all(_FOREIGN_GAP, " ").str.replace_all(_UNSPACED, " $0 ")
    spaced = texts.clone()
    return spaced.scatter((~plain).arg_true(), others)


def _bytes(texts: pl.Series) -> NDArray[np.uint8]:
    """All texts in UTF-8, each followed by a line feed, then eight bytes that are in no word."""
    joined = texts.str.join("\n").item() if len(texts) else ""
    end = _ROW_END if len(texts) else b""
    return np.frombuffer(b"".join((joined.encode(), end, b" " * 8)), dtype=np.uint8)


def _hash_words(buffer: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """A 64-bit hash of `buffer[start:end]` for each word, eight bytes at a time.

    One block is mixed by a bijection, so words of up to eight bytes and the same length never collide.
    """
    lengths = ends - starts
    # Every byte position seen as the start of a little-endian block of eight.
    blocks = np.lib.stride_tricks.as_strided(
        buffer[: buffer.size - buffer.size % 8].view("<u8"), shape=(buffer.size - 7,), strides=(1,)
    )
    hashes = lengths.astype(np.uint64) * _LENGTH
    some = np.arange(starts.size)
    for position in range(0, min(int(lengths.max(initial=0)), _LONG_WORD), 8):
        if position:
            some = some[lengths[some] > position]
        left = np.minimum(lengths[some] - position, 8).astype(np.uint64)
        block = blocks[starts[some] + position]
        block &= np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - left * np.uint64(8))
        hashes[some] = mix(hashes[some] * _BLOCK + block)
    # A loop over the words too long for the blocks above: there are next to none, and each is hashed in C.
    for index in np.flatnonzero(lengths > _LONG_WORD):
        digest = hashlib.blake2b(buffer[starts[index] : ends[index]].tobytes(), digest_size=8).digest()
        hashes[index] = int.from_bytes(digest, "little")
    return hashes
