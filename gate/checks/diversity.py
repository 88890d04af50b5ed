"""The `diversity` check: whether the rows of a dataset say many things, or one thing many times.

Per row a hash of its prompt and of the words that it opens with; per shard the registers of HyperLogLogs of its
n-grams; and MinHash signatures of a sample of rows, by which the mean similarity of two rows is estimated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.duplicates.content import compared_text
from gate.checks.duplicates.shingles import chunks, shingle
from gate.checks.duplicates.signatures import Banding, band_keys
from gate.checks.duplicates.tokens import Hashes, mix, tokens
from gate.checks.hyperloglog import add, empty, estimate, merged
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.views import Frames

GRAMS = (1, 2, 3)
"""Distinct-1 and distinct-2 are those of Li et al. 2016 (arXiv:1510.03055, section 5.1); distinct-3 likewise."""
_PERMUTATIONS = 128
"""An estimate of a Jaccard index by so many has a standard error of at most 0.044; that of a mean over thousands of
pairs is far smaller."""
_OPENING = 400
"""Characters of a prompt in which the words that it opens with are looked for."""
_FACTORS = np.array([1, 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=np.uint64)

_FEATURES = pl.Schema(
    {
        "prompt": pl.UInt64,
        "opening": pl.UInt64,
        "order": pl.UInt64,  # of rows in the sample: those with the least are taken
        "signature": pl.Binary,
        **{f"registers_{size}": pl.Binary for size in GRAMS},  # in the first row of a shard
        **{f"grams_{size}": pl.UInt64 for size in GRAMS},
    }
)


_DIFFERENT = (
    ("Name a prime above 10.", "11"),
    ("Who wrote Faust?", "Johann Wolfgang von Goethe."),
    ("How long does an egg take to boil?", "Seven minutes, for a soft yolk."),
)


class DiversityParams(Params):
    """How alike rows may be."""

    min_distinct: dict[int, float]
    """The least share of different n-grams among all n-grams, by n (1, 2 or 3)."""
    ngram_rows: int = Field(ge=1)
    """Rows of each shard (up to some 30,000 rows of a file) whose n-grams are counted, chosen by their hash. The share
    of different ones falls as a text grows, and so means the same for large datasets as for small ones."""
    max_similarity: float = Field(gt=0, le=1)
    """The greatest mean Jaccard index of two different rows, on shingles of `shingle` words."""
    shingle: int = Field(ge=1, le=50)
    """Words in a shingle."""
    sample: int = Field(ge=2, le=2_000)
    """Rows whose pairs are compared."""
    opening: int = Field(ge=1, le=50)
    """Words that a prompt (or plain text) opens with by which rows are taken for one template."""
    max_opening: float = Field(gt=0, le=1)
    """The greatest share of rows that may open alike."""
    min_distinct_prompts: float = Field(ge=0, le=1)
    """The least share of different prompts."""
    minimum_rows: int = Field(ge=1)
    """Fewer rows are not judged."""


def _features(frames: Frames, params: DiversityParams, context: Context) -> pl.DataFrame:
    height = frames.examples.height
    if not height:
        return pl.DataFrame(schema=_FEATURES)
    text = compared_text(frames, "full")
    asked = _asked(frames)
    words = asked.str.head(_OPENING).str.to_lowercase().str.extract_all(r"\w+")
    long = words.list.len() > params.opening
    columns = {
        "prompt": asked.str.strip_chars().str.to_lowercase().hash(seed=1),
        "opening": words.list.head(params.opening).list.join(" ").hash(seed=2),
    }
    features = pl.DataFrame(columns).select(
        prompt=pl.when(pl.lit(asked.is_not_null())).then("prompt"),
        opening=pl.when(pl.lit(long)).then("opening"),
    )
    order = frames.examples["id"].hash(seed=3)
    by_order = order.arg_sort()
    chosen = by_order.head(params.sample).sort()
    found = shingle(text.gather(chosen), params.shingle)
    signatures = band_keys(found.values, found.offsets, Banding(_PERMUTATIONS, 1)).astype(np.uint32)
    sampled = pl.DataFrame(
        {
            "at": chosen.cast(pl.UInt32),
            "order": order.gather(chosen),
            "signature": [row.tobytes() if some else None for row, some in zip(signatures, found.counts, strict=True)],
        },
        schema_overrides={"signature": pl.Binary},
    )
    features = features.with_row_index("at").join(sampled, on="at", how="left", maintain_order="left").drop("at")
    first = pl.int_range(pl.len()) == 0
    counted = _registers(text.gather(by_order.head(params.ngram_rows)))
    return features.with_columns(
        *(pl.when(first).then(pl.lit(counted[size][0])).alias(f"registers_{size}") for size in GRAMS),
        *(pl.when(first).then(pl.lit(counted[size][1], pl.UInt64)).alias(f"grams_{size}") for size in GRAMS),
    ).select(list(_FEATURES))


def _asked(frames: Frames) -> pl.Series:
    """What an example asks: its first user message, since a system message is the same in most; or its plain text."""

    def compute() -> pl.Series:
        users = pl.element().filter(pl.element().struct.field("role") == "user").struct.field("content")
        first = pl.col("messages").list.eval(users).list.first()
        return frames.examples.select(asked=pl.when(pl.col("kind") == "text").then("text").otherwise(first))["asked"]

    return frames.once("asked", compute)


def _registers(text: pl.Series) -> dict[int, tuple[bytes, int]]:
    """The registers of all n-grams of some folded texts, and how many n-grams there are, by n."""
    registers = {size: empty() for size in GRAMS}
    counts = dict.fromkeys(GRAMS, 0)
    for part in chunks(text):
        for size, grams in _grams(part):
            add(registers[size], grams)
            counts[size] += grams.size
    return {size: (registers[size].tobytes(), counts[size]) for size in GRAMS}


def _grams(text: pl.Series) -> Iterator[tuple[int, Hashes]]:
    found = tokens(text)
    ends = np.repeat(found.offsets[1:], np.diff(found.offsets))
    left = ends - np.arange(found.hashes.size)  # words from each one to the end of its text
    grams = np.zeros(found.hashes.size, dtype=np.uint64)
    for size in GRAMS:
        rest = found.hashes[size - 1 :]
        grams = grams[: rest.size] + rest * _FACTORS[size - 1]
        yield size, mix(grams[left[: grams.size] >= size])


@check(
    "diversity",
    params=DiversityParams,
    codes={
        "repetitive": "Few of the n-grams of all texts are different ones.",
        "similar_rows": "Two rows taken at random have much in common.",
        "one_template": "Many rows open with the same words.",
        "same_prompts": "Few of the prompts are different ones.",
    },
    fails=tuple(
        {"prompt": f"Please write one short sentence about the number {n}.", "completion": f"It is {n}."}
        for n in range(30)
    ),
    passes=tuple({"prompt": prompt, "completion": answer} for prompt, answer in _DIFFERENT),
    features=_features,
    libraries=("polars", "numpy", "rensa"),
)
def diversity(corpus: Corpus, params: DiversityParams, context: Context) -> Measurement:
    """How different the rows of a dataset are: different n-grams, the similarity of two rows, rows that open alike,
    and different prompts.

    Counts of different n-grams are estimates by HyperLogLog (standard error 0.8 %), the similarity of two rows is one
    by MinHash over a sample. Score: how far a figure lies beyond what is allowed. Figures: all of them, from 0 to 1.
    """
    height = corpus.rows.height
    if height < params.minimum_rows:
        reason = f"{height:,} rows are too few to judge how different they are; it takes {params.minimum_rows:,}"
        return Measurement(wholes(()), height, skipped=reason)
    features = corpus.features
    figures: dict[str, float] = {}
    demands: list[Whole] = []
    for size in GRAMS:
        parts = features.select(f"registers_{size}", f"grams_{size}").drop_nulls().collect()
        total = int(parts[f"grams_{size}"].sum())
        if not total:
            continue
        registers = merged([np.frombuffer(each, dtype=np.uint8) for each in parts[f"registers_{size}"]])
        rate = min(1.0, estimate(registers) / total)
        figures[f"distinct {size}-grams"] = rate
        least = params.min_distinct.get(size, 0.0)
        if rate < least:
            message = f"Only {rate:.1%} of {total:,} {size}-grams are different ones; at least {least:.1%} should be."
            demands.append(Whole("repetitive", message, least - rate, f"{size}-grams"))
    similarity = _similarity(features, params.sample)
    if similarity is not None:
        figures["mean similarity of two rows"] = similarity
        if similarity > params.max_similarity:
            message = (
                f"Two rows have a Jaccard index of {similarity:.2f} on average; {params.max_similarity} is allowed."
            )
            demands.append(Whole("similar_rows", message, similarity - params.max_similarity))
    demands += _rows_alike(features, params, figures)
    return Measurement(wholes(demands), height, figures)


def _rows_alike(features: pl.LazyFrame, params: DiversityParams, figures: dict[str, float]) -> Iterator[Whole]:
    both = features.select("prompt", "opening").collect()
    prompts = both["prompt"].drop_nulls()
    if len(prompts):
        share = prompts.n_unique() / len(prompts)
        figures["different prompts"] = share
        if share < params.min_distinct_prompts:
            should = f"{params.min_distinct_prompts:.0%} should be"
            message = f"{share:.1%} of {len(prompts):,} prompts are different ones; {should}."
            yield Whole("same_prompts", message, params.min_distinct_prompts - share)
        openings = both["opening"].drop_nulls()
        most = int(openings.value_counts()["count"].max() or 0)  # type: ignore[arg-type]
        share = most / len(prompts)
        figures["greatest share that opens alike"] = share
        if share > params.max_opening:
            alike = f"open with the same {params.opening} words"
            message = f"{most:,} rows ({share:.1%}) {alike}; {params.max_opening:.0%} is allowed."
            yield Whole("one_template", message, share - params.max_opening)


def _similarity(features: pl.LazyFrame, sample: int) -> float | None:
    """The mean Jaccard index of two rows of different content, estimated on a sample; None where there are none."""
    rows = features.select("order", "signature").drop_nulls().unique("order").sort("order").head(sample).collect()
    if rows.height < 2:
        return None
    signatures = np.frombuffer(b"".join(rows["signature"]), dtype=np.uint32).reshape(rows.height, _PERMUTATIONS)
    # For each permutation, the pairs that agree are those within a group of equal values.
    agreeing = sum(_pairs(signatures[:, at]) for at in range(_PERMUTATIONS))
    return agreeing / _PERMUTATIONS / (rows.height * (rows.height - 1) / 2)


def _pairs(values: NDArray[np.uint32]) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1) / 2).sum())
