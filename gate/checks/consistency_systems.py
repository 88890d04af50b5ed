"""System messages that are almost another one: the same but for case, spaces and signs, or for a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from gate.data.corpus import Corpus

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Variant:
    """A rarer system message beside the common one that it is almost."""

    position: int
    """A row that has it, one that the base does not have if there is any."""
    model: int
    """A row that has the common one."""
    rows: int
    model_rows: int
    words: int
    """Words that differ; 0: case, white space and signs only."""


def variants(corpus: Corpus, rows: pl.DataFrame, *, share: float, shortest: int, most: int) -> Iterator[Variant]:
    """System messages that at most `share` as many rows have as one that they are almost equal to.

    Args:
        rows: the features, with `position` and `old`.
        shortest: words from which two messages that differ in one word are variants of each other; shorter ones are
            roles ("You are a lawyer").
        most: distinct messages up to which they are compared word by word; more are made to differ.
    """
    counted = (
        rows.filter(pl.col("system").is_not_null())
        .sort("old", "position")
        .group_by("system", maintain_order=True)
        .agg(pl.col("folded").first(), pl.col("position").first(), pl.len())
        .sort("len", "position", descending=[True, False])
    )
    common = counted.group_by("folded", maintain_order=True).agg(pl.all().first())
    for row in (
        counted.join(common, on="folded", suffix="_model", maintain_order="left")
        .filter(pl.col("system") != pl.col("system_model"))
        .iter_rows(named=True)
    ):
        if row["len"] <= share * row["len_model"]:
            yield Variant(row["position"], row["position_model"], row["len"], row["len_model"], 0)
    if not 1 < common.height <= most:
        return
    texts = corpus.examples(common["position"])["messages"].list.first().struct.field("content")
    words = [_WORD.findall(text.lower()) for text in texts]
    numbers = common.select("position", "len").rows()
    # Pairs in a loop: at most `most` messages, of which only those of one length and with a far commoner one are
    # compared; 1,000 messages take some 0.3 s.
    for rare in range(1, common.height):
        position, count = numbers[rare]
        if len(words[rare]) < shortest:
            continue
        for often in range(rare):
            if count > share * numbers[often][1]:
                break
            if len(words[rare]) == len(words[often]) and _one_word(words[rare], words[often]):
                yield Variant(position, numbers[often][0], count, numbers[often][1], 1)
                break


def _one_word(left: list[str], right: list[str]) -> bool:
    """Whether exactly one word differs, and not by its figures: a date is made to differ."""
    apart = [(one, other) for one, other in zip(left, right, strict=True) if one != other]
    return len(apart) == 1 and not any(character.isdigit() for word in apart[0] for character in word)
