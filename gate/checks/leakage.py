"""The check for rows of one split that come again in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, Severity, check, found
from gate.checks.duplicates.candidate_sets import candidate_sets
from gate.checks.duplicates.canonical import content_hash
from gate.checks.duplicates.copies import first_of_same
from gate.checks.duplicates.findings import located
from gate.checks.duplicates.near import NearDuplicates, find_near_duplicates
from gate.checks.duplicates.order import levels, ranks
from gate.checks.duplicates.signatures import Banding, banding
from gate.checks.duplicates.sketches import partition, sketches
from gate.checks.duplicates.tokens import word_counts
from gate.data.corpus import Corpus
from gate.data.frame import SPLITS
from gate.data.views import Frames

Rows = NDArray[np.int64]

CODES = {
    "exact_leak": "a row of another split, which is kept, has the same content after folding",
    "near_leak": "a row of another split, which is kept, has almost the same shingles",
    "prompt_leak": "a row of another split has the same prompt after folding, answered or labelled otherwise",
}

_MESSAGES = {
    "exact_leak": "Same content as {} of the {} split, which is kept.",
    "near_leak": "Near-duplicate of {} of the {} split, which is kept (Jaccard {}).",
    "prompt_leak": "Same prompt as {} of the {} split.",
}

_QUESTION = "How many minutes does a tram take from the harbour to the old town if it stops eleven times on the way?"


class LeakageParams(Params):
    threshold: float = Field(gt=0, le=1)
    """The Jaccard index on sets of shingles from which a row of another split is the same, inclusive."""
    shingle: int = Field(ge=1, le=50)
    """Words in a shingle (characters where the script puts no spaces between words)."""
    permutations: int = Field(ge=1, le=1024)
    """Length of a MinHash signature."""
    recall: float = Field(gt=0, lt=1)
    """The probability with which a pair right at the threshold has to be found; bands are chosen for it."""
    prompts: Literal["warning", "info", "ignore"]
    """What a prompt is that another split has with another answer or label: a warning, a note, or nothing."""
    minimum_words: int = Field(ge=0)
    """Prompts of fewer words (runs of anything but white space, or characters where the script has no spaces; all
    turns counted) may come again: "Summarise this text" is asked in every split."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        self.banding()
        return self

    def banding(self) -> Banding:
        return banding(self.permutations, self.threshold, self.recall)


class UnsplitParams(LeakageParams):
    """The same where splits are still to be made: every row has features, and not only those that have a split."""

    unsplit: Literal[True] = True


def _features(frames: Frames, params: LeakageParams, context: Context) -> pl.DataFrame:
    """The sketch of each row that has a split, the hashes of its content and its prompt, and the words of its prompt:
    some 240 bytes. The sketches are those of near-duplicates, and are worked out once for both."""
    every = isinstance(params, UnsplitParams)
    known = frames.examples["split"].is_not_null()
    if not every and not known.any():
        frames = Frames(frames.examples.clear(), frames.malformed)
        known = frames.examples["split"].is_not_null()
    sketched = sketches(frames, "full", params.shingle, params.banding(), context.workers.cores)
    features = pl.concat([sketched, frames.once("hashes for leakage", lambda: _hashes(frames))], how="horizontal")
    return features if every else features.filter(known)


def _hashes(frames: Frames) -> pl.DataFrame:
    parts = [
        content_hash(frames, "full"),
        content_hash(frames, "prompt", "prompt", with_label=False),
        word_counts(frames.prompt).alias("words").to_frame(),
    ]
    return pl.concat(parts, how="horizontal")


@check(
    "leakage",
    params=LeakageParams,
    codes=CODES,
    fails=(
        {"question": _QUESTION, "answer": "It takes 22 minutes.", "split": "train"},
        {"question": _QUESTION.upper(), "answer": "It takes 22 minutes.", "split": "test"},
    ),
    passes=(
        {"question": _QUESTION, "answer": "It takes 22 minutes.", "split": "test"},
        {"question": "Which bridges does the tram cross?", "answer": "It crosses two.", "split": "train"},
    ),
    features=_features,
    libraries=("polars", "numpy", "rensa", "scipy", "orjson"),
)
def leakage(corpus: Corpus, params: LeakageParams, context: Context) -> Measurement:
    """Rows whose content, or nearly that, is also in another split: a row of the train split that is in validation
    or test, and one of validation that is in test. Prompts that come again are told apart.

    The finding is about the row that has to go, the partner is the row that stays: what a model is judged by stays,
    and what it would have learned by heart goes. A row that goes is compared with nothing else, so that the partner
    is one that this check keeps. Rows of different kinds or labels are compared by their prompts alone, and rows
    without a split not at all.
    """
    known = corpus.rows["split"].is_not_null().arg_true().to_numpy()
    rows = corpus.rows[known]
    splits = [split for split in SPLITS if (rows["split"] == split).any()]
    if len(splits) < 2:
        reason = f"only the {splits[0]} split has rows" if splits else "no row says which split it is in"
        return Measurement(NOTHING_FOUND, 0, skipped=f"{reason}: there is nothing to compare")
    content = corpus.features.select("shingles", "content_0", "content_1", "prompt_0", "prompt_1", "words").collect()
    rank, level = ranks(rows), levels(rows)
    near = _near(corpus, known, rows, params, rank, level, context)
    leaks = _contents(content, near, rank, level)
    prompts = _prompts(content, leaks, params.minimum_words, rank, level)
    severity: Severity | None = "info" if params.prompts == "ignore" else params.prompts
    parts = [_findings(corpus, known, leak) for leak in leaks]
    if params.prompts != "ignore":
        parts.append(_findings(corpus, known, prompts, severity))
    figures = {
        "rows": float(rows.height),
        "candidate_pairs": float(near.candidates),
        "verified_pairs": float(near.verified),
        **{f"{leak.code}s": float(leak.rows.size) for leak in (*leaks, prompts)},
    }
    return Measurement(pl.concat(parts).sort("file", "row"), rows.height, figures)


@dataclass(frozen=True, slots=True)
class _Leak:
    """Rows of one code, and for each the row of another split that stays. Positions among the rows with a split."""

    code: str
    rows: Rows
    keepers: Rows
    score: NDArray[np.float64]


def _near(
    corpus: Corpus, known: Rows, rows: pl.DataFrame, params: LeakageParams, rank: Rows, level: Rows, context: Context
) -> NearDuplicates:
    return find_near_duplicates(
        corpus.features,
        candidate_sets(corpus, "full", params.shingle, context.workers.cores, context.memo, of=known),
        rank,
        partition(rows),
        threshold=params.threshold,
        cut=params.banding(),
        levels=level,
        threads=context.workers.cores,
    )


def _contents(content: pl.DataFrame, near: NearDuplicates, rank: Rows, level: Rows) -> tuple[_Leak, _Leak]:
    """The rows with the same content as one that stays, and those with nearly the same."""
    gone = level[near.keeper] != level
    same = first_of_same(content.select("content_0", "content_1"), rank)
    same = np.where(same >= 0, same, np.arange(same.size))
    # Where the first of the same content goes itself, all of them go, and by the same row.
    is_exact = (level[same] != level) & ~gone[same]
    exact = np.flatnonzero(is_exact)
    nearly = np.flatnonzero(gone & ~is_exact)
    return (
        _Leak("exact_leak", exact, same[exact], np.ones(exact.size)),
        _Leak("near_leak", nearly, near.keeper[nearly], near.score[nearly]),
    )


def _prompts(content: pl.DataFrame, leaks: tuple[_Leak, ...], minimum_words: int, rank: Rows, level: Rows) -> _Leak:
    """The rows whose prompt is in another split, but for those that leak as a whole."""
    stays = np.ones(level.size, dtype=bool)
    for leak in leaks:
        stays[leak.rows] = False
    compared = content.select(
        pl.when(pl.lit(pl.Series(stays)) & (pl.col("words") >= minimum_words)).then("prompt_0"), "prompt_1"
    )
    same = first_of_same(compared, rank)
    rows = np.flatnonzero((same >= 0) & (level[same] != level))
    return _Leak("prompt_leak", rows, same[rows], np.full(rows.size, np.nan))


def _findings(corpus: Corpus, known: Rows, leak: _Leak, severity: Severity | None = None) -> pl.DataFrame:
    if not leak.rows.size:
        return NOTHING_FOUND
    own, kept = located(corpus, known[leak.rows], known[leak.keepers])
    split = corpus.rows["split"].cast(pl.String)
    from_split, to_split = split.gather(known[leak.rows]), split.gather(known[leak.keepers])
    place = pl.format("{}:{}", kept["file"], kept["row"])
    whole = leak.code != "prompt_leak"
    # Rounded down: a pair just below 1 does not read as 1.
    shown = [pl.Series(np.floor(leak.score * 1000) / 1000).cast(pl.String)] if leak.code == "near_leak" else []
    return found(
        own.with_columns(
            message=pl.format(_MESSAGES[leak.code], place, to_split, *shown),
            code=pl.lit(leak.code),
            severity=pl.lit(severity, dtype=pl.String),
            group=pl.format("{}→{}", from_split, to_split),
            partner=kept["id"],
            score=pl.Series(leak.score) if whole else pl.lit(None),
            remedy=pl.lit("drop" if whole else "review"),
        )
    )
