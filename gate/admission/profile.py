"""The figures of a dataset: how many rows of what, and how long they are. No text of the data is in it."""

from __future__ import annotations

import numpy as np
import polars as pl

from gate.data.frame import ROLES, Dataset
from gate.data.views import Frames

_ROWS = 20_000  # looked at at a time: bounds what is held besides the frame

_BINS_PER_DECADE = 6  # log-spaced, so that labels of 3 and documents of 300,000 characters share one axis


def profile(dataset: Dataset, frames: Frames, findings: pl.DataFrame) -> dict[str, object]:
    """Counts, length distributions (in characters), turns and duplicate clusters.

    Returns:
        a JSON-able dictionary; `docs/schemas/result.json` describes it.
    """
    examples = dataset.examples
    return {
        "rows": sum(file.rows for file in dataset.files),
        "examples": examples.height,
        "malformed": dataset.malformed.height,
        "kinds": _counts(examples["kind"]),
        "shapes": _counts(examples["shape"]),
        "splits": _counts(examples["split"].cast(pl.String).fill_null("none")),
        "roles": _roles(frames),
        "files": [
            {
                "path": file.path,
                "rows": file.rows,
                "examples": file.examples,
                "malformed": file.malformed,
                "bytes": file.bytes,
                "shape": file.shape,
                "split": file.split,
            }
            for file in dataset.files
        ],
        "chars": {name: _distribution(lengths) for name, lengths in _lengths(frames).items()},
        "turns": _turns(examples),
        "duplicate_clusters": _clusters(findings),
        "languages": {},
    }


def _counts(values: pl.Series) -> dict[str, int]:
    counted = values.cast(pl.String).drop_nulls().value_counts(sort=True)
    return dict(sorted(counted.iter_rows(), key=lambda pair: (-pair[1], pair[0])))


def _roles(frames: Frames) -> dict[str, int]:
    """Turns by role; a role that is none of the four is text of the dataset, and counts as `other`."""
    role = pl.col("messages")
    known = pl.when(role.is_in(ROLES)).then(role).otherwise(pl.lit("other"))
    roles = pl.col("messages").list.eval(pl.element().struct.field("role"))
    counted = [
        part.examples.select(roles.explode()).drop_nulls().select(known.alias("role")).group_by("role").len()
        for _, part in frames.slices(_ROWS)
    ]
    if not counted:
        return {}
    total = pl.concat(counted).group_by("role").agg(pl.col("len").sum()).sort(["len", "role"], descending=[True, False])
    return dict(total.iter_rows())


def _lengths(frames: Frames) -> dict[str, pl.Series]:
    """The lengths of prompts, responses and full texts in characters, where an example has one."""
    views = ("prompt", "response", "full")
    parts = [
        pl.DataFrame([getattr(part, name).str.len_chars().alias(name) for name in views])
        for _, part in frames.slices(_ROWS)
    ]
    lengths = pl.concat([pl.DataFrame(schema=dict.fromkeys(views, pl.UInt32)), *parts])
    return {name: lengths[name].drop_nulls() for name in views}


def _distribution(characters: pl.Series) -> dict[str, object] | None:
    lengths = characters.to_numpy()
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


def _turns(examples: pl.DataFrame) -> list[dict[str, int]]:
    turns = examples["messages"].list.len().drop_nulls().value_counts().sort("messages")
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
