"""Lines, paragraphs and runs of words that come again and again, by the rules of Gopher.

Rae et al. 2021, "Scaling Language Models" (arXiv:2112.11446), table A1. As datatrove reads that table, an occurrence
is a duplicate from the second one on, and characters within overlapping duplicates count once.
Runs of words are counted by hashes in NumPy for all rows at once; only rows that may exceed a limit are read word by
word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from gate.checks.qualities.problems import Problem, report

_ROWS = 30_000  # looked at together; their number and a hash share 64 bits
_HASH = np.uint64(48)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio (Knuth, TAOCP 3, section 6.4)
_SLACK = 2.0
"""A row is read word by word from half of a limit counted in words: the limits are in characters, and repeated words
may be longer than others."""


def repeated_lines(rows: pl.DataFrame, lines: float, characters: float, least: int) -> pl.DataFrame:
    """Rows of at least `least` lines, or paragraphs, of which at least the share `lines` repeat an earlier one, or
    hold at least the share `characters` of the text."""
    text = pl.col("text")
    found: list[pl.DataFrame] = []
    for separator, what in (("\n", "lines"), ("\n\n", "paragraphs")):
        long = rows.filter(text.str.count_matches(separator, literal=True) >= least - 1)
        measured = (
            long.lazy()
            .select("index", part=text.str.split(separator))
            .explode("part")
            .with_columns(part=pl.col("part").str.strip_chars())
            # What holds no two letters is a rule, a bracket or a number: tables and code are full of those.
            .filter(pl.col("part").str.contains(r"\p{L}{2}"))
            .with_columns(again=~pl.struct("index", "part").is_first_distinct(), size=pl.col("part").str.len_chars())
            .group_by("index", maintain_order=True)
            .agg(
                parts=pl.len(),
                share=pl.col("again").mean(),
                chars=(pl.col("size") * pl.col("again")).sum() / pl.col("size").sum(),
            )
            .filter(pl.col("parts") >= least, (pl.col("share") >= lines) | (pl.col("chars") >= characters))
            .select("index", what=pl.lit(what), share="share", chars="chars")
            .collect()
        )
        found.append(measured)
    every = pl.concat(found).unique("index", keep="first", maintain_order=True)
    every = rows.join(every, on="index", maintain_order="left").filter(~text.str.contains("```", literal=True))
    share = pl.max_horizontal("share", "chars")
    message = pl.format("{} % of the {} repeat earlier ones", (100 * share).round(0).cast(pl.Int64), "what")
    return report(every, Problem.REPEATED_LINES, message, score=share)


@dataclass(frozen=True, slots=True)
class Limits:
    """From which shares of a text's characters on runs of n words are too many."""

    top: Mapping[int, float]
    """By n: the share of the n-gram that holds most."""
    duplicate: Mapping[int, float]
    """By n: the share of all repetitions of n-grams together."""
    words: int
    """A shorter text is not judged."""


def repeated_words(rows: pl.DataFrame, limits: Limits, loops: Limits) -> Iterator[pl.DataFrame]:
    """Rows with too many repeated runs of words; what is stuck in a loop is told from what repeats itself. Answers
    with blocks of code are left out."""
    least = min(limits.words, loops.words)
    text = pl.col("text")
    long = rows.filter(text.str.count_matches(r"[ \n]") >= least - 1)
    parts = [_suspects(long[start : start + _ROWS], limits, loops) for start in range(0, long.height, _ROWS)]
    maybe = pl.concat(parts or [long]).filter(~text.str.contains("```", literal=True))
    # A loop over the suspects, 6 % of 11,082 real rows and none of generated ones: 0.3 ms each.
    for problem, demanded in ((Problem.LOOP, loops), (Problem.REPEATED_WORDS, limits)):
        measured = [_worst(each, demanded) for each in maybe["text"]]
        schema = {"n": pl.Int64, "share": pl.Float64, "limit": pl.Float64}
        worst = maybe.hstack(pl.DataFrame(measured, schema=schema, orient="row"))
        found = worst.filter(pl.col("share") >= pl.col("limit"))
        percent = (100 * pl.col("share")).round(0).cast(pl.Int64)
        message = pl.format("repeated runs of {} words hold {} % of the text", "n", percent)
        yield report(found, problem, message, score=pl.col("share"))
        maybe = maybe.join(found, on="index", how="anti")


def _suspects(rows: pl.DataFrame, limits: Limits, loops: Limits) -> pl.DataFrame:
    """The rows that may exceed a limit. Of the repeated n-grams only the shortest are counted: where a longer one
    comes again, so do the shorter ones in it."""
    split = rows.select(word=pl.col("text").str.replace_all("\n", " ", literal=True).str.split(" "))
    sizes = split["word"].list.len().to_numpy().astype(np.int64)
    hashes = split["word"].explode().hash(seed=0).to_numpy()
    doc = np.repeat(np.arange(rows.height, dtype=np.uint64), sizes)
    flagged = np.zeros(rows.height, dtype=bool)
    repeats: dict[int, np.ndarray] = {}
    for each in (limits, loops):
        judged = sizes >= each.words
        if each.duplicate:
            n = min(each.duplicate)
            if n not in repeats:
                keys = np.sort(_keys(hashes, doc, n))
                again = (keys[1:][keys[1:] == keys[:-1]] >> _HASH).astype(np.int64)
                repeats[n] = np.bincount(again, minlength=rows.height)
            enough = repeats[n] * n * _SLACK >= min(each.duplicate.values()) * sizes
            flagged |= judged & (repeats[n] > 0) & enough
        if each.top:
            n = min(each.top)
            keys = np.sort(_keys(hashes, doc, n))
            starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if keys.size else np.empty(0, np.int64)
            most = np.zeros(rows.height, dtype=np.int64)
            np.maximum.at(most, (keys[starts] >> _HASH).astype(np.int64), np.diff(np.append(starts, keys.size)))
            flagged |= judged & (most > 1) & (most * n * _SLACK >= min(each.top.values()) * sizes)
    return rows.filter(pl.Series(flagged))


def _keys(hashes: np.ndarray, doc: np.ndarray, n: int) -> np.ndarray:
    """One number for each n-gram: its row's number above 48 bits of its hash (u64)."""
    size = hashes.size - n + 1
    if size <= 0:
        return np.empty(0, dtype=np.uint64)
    mixed = np.zeros(size, dtype=np.uint64)
    for offset in range(n):
        mixed = (mixed ^ hashes[offset : offset + size]) * _FACTOR
    inside = doc[:size] == doc[n - 1 :]
    keys: np.ndarray = (doc[:size][inside] << _HASH) | (mixed[inside] >> np.uint64(16))
    return keys


def _worst(text: str, limits: Limits) -> tuple[int, float, float]:
    """The n whose share most exceeds its limit, that share of the characters, and the limit."""
    words = text.split()
    total = sum(map(len, words))
    best = (0, 0.0, 1.0)
    if len(words) < limits.words or not total:
        return best
    for n, limit in limits.top.items():
        grams = Counter(zip(*(words[at:] for at in range(n)), strict=False))
        share = max((count * sum(map(len, gram)) for gram, count in grams.items() if count > 1), default=0) / total
        best = max(best, (n, share, limit), key=lambda each: each[1] / each[2])
    for n, limit in limits.duplicate.items():
        seen: set[tuple[str, ...]] = set()
        covered = bytearray(len(words))
        for at in range(len(words) - n + 1):
            run = tuple(words[at : at + n])
            if run in seen:
                covered[at : at + n] = b"\1" * n
            seen.add(run)
        share = sum(len(word) for word, hit in zip(words, covered, strict=True) if hit) / total
        best = max(best, (n, share, limit), key=lambda each: each[1] / each[2])
    return best
