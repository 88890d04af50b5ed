"""Which rows hold which evaluation item, and how: overlaps with questions, answers and passages, taken together.

A row is said to hold an item once, in the worst way in which it does; of several items of one evaluation set, the
worst is named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.contamination.index import ANSWER, PASSAGE, QUESTION, Index
from gate.checks.contamination.overlap import Segments, overlaps
from gate.checks.contamination.words import Numbers

CODES = {
    "contains_item": "The row holds the question of an evaluation item, and its answer where it has one.",
    "question_only": "The row holds the question of an evaluation item with another answer, or with none.",
    "answer_only": "The row holds the long answer of an evaluation item, though not its question.",
    "near_duplicate_of_item": "The row holds most of an evaluation item's question: an edited or truncated copy, or "
    "the same question with other numbers or names.",
    "passage_only": "The row holds the passage that evaluation items ask about, and none of the questions.",
    "shares_run": "The row and an evaluation item have a long run of words in common, and little else.",
}
"""The worst first."""

RANKS = tuple(CODES)
INFORMATION = ("passage_only", "shares_run")
"""What is no contamination by itself."""

_KINDS = {"q": QUESTION, "a": ANSWER, "p": PASSAGE}

_REFINED = 3
"""Words per n-gram in the closer look. Fewer would count words that two texts have in common by chance."""

_REACH = 2
"""How much of a row is looked at closely: this many times the length of the item, on either side of where it is."""

MATCHES = pl.Schema(
    {  # type: ignore[arg-type]  # mypy joins data type classes and instances to object
        "index": pl.Int64,  # of the row
        "item": pl.Int64,
        "code": pl.Enum(RANKS),
        "score": pl.Float64,  # share of the part's words by weight: question, answer or passage, as the code says
        "first": pl.Int64,  # words of the chunk between which the common part lies
        "last": pl.Int64,
    }
)


@dataclass(frozen=True, slots=True)
class Demands:
    """From what on a row holds an item; see `ContaminationParams`."""

    containment: float
    near: float
    part: float
    run: int
    contained: int
    alone: int
    boilerplate: int


def matches(texts: Segments, index: Index, demands: Demands) -> pl.DataFrame:
    """The items that rows hold (schema `MATCHES`), one per row and item."""
    common = overlaps(texts, index, demands.boilerplate)
    total = (index.weights[index.offsets[1:]] - index.weights[index.offsets[:-1]])[common.parts]
    lengths = index.lengths[common.parts]
    share = np.divide(common.covered, total, out=np.zeros(total.size), where=total > 0)
    # Enough words that are this item's own; a short text, or one of a template alone, has to be there whole.
    enough = (lengths >= demands.run) & (common.covered >= demands.contained)
    entire = (common.words == lengths) & (common.equal | (lengths >= demands.contained))
    held = entire | ((share >= demands.containment) & enough)
    share = np.where(entire, 1.0, share)
    long_enough = lengths >= demands.run
    near = ~held & long_enough & (share >= demands.near / 2)
    runs = ~held & long_enough & (common.run >= demands.run)
    # A copy cut off: much of the item in one piece, or a text of the row that is nothing but a piece of it.
    text, end = (np.searchsorted(texts.offsets, place, side="right") - 1 for place in (common.first, common.last))
    piece = (common.words >= np.diff(texts.offsets)[text]) & (text == end) & (share >= demands.near / 2)
    cut = long_enough & (piece | (runs & (common.run >= demands.part * lengths)))
    cut &= ~held & (common.covered >= demands.contained)
    some = held | near | runs | cut
    pairs = pl.DataFrame(
        {
            "row": common.rows[some],
            "part": common.parts[some],
            "share": share[some],
            "held": held[some],
            "near": near[some],
            "cut": cut[some],
            "runs": runs[some],
            "alone": (lengths >= demands.alone)[some],
            "long": (common.covered >= demands.run)[some],
            "shared": index.sharing[common.parts][some],
            "first": common.first[some],
            "last": common.last[some] + index.size,
        }
    )
    if pairs.is_empty():
        return pl.DataFrame(schema=MATCHES)
    return _named(_refined(pairs, texts, index, demands), texts, index, demands)


def _refined(pairs: pl.DataFrame, texts: Segments, index: Index, demands: Demands) -> pl.DataFrame:
    """Pairs with `near` as a closer look finds it.

    A Python loop over candidates only: next to no row is one (30 µs each; 0.1 % of the rows of a dataset on the same
    subject as the evaluation).
    """
    share, near = pairs["share"].to_numpy().copy(), pairs["near"].to_numpy().copy()
    for at in np.flatnonzero(near):
        row, part = int(pairs["row"][int(at)]), int(pairs["part"][int(at)])
        start, end = int(index.offsets[part]), int(index.offsets[part + 1])
        reach = _REACH * (end - start)
        begin, stop = texts.of_row(row)
        begin, stop = max(begin, int(pairs["first"][int(at)]) - reach), min(stop, int(pairs["first"][int(at)]) + reach)
        covered = _cover(index.hashes[start:end], texts.hashes[begin:stop])
        weights = np.diff(index.weights[start : end + 1])
        closer = float(weights[covered].sum() / weights.sum())
        share[at] = max(share[at], closer)
        near[at] = share[at] >= demands.near and float(weights[covered].sum()) >= demands.run
    return pairs.with_columns(share=pl.Series(share), near=pl.Series(near) | pl.col("cut")).filter(
        pl.any_horizontal("held", "near", "runs")
    )


def _cover(item: NDArray[np.uint64], row: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """The words of an item that n-grams in common with a row cover."""
    words = row.tolist()
    have = {tuple(words[at : at + _REFINED]) for at in range(len(words) - _REFINED + 1)}
    wanted = item.tolist()
    covered = np.zeros(item.size, dtype=bool)
    for at in range(item.size - _REFINED + 1):
        if tuple(wanted[at : at + _REFINED]) in have:
            covered[at : at + _REFINED] = True
    return covered


def _named(pairs: pl.DataFrame, texts: Segments, index: Index, demands: Demands) -> pl.DataFrame:
    """Which items the parts of the pairs belong to, and what that comes to.

    A part that more than `boilerplate` items share says nothing of any of them, so it brings no item in by itself; but
    for a passage, of which one item is named.
    """
    items = pl.DataFrame({name: index.part_of[:, kind] for name, kind in _KINDS.items()}).with_row_index("item")
    owners = []
    for name in _KINDS:
        owner = items.select("item", part=name).filter(pl.col("part") >= 0)
        few = owner.filter(pl.Series(index.sharing[owner["part"].to_numpy()] <= demands.boilerplate))
        owners.append(owner.unique("part", keep="first", maintain_order=True) if name == "p" else few)
    held = pairs.join(pl.concat(owners), on="part").select("row", "item").unique(maintain_order=True)
    found = held.join(items, on="item", maintain_order="left")
    for name in _KINDS:
        own = pairs.rename({column: f"{name}_{column}" for column in pairs.columns if column not in ("row", "part")})
        found = found.join(own, left_on=["row", name], right_on=["row", "part"], how="left", maintain_order="left")
    found = _answered(found, texts, index, demands.run)
    shared = {name: pl.col(f"{name}_shared") > demands.boilerplate for name in "qa"}
    question, answered = pl.col("q_held").fill_null(False), pl.col("answered")
    own_question = ~shared["q"] & pl.col("q_alone")
    own_pair = pl.col("has_answer") & ~(shared["q"] & shared["a"])
    code = (
        pl.when(question & answered & (own_question | own_pair))
        .then(pl.lit("contains_item"))
        .when(question & own_question)
        .then(pl.lit("question_only"))
        .when(pl.col("a_held") & ~shared["a"] & pl.col("a_long"))
        .then(pl.lit("answer_only"))
        .when(pl.col("q_near") & ~shared["q"])
        .then(pl.lit("near_duplicate_of_item"))
        .when(pl.col("p_held"))
        .then(pl.lit("passage_only"))
        .when(pl.any_horizontal("q_runs", "a_runs", "p_runs"))
        .then(pl.lit("shares_run"))
    )
    return (
        found.with_columns(code=code.cast(MATCHES["code"]))
        .filter(pl.col("code").is_not_null())
        .select(
            pl.col("row").alias("index"),
            pl.col("item").cast(pl.Int64),
            "code",
            *(
                pl.when(pl.col("code") == "answer_only")
                .then(pl.col(f"a_{name}"))
                .when(pl.col("code") == "passage_only")
                .then(pl.col(f"p_{name}"))
                .otherwise(pl.coalesce(f"q_{name}", f"a_{name}", f"p_{name}"))
                .alias(alias)
                for name, alias in (("share", "score"), ("first", "first"), ("last", "last"))
            ),
        )
    )


def _answered(found: pl.DataFrame, texts: Segments, index: Index, run: int) -> pl.DataFrame:
    """The same with `has_answer` and `answered`: the row holds the answer too, or there is none. An answer of fewer
    than `run` words is looked for behind the question, whole.

    A Python loop over the rows that hold a question.
    """
    answers = index.part_of[found["item"].to_numpy(), ANSWER]
    lengths = np.where(answers >= 0, index.lengths[answers], 0)
    long = lengths >= run
    answered = (lengths == 0) | found["a_held"].fill_null(False).to_numpy()
    asked = found["q_held"].fill_null(False).to_numpy()
    for at in np.flatnonzero(asked & ~answered & ~long):
        start = int(index.offsets[answers[at]])
        wanted = index.hashes[start : start + int(lengths[at])]
        _, stop = texts.of_row(int(found["row"][int(at)]))
        behind = texts.hashes[int(found["q_last"][int(at)]) : stop]
        answered[at] = _holds(behind, wanted)
    return found.with_columns(has_answer=pl.Series(lengths > 0), answered=pl.Series(answered))


def _holds(words: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> bool:
    total = words.size - wanted.size + 1
    if total <= 0:
        return False
    same: Numbers | NDArray[np.bool_] = np.ones(total, dtype=bool)
    for at in range(wanted.size):
        same = same & (words[at : at + total] == wanted[at])
    return bool(same.any())
