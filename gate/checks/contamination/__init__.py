"""The `contamination` check: training rows that hold items of the evaluation sets a policy registers.

`items` reads the sets (`tasks` those of lm-eval), `index` indexes them, `overlap` looks up every n-gram of every row,
`matches` says which row holds which item, and how; this module says where, and puts the findings together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check, found
from gate.checks.contamination.index import Index, build
from gate.checks.contamination.items import Evaluation, items, registered
from gate.checks.contamination.matches import CODES, INFORMATION, Demands, matches
from gate.checks.contamination.overlap import Segments, segments
from gate.data.frame import Split
from gate.data.views import Frames
from gate.folders import Folders

_QUESTION = (
    "A ferry carries 48 cars on every crossing and makes nine crossings on a summer day. "
    "How many cars does it carry in a week in which it rests on Monday?"
)
_WORD = re.compile(r"\w+")


class ContaminationParams(Params):
    """Which evaluation sets are protected, and from what on a row holds one of their items."""

    evaluations: tuple[str, ...]
    """The evaluation sets, by their paths in the repository: JSONL, JSON, CSV or Parquet files of any shape that gate
    reads, or lm-eval task YAMLs with local data."""
    splits: tuple[Split, ...]
    """The splits whose rows are looked at; rows without a split always are."""
    ngram: int = Field(ge=3, le=30)
    """Words in an n-gram; all n-grams of all rows are looked up."""
    containment: float = Field(gt=0, le=1)
    """The share of an item's question (answer, passage) from which a row holds it: the words that n-grams in common
    cover, by weight."""
    near: float = Field(gt=0, le=1)
    """The share of a question from which a row is a near-duplicate of it."""
    part: float = Field(gt=0, le=1)
    """The share of a question that, word for word in one piece, makes a row a near-duplicate of it: a copy cut off."""
    run: int = Field(ge=3)
    """The words that have to be in common for a row to hold a part of an item. A shorter part has to be there whole."""
    contained: int = Field(ge=1)
    """The words from which a part shorter than `run` is found inside a longer text; a shorter one has to be the whole
    of a message."""
    alone: int = Field(ge=1)
    """The words from which a question says which item it is; a shorter one needs its answer beside it."""
    boilerplate: int = Field(ge=1)
    """The most items that may share a question, an answer or a run of words for it to say anything of one of them."""
    common: int = Field(ge=1)
    """The most items that an n-gram may stand in; what stands in more is a template, and weighs nothing."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.ngram <= self.contained <= self.run:
            raise ValueError("`ngram` is at most `contained`, which is at most `run`")
        if self.near > self.containment:
            raise ValueError("`near` is at most `containment`")
        return self


def _inputs(params: ContaminationParams, folders: Folders) -> tuple[Path, ...]:
    return tuple(file for each in registered(params.evaluations, folders) for file in each.files)


def _warm(params: ContaminationParams, context: Context) -> None:
    """Read the evaluation sets, so that one that is not there is told before anything else is read."""
    items(registered(params.evaluations, context.folders))


@check(
    "contamination",
    params=ContaminationParams,
    codes=CODES,
    fails=({"prompt": _QUESTION, "completion": "It carries 2,592 cars."},),
    passes=({"prompt": "How long is the ferry's crossing?", "completion": "Twenty minutes."},),
    libraries=("polars", "jinja2"),
    inputs=_inputs,
    warm=_warm,
)
def contamination(frames: Frames, params: ContaminationParams, context: Context) -> Measurement:
    """Rows that hold items of the registered evaluation sets: whole, cut off or edited; with the answer or without.

    Case, punctuation and white space make no difference. Every word of an item weighs as much as it tells this item
    from the others of all sets, so that a template which many share does not count. A row has one finding per
    evaluation set: the worst. Its `partner` is the item, its `group` the set, its score the share of the item's words
    by weight.
    """
    if not params.evaluations:
        return Measurement(NOTHING_FOUND, 0, skipped="no evaluation set is registered (with.evaluations)")
    index = _index(registered(params.evaluations, context.folders), params.ngram, params.common)
    trained = pl.col("split").is_null() | pl.col("split").cast(pl.String).is_in(list(params.splits))
    rows = frames.examples.filter(trained)
    if rows.is_empty():
        return Measurement(NOTHING_FOUND, 0, skipped="no row is of a split that is trained on (with.splits)")
    demands = Demands(
        params.containment, params.near, params.part, params.run, params.contained, params.alone, params.boilerplate
    )
    findings = [NOTHING_FOUND]
    for texts in segments(rows):
        worst = _worst(matches(texts, index, demands), index)
        if worst.height:
            findings.append(_findings(worst, texts, rows, index))
    together = pl.concat(findings)
    counts = together["code"].value_counts(sort=True)
    return Measurement(together, rows.height, {code: float(count) for code, count in counts.iter_rows()})


@lru_cache(maxsize=2)
def _index(evaluations: tuple[Evaluation, ...], ngram: int, common: int) -> Index:
    """Built once per process, for as long as the files are the same."""
    return build(items(evaluations), ngram, common)


def _worst(held: pl.DataFrame, index: Index) -> pl.DataFrame:
    """Of each row and evaluation set, the worst match, with how many more there are."""
    if held.is_empty():
        return held
    sets = pl.Series([index.items[item].evaluation for item in held["item"]], dtype=pl.String)
    contaminating = ~pl.col("code").cast(pl.String).is_in(INFORMATION)
    return (
        held.with_columns(group=sets)
        .sort("index", "group", pl.col("code").to_physical(), pl.col("score"), "item",
              descending=[False, False, False, True, False])
        .group_by("index", "group", maintain_order=True)
        .agg(pl.all().first(), more=contaminating.sum() - contaminating.first())
    )  # fmt: skip


def _findings(worst: pl.DataFrame, texts: Segments, rows: pl.DataFrame, index: Index) -> pl.DataFrame:
    """A Python loop over the rows in which something is found."""
    told = []
    for match, place in zip(worst.iter_rows(named=True), _places(worst, texts), strict=True):
        item, code = index.items[match["item"]], match["code"]
        name = f"item {item.row} of {item.file}"
        name = name if item.file == item.evaluation else f"{name} ({item.evaluation})"
        others = f", and {match['more']} more items" if match["more"] > 0 else ""
        only = code in INFORMATION
        share = f"{match['score']:.0%}"
        told.append(
            {
                "code": code,
                "severity": "info" if only else None,
                "message": f"{_SAYS[code].format(share)} {name}{others}.",
                "group": match["group"],
                "partner": item.id,
                "score": match["score"],
                "remedy": "review" if only else None,
            }
            | place
        )
    where = rows.select("id", "file", "row")[worst["index"].cast(pl.UInt32)]
    schema = {name: dtype for name, dtype in NOTHING_FOUND.schema.items() if name in told[0]}
    return found(pl.concat([where, pl.DataFrame(told, schema=schema)], how="horizontal"))


_SAYS = {
    "contains_item": "Holds question and answer ({} of the question) of",
    "question_only": "Holds the question ({}) with another answer, or none, of",
    "answer_only": "Holds the answer ({}) of",
    "near_duplicate_of_item": "Holds most of the question ({}) of",
    "passage_only": "Holds the passage ({}) of",
    "shares_run": "Has a long run of words in common ({} of it) with",
}


def _places(worst: pl.DataFrame, texts: Segments) -> list[dict[str, object]]:
    """For each match the field in which the common part begins, and its characters there.

    Characters are told where the words of the raw text can be counted as those of the folded one were. A Python loop
    over what is found (50 µs each).
    """
    first, last = worst["first"].to_numpy(), worst["last"].to_numpy()
    at = np.searchsorted(texts.offsets, first, side="right") - 1
    begin, end = texts.offsets[at], texts.offsets[at + 1]
    # An n-gram may reach to the end of the text it begins in; what lies in the texts behind is not told.
    numbers = zip(
        (first - begin).tolist(), (np.minimum(last, end) - begin).tolist(), (end - begin).tolist(), strict=True
    )
    places: list[dict[str, object]] = []
    for (column, turn, text), (start, stop, count) in zip(
        texts.frame[at].select("column", "turn", "text").iter_rows(), numbers, strict=True
    ):
        field = "text" if column == "text" else f"{column}[{turn}].content"
        spans = [match.span() for match in _WORD.finditer(text)]
        known = len(spans) == count
        places.append(
            {
                "field": field,
                "start": spans[start][0] if known else None,
                "end": spans[stop - 1][1] if known else None,
            }
        )
    return places


__all__ = ["ContaminationParams", "contamination"]
