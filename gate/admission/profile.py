"""The figures of a dataset: how many rows of what, and how long they are. No text of the data is in it.

They are measured as a check of the dataset is: a few numbers per row and shard first, then the sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from gate.checks.base import NOTHING_FOUND, Check, Context, Measurement, Params
from gate.data.corpus import Corpus
from gate.data.frame import ROLES, SourceFile
from gate.data.views import Frames

Profile = dict[str, object]
"""JSON-able; `docs/schemas/result.json` describes it."""

_ROLES = (*ROLES, "other")
_VIEWS = ("prompt", "response", "full")

_BINS_PER_DECADE = 6  # log-spaced, so that labels of 3 and documents of 300,000 characters share one axis


def _features(frames: Frames, params: Params, context: Context) -> pl.DataFrame:
    """Per row: characters of prompt, response and full text, turns, and turns by role.

    A role that is none of the four is text of the dataset, and counts as `other`.
    """
    roles = pl.col("messages").list.eval(pl.element().struct.field("role"))
    known = roles.list.eval(pl.when(pl.element().is_in(ROLES)).then(pl.element()).otherwise(pl.lit("other")))
    counted = frames.examples.select(
        pl.col("messages").list.len().alias("turns"),
        pl.col("shape"),
        *(known.list.count_matches(role).cast(pl.UInt32).alias(f"role_{role}") for role in _ROLES),
    )
    return counted.with_columns(getattr(frames, name).str.len_chars().alias(f"chars_{name}") for name in _VIEWS)


def _nothing(corpus: Corpus, params: Params, context: Context) -> Measurement:
    return Measurement(NOTHING_FOUND, corpus.rows.height)


PROFILE = Check("profile", _nothing, Params, "", {}, (), (), features=_features)
"""What workers run for it; no rule names it."""


def profile(corpus: Corpus) -> Profile:
    """Counts, length distributions (in characters) and turns of a dataset.

    Args:
        corpus: every row, with the features of `PROFILE`.
    """
    rows, files = corpus.rows, corpus.files
    roles = corpus.features.select(pl.col(f"role_{role}").sum().alias(role) for role in _ROLES).collect()
    return {
        "rows": sum(file.rows for file in files),
        "examples": rows.height,
        "malformed": corpus.malformed.height,
        "kinds": _counts(rows["kind"]),
        "shapes": _counts(corpus.features.select("shape").collect()["shape"]),
        "splits": _counts(rows["split"].cast(pl.String).fill_null("none")),
        "roles": dict(sorted(((r, n) for r, n in roles.row(0, named=True).items() if n), key=lambda p: (-p[1], p[0]))),
        "files": [_file(file) for file in files],
        "chars": {name: _distribution(corpus.features, f"chars_{name}") for name in _VIEWS},
        "turns": _turns(corpus.features),
    }


def completed(measured: Profile, findings: pl.DataFrame, figures: Sequence[Mapping[str, float]]) -> Profile:
    """The profile with what only the rules know: clusters of duplicates, and languages.

    Args:
        findings: of all rules, schema `FINDINGS`.
        figures: of all rules; those called `language:…` are rows of a language.
    """
    languages: dict[str, int] = {}
    for each in figures:
        for name, value in each.items():
            if name.startswith("language:"):
                code = name.removeprefix("language:")
                languages[code] = languages.get(code, 0) + int(value)
    ordered = dict(sorted(languages.items(), key=lambda pair: (-pair[1], pair[0])))
    return measured | {"duplicate_clusters": _clusters(findings), "languages": ordered}


def _file(file: SourceFile) -> dict[str, object]:
    return {
        "path": file.path,
        "rows": file.rows,
        "examples": file.examples,
        "malformed": file.malformed,
        "bytes": file.bytes,
        "shape": file.shape,
        "split": file.split,
    }


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.cast(pl.String).drop_nulls().value_counts(sort=True)
    return dict(sorted(counted.iter_rows(), key=lambda pair: (-pair[1], pair[0])))


def _distribution(features: pl.LazyFrame, column: str) -> dict[str, object] | None:
    lengths = features.select(column).collect()[column].drop_nulls().to_numpy()
    if lengths.size == 0:
        return None
    p5, p25, p50, p75, p95 = (float(value) for value in np.percentile(lengths, [5, 25, 50, 75, 95]))
    return {
        "n": int(lengths.size),
        "min": int(lengths.min()),
        "p5": p5,
        "p25": p25,
        "p50": p50,
        "p75": p75,
        "p95": p95,
        "max": int(lengths.max()),
        "mean": float(lengths.mean()),
        "histogram": _histogram(lengths),
    }


def _histogram(lengths: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> list[dict[str, int]]:
    low = np.floor(np.log10(max(1, int(lengths.min()))) * _BINS_PER_DECADE)
    high = np.floor(np.log10(max(1, int(lengths.max()))) * _BINS_PER_DECADE) + 1
    edges = np.unique(np.round(10 ** (np.arange(low, high + 1) / _BINS_PER_DECADE)).astype(np.int64))
    if lengths.min() == 0:
        edges = np.unique(np.concatenate([[0], edges]))
    if edges[-1] <= lengths.max():
        edges = np.append(edges, int(lengths.max()) + 1)
    counts, _ = np.histogram(lengths, bins=edges)
    return [
        {"from": int(start), "to": int(end), "count": int(count)}
        for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _turns(features: pl.LazyFrame) -> list[dict[str, int]]:
    turns = features.select("turns").drop_nulls().group_by("turns").len().sort("turns").collect()
    return [{"turns": turns_, "count": count} for turns_, count in turns.iter_rows()]


def _clusters(findings: pl.DataFrame) -> list[dict[str, int]]:
    """How many duplicate clusters there are of each size, the row that is kept counted in."""
    sizes = (
        findings.filter(pl.col("remedy") == "drop", pl.col("group").is_not_null(), pl.col("partner").is_not_null())
        .group_by("rule", "group")
        .agg(size=pl.len() + 1)
        .group_by("size")
        .agg(count=pl.len())
        .sort("size")
    )
    return sizes.to_dicts()
