"""The check for rows that say almost the same as another row."""

from __future__ import annotations

from typing import Self

import polars as pl
from pydantic import Field, model_validator

from gate.checks.base import NOTHING_FOUND, Context, Measurement, Params, check
from gate.checks.duplicates.candidate_sets import candidate_sets
from gate.checks.duplicates.content import Key
from gate.checks.duplicates.findings import dropped_rows, group_of
from gate.checks.duplicates.near import find_near_duplicates
from gate.checks.duplicates.order import ranks
from gate.checks.duplicates.signatures import Banding, banding
from gate.checks.duplicates.sketches import partition, sketches
from gate.data.corpus import Corpus
from gate.data.views import Frames

_STORY = (
    "The lighthouse keeper climbed the narrow stairs every evening, lit the lamp, wrote the weather "
    "into his book, and watched the ships pass on their way to the harbour until the morning came"
)


class NearDuplicatesParams(Params):
    threshold: float = Field(gt=0, le=1)
    """The Jaccard index on sets of shingles from which two rows are near-duplicates, inclusive."""
    shingle: int = Field(ge=1, le=50)
    """Words in a shingle (characters where the script puts no spaces between words)."""
    permutations: int = Field(ge=1, le=1024)
    """Length of a MinHash signature."""
    recall: float = Field(gt=0, lt=1)
    """The probability with which a pair right at the threshold has to be found; bands are chosen for it."""
    key: Key = "full"
    """What is compared: the whole example, its prompt, or its response."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        self.banding()
        return self

    def banding(self) -> Banding:
        return banding(self.permutations, self.threshold, self.recall)


def _features(frames: Frames, params: NearDuplicatesParams, context: Context) -> pl.DataFrame:
    """The sketch of each row: some 200 bytes, 8 per band."""
    return sketches(frames, params.key, params.shingle, params.banding(), context.workers.cores)


@check(
    "near_duplicates",
    params=NearDuplicatesParams,
    codes={"near_duplicate": "another row, which is kept, has almost the same shingles"},
    fails=(
        {"instruction": "Continue the story.", "output": _STORY + "."},
        {"instruction": "Continue the story.", "output": _STORY + " again."},
    ),
    passes=({"instruction": "Continue the story.", "output": _STORY + "."},),
    features=_features,
    version="2",
    libraries=("polars", "numpy", "rensa", "scipy"),
    yields_to=("exact_duplicates", "leakage"),
)
def near_duplicates(corpus: Corpus, params: NearDuplicatesParams, context: Context) -> Measurement:
    """Rows whose word shingles are nearly those of another row: candidates by MinHash, every one of them
    verified on the exact Jaccard index.

    A row is dropped only in favour of a row that is kept and that it is similar enough to itself; no two
    kept rows are. A text of fewer words than a shingle is compared as a whole. Rows of different kinds or
    labels are never duplicates, and a row with nothing in it is left to the structure check.
    """
    cut = params.banding()
    result = find_near_duplicates(
        corpus.features,
        candidate_sets(corpus, params.key, params.shingle, context.workers.cores, context.memo),
        ranks(corpus.rows),
        partition(corpus.rows),
        threshold=params.threshold,
        cut=cut,
        threads=context.workers.cores,
    )
    rows = result.dropped
    figures = {
        "rows": float(result.compared),
        "candidate_pairs": float(result.candidates),
        "verified_pairs": float(result.verified),
        "clusters": float(pl.Series(result.cluster[rows]).n_unique()),
        "dropped": float(rows.size),
        "bands": float(cut.bands),
        "band_rows": float(cut.rows),
        "expected_recall": cut.recall(params.threshold),
    }
    if not result.compared:
        return Measurement(NOTHING_FOUND, 0, figures, skipped=f"no row has a {params.key} text to compare")
    findings = dropped_rows(
        corpus,
        rows,
        result.keeper[rows],
        group_of(corpus, result.cluster[rows]),
        result.score[rows],
        code="near_duplicate",
        message="Near-duplicate of {}, which is kept (Jaccard {}).",
    )
    return Measurement(findings, result.compared, figures)
