"""The check for rows with the same content as another row."""

from __future__ import annotations

import numpy as np
import polars as pl

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check
from gate.checks.duplicates.canonical import content_hash
from gate.checks.duplicates.content import Key
from gate.checks.duplicates.copies import first_of_same
from gate.checks.duplicates.findings import dropped_rows, group_of
from gate.checks.duplicates.order import ranks
from gate.data.corpus import Corpus
from gate.data.views import Frames


class ExactDuplicatesParams(Params):
    key: Key = "full"
    """What is compared: the whole example, its prompt, or its response."""


def _features(frames: Frames, params: ExactDuplicatesParams, context: Context) -> pl.DataFrame:
    """The hash of each row's content: 16 bytes per row."""
    return content_hash(frames, params.key)


@check(
    "exact_duplicates",
    params=ExactDuplicatesParams,
    codes={"exact_duplicate": "another row, which is kept, has the same content after folding"},
    fails=(
        {"instruction": "Name a prime number.", "output": "Seven is a prime number."},
        {"instruction": "Name a  PRIME number.", "output": "Seven is a prime number. "},
    ),
    passes=(
        {"instruction": "Name a prime number.", "output": "Seven is a prime number."},
        {"instruction": "Name another prime number.", "output": "Eleven is a prime number."},
    ),
    features=_features,
    version="2",
    libraries=("polars", "orjson"),
    yields_to=("leakage",),
)
def exact_duplicates(corpus: Corpus, params: ExactDuplicatesParams, context: Context) -> Measurement:
    """Rows with the same content as another row, whatever file or shape they are in, once Unicode form (NFC),
    case and white space are made equal.

    Conversations are the same when their roles, contents, names, tool calls and tools are; with the key
    `full`, also the chosen and rejected answers, the label and the plain text. Rows of different kinds or
    labels are never duplicates. Call ids and `meta` do not count.
    """
    content = corpus.features.collect()
    same = first_of_same(content, ranks(corpus.rows))
    rows = np.flatnonzero((same >= 0) & (same != np.arange(same.size)))
    compared = int((same >= 0).sum())
    figures = {
        "rows": float(compared),
        "clusters": float(np.unique(same[rows]).size),
        "dropped": float(rows.size),
    }
    if not compared:
        return Measurement(NOTHING_FOUND, 0, figures, skipped=f"no row has a {params.key} text to compare")
    what = "Same content" if params.key == "full" else f"Same {params.key}"
    findings = dropped_rows(
        corpus,
        rows,
        same[rows],
        group_of(corpus, same[rows]),
        np.ones(rows.size),
        code="exact_duplicate",
        message=f"{what} as {{}}, which is kept.",
    )
    return Measurement(findings, compared, figures)
