"""Duplicates side by side: for each cluster the row that stays, some that were compared with it, and a word diff."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from gate.reporting.excerpts import Excerpts, Place
from gate.reporting.inert import one_line
from gate.reporting.word_diff import WordDiff, word_diff


@dataclass(frozen=True, slots=True)
class Pair:
    """A flagged row beside the row it was compared with."""

    left: str
    """file:row of the partner, which stays."""
    right: str
    """file:row of the flagged one."""
    score: float | None
    diff: WordDiff


@dataclass(frozen=True, slots=True)
class Cluster:
    """Some of the pairs of one group."""

    size: int
    """Rows: the flagged ones, and those they were compared with."""
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class ClusterSample:
    """The pairs of one rule that a report shows."""

    findings: pl.DataFrame
    """Schema `FINDINGS`, cluster after cluster, the largest first."""
    sizes: dict[str, int]
    total: int
    """Clusters that there are."""

    def side_by_side(self, texts: Excerpts, limit: int) -> tuple[Cluster, ...]:
        """The clusters with their diffs, of at most `limit` characters of each text."""
        clusters = []
        flagged = {(file, row) for file, row in self.findings.select("file", "row").iter_rows()}
        for group in self.findings.partition_by("group", maintain_order=True):
            rows = group.iter_rows(named=True)
            pairs = [pair for row in rows if (pair := _pair(row, texts, flagged, limit)) is not None]
            if pairs:
                clusters.append(Cluster(self.sizes[group["group"][0]], tuple(pairs)))
        return tuple(clusters)


def sample_clusters(findings: pl.DataFrame, clusters: int, pairs: int) -> ClusterSample:
    """The largest clusters of one rule's findings, with some pairs of each: the least similar first, since those are
    what a reviewer doubts."""
    paired = findings.filter(
        pl.col("partner").is_not_null() & pl.col("group").is_not_null() & pl.col("row").is_not_null()
    )
    # The row that stays is none of the flagged ones: always where rows are to be dropped, else where its content is
    # not among theirs.
    stays = (pl.col("remedy") == "drop").any() | pl.col("partner").is_in(pl.col("id").implode()).not_().any()
    sizes = (
        paired.group_by("group")
        .agg(size=pl.struct("file", "row").n_unique() + stays)
        .sort(["size", "group"], descending=[True, False])
    )
    largest = sizes.head(clusters)
    chosen = (
        paired.join(largest, on="group", maintain_order="left")
        .sort(["size", "group", "score"], descending=[True, False, False], nulls_last=True, maintain_order=True)
        .group_by("group", maintain_order=True)
        .head(pairs)
        .select(findings.columns)
    )
    return ClusterSample(chosen, dict(largest.iter_rows()), sizes.height)


def _pair(row: dict[str, object], texts: Excerpts, flagged: set[Place], limit: int) -> Pair | None:
    """One pair, or None where the partner is not a row of this dataset."""
    here = (str(row["file"]), int(str(row["row"])))
    # Several rows may have the partner's content; the one that stays is not flagged itself.
    others = [place for place in texts.twins.get(str(row["partner"]), []) if place != here]
    partner = next((place for place in others if place not in flagged), others[0] if others else None)
    if partner is None or here not in texts.texts:
        return None
    score = row["score"]
    return Pair(
        left=one_line(f"{partner[0]}:{partner[1]}", 200),
        right=one_line(f"{here[0]}:{here[1]}", 200),
        score=score if isinstance(score, float) else None,
        diff=word_diff(texts.whole(partner, limit), texts.whole(here, limit)),
    )
