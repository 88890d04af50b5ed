"""The `drift` check: whether a dataset still looks like the base that it is compared with.

Distributions are compared by the population stability index, Σ (aᵢ - bᵢ) ln(aᵢ / bᵢ) over the shares of a and b in
bin i, as is usual in credit scoring (Siddiqi 2006, "Credit Risk Scorecards"). Of two samples of n and m rows of the
very same it is about (1/n + 1/m) χ² with bins - 1 degrees of freedom (Yurdakul 2018, "Statistical properties of
population stability index"), so that what chance alone gives is told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.views import Frames

_BINS_PER_OCTAVE = 8  # lengths are kept that finely, and compared in tenths of the base
_LENGTHS = ("prompt", "response")
_FEATURES = pl.Schema({"what": pl.String, "bin": pl.Int64, "rows": pl.UInt32})
_SCRIPTS = ("Han", "Hiragana", "Cyrillic", "Arabic", "Devanagari", "Hangul", "Thai", "Greek", "Hebrew")


class DriftParams(Params):
    """From where on a distribution has drifted."""

    moderate: float = Field(gt=0)
    """The population stability index from which a drift is said, as information."""
    major: float = Field(gt=0)
    """The index from which the rule is not met."""
    confidence: float = Field(gt=0, lt=1)
    """How sure it has to be that a drift is more than chance."""
    minimum_rows: int = Field(ge=1)
    """Fewer rows, here or in the base, are not compared."""
    bins: int = Field(ge=2, le=100)
    """Lengths are compared in so many parts, each as large in the base."""


def _features(frames: Frames, params: DriftParams, context: Context) -> pl.DataFrame:
    """How many rows have a prompt and a response of about what length, and whose text is in what script."""
    parts = [pl.DataFrame(schema=_FEATURES)]
    for name in _LENGTHS:
        view: pl.Series = getattr(frames, name)
        octaves = (view.str.len_chars().cast(pl.Float64) + 1).log(2) * _BINS_PER_OCTAVE
        parts.append(_counted(octaves.floor().cast(pl.Int64), name))
    parts.append(_counted(_scripts(frames.full), "script"))
    return pl.concat(parts)


def _scripts(full: pl.Series) -> pl.Series:
    """The number of the first script, other than Latin, that a text's first characters have; -1 for none of them."""
    begun = full.str.head(200)
    foreign = (begun.str.len_bytes() > begun.str.len_chars()).fill_null(False)
    numbers = pl.lit(-1, pl.Int64)
    for number, script in reversed(list(enumerate(_SCRIPTS))):
        # Three in a row: one Greek letter in a formula is no Greek.
        numbers = pl.when(pl.col("begun").str.contains(rf"\p{{{script}}}{{3}}")).then(number).otherwise(numbers)
    found = pl.DataFrame({"begun": begun.filter(foreign)}).select(number=numbers)["number"]
    return pl.concat([found, pl.repeat(-1, int((~foreign).sum()), dtype=pl.Int64, eager=True)])


def _counted(bins: pl.Series, what: str) -> pl.DataFrame:
    counts = bins.drop_nulls().alias("bin").value_counts(name="rows")
    return counts.select(pl.lit(what).alias("what"), "bin", pl.col("rows").cast(pl.UInt32))


@check(
    "drift",
    params=DriftParams,
    codes={
        "length_drift": "Prompts, responses or texts are of other lengths than those of the base.",
        "label_drift": "Labels are in other shares than in the base.",
        "split_drift": "Splits are in other shares than in the base.",
        "kind_drift": "Kinds of example are in other shares than in the base.",
        "source_drift": "Folders are in other shares than in the base.",
        "script_drift": "Texts are written in other scripts than those of the base.",
    },
    fails=(),
    passes=({"prompt": "Name a prime above 10.", "completion": "11"},),
    features=_features,
    libraries=("polars", "numpy", "scipy"),
)
def drift(corpus: Corpus, params: DriftParams, context: Context) -> Measurement:
    """How far a dataset has moved from its base: lengths, scripts, and the shares of labels, splits, kinds and folders.

    Score and figures: the population stability index (0: the same; from 0.25 on, usually taken for major).
    """
    rows, base = corpus.rows.height, corpus.base
    if base is None:
        return Measurement(wholes(()), rows, skipped="there is no base to compare with (`--base`)")
    if min(rows, base.rows.height) < params.minimum_rows:
        reason = f"{rows:,} rows against {base.rows.height:,} of the base; it takes {params.minimum_rows:,} of each"
        return Measurement(wholes(()), rows, skipped=reason)
    figures: dict[str, float] = {}
    demands: list[Whole] = []
    for one in _distributions(corpus, base, params):
        index = stability(one.now, one.before)
        figures[one.what] = index
        chance = by_chance(one.now, one.before, params.confidence)
        if index < params.moderate or index <= chance:
            continue
        message = f"The {one.what} moved: population stability index {index:.2f} against the base ({one.shift})."
        severity = None if index >= params.major else "info"
        demands.append(Whole(one.code, message, index, one.what, severity=severity))  # type: ignore[arg-type]
    return Measurement(wholes(demands), rows, figures)


@dataclass(frozen=True, slots=True)
class _Compared:
    """One distribution in a dataset and in its base."""

    code: str
    what: str
    now: NDArray[np.float64]
    """Rows by bin."""
    before: NDArray[np.float64]
    shift: str
    """For people."""


def _distributions(corpus: Corpus, base: Corpus, params: DriftParams) -> Iterator[_Compared]:
    both = [each.features.collect() if each.rows.height else pl.DataFrame(schema=_FEATURES) for each in (corpus, base)]
    lengths = [_lengths(each.rows) for each in (corpus, base)]
    both = [pl.concat([features, length]) for features, length in zip(both, lengths, strict=True)]
    for name in (*_LENGTHS, "text"):
        now, before = (_histogram(features, name) for features in both)
        if now.size and before.size:
            tenths = _parts(before, params.bins)
            medians = (int(2 ** (np.median(each) / _BINS_PER_OCTAVE)) for each in (before, now))
            shift = "median length about {:,}, now {:,} characters".format(*medians)
            shares = [_in_parts(each, tenths) for each in (now, before)]
            yield _Compared("length_drift", f"length of {name}s", shares[0], shares[1], shift)
    scripts = [_histogram(features, "script") for features in both]
    yield _categories("script_drift", "script of texts", *(pl.Series(each.astype(str)) for each in scripts))
    for column, what in (("label", "share of labels"), ("split", "share of splits"), ("kind", "share of kinds")):
        values = [each.rows[column].cast(pl.String) for each in (corpus, base)]
        if column == "label":
            values = [each.drop_nulls() for each in values]
        if all(len(each) for each in values):
            yield _categories(f"{column}_drift", what, *(each.fill_null("none") for each in values))
    folders = [_folders(each.rows["file"]) for each in (corpus, base)]
    yield _categories("source_drift", "share of folders", *folders)


def _lengths(rows: pl.DataFrame) -> pl.DataFrame:
    octaves = (rows["characters"].cast(pl.Float64) + 1).log(2) * _BINS_PER_OCTAVE
    return _counted(octaves.floor().cast(pl.Int64), "text")


def _histogram(features: pl.DataFrame, what: str) -> NDArray[np.int64]:
    """The bin of each row, sorted."""
    own = features.filter(pl.col("what") == what).group_by("bin").agg(pl.col("rows").sum()).sort("bin")
    return np.repeat(own["bin"].to_numpy(), own["rows"].to_numpy())


def _parts(ordered: NDArray[np.int64], bins: int) -> NDArray[np.int64]:
    """The bounds between parts of about the same number of rows."""
    return np.unique(ordered[[ordered.size * part // bins for part in range(1, bins)]])


def _in_parts(ordered: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    inside = np.bincount(np.searchsorted(bounds, ordered, side="right"), minlength=bounds.size + 1)
    return inside.astype(np.float64)


def _folders(files: pl.Series) -> pl.Series:
    """The folder of each row's file: a file renamed is the same source, a folder renamed is not."""
    paths = {str(path): PurePosixPath(str(path)).parent.as_posix() for path in files.unique()}
    return files.cast(pl.String).replace_strict(paths, default=".", return_dtype=pl.String)


def _categories(code: str, what: str, now: pl.Series, before: pl.Series) -> _Compared:
    counts = [each.alias("value").value_counts(name=name) for each, name in ((now, "now"), (before, "before"))]
    both = counts[0].join(counts[1], on="value", how="full", coalesce=True).fill_null(0).sort("value")
    shares = [both[name].to_numpy().astype(np.float64) for name in ("now", "before")]
    moved = float(np.abs(shares[0] / max(1.0, shares[0].sum()) - shares[1] / max(1.0, shares[1].sum())).sum() / 2)
    return _Compared(code, what, shares[0], shares[1], f"{moved:.1%} of the rows in other ones")


def stability(now: NDArray[np.float64], before: NDArray[np.float64]) -> float:
    """The population stability index of two histograms over the same bins. An empty bin counts as half a row, so that
    it is finite."""
    shares = [(np.maximum(each, 0.5) / max(1.0, float(each.sum()))) for each in (now, before)]
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def by_chance(now: NDArray[np.float64], before: NDArray[np.float64], confidence: float) -> float:
    """The index that two samples of the same distribution stay below with a probability of `confidence`."""
    from scipy.stats import chi2

    if now.size < 2 or not now.sum() or not before.sum():
        return 0.0
    return float(chi2.ppf(confidence, now.size - 1) * (1 / now.sum() + 1 / before.sum()))
