"""What the report of an admission says beyond that of a check: the decision, what is still needed, what was left out
and why, and how the examples were divided.

The page is sealed with the snapshot and never changes, so it tells how things stood at that moment; what was said
since is on the page of `gate.reporting.status_page`. It shows no text of an excluded row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from gate.provenance.trust import Demand, roles_text
from gate.reporting.inert import one_line

PLACES = 20
"""Excluded rows that are named of each rule."""
CODES = 12
RULES = 200
STRATA = 60
"""Lines of the table of strata."""
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Sealing:
    """A snapshot that is being sealed."""

    name: str
    """The dataset's."""
    snapshot: str
    """The snapshot's id."""
    by: str
    """Who admits it."""
    keyid: str
    at: str
    """As statements write time."""
    demand: Demand
    """What it takes to approve it."""
    excluded: pl.DataFrame
    """Schema gate.snapshots.layout.EXCLUDED."""
    kinds: pl.DataFrame
    """Columns `kind` and `split`, a row per admitted example."""
    strata: pl.DataFrame | None = None
    """Schema gate.snapshots.split.TABLE; None where splits were not stratified."""
    notes: tuple[str, ...] = ()
    """What the owner should know of the division."""
    given: bool = False
    """Whether the data brought its splits."""


@dataclass(frozen=True, slots=True)
class ExcludedBy:
    """The examples that one rule keeps out."""

    rule: str
    rows: int
    codes: tuple[tuple[str, int], ...]
    """Rows with each code, the most first."""
    places: tuple[str, ...]
    """`file:row` of some, in the order of files and rows."""


@dataclass(frozen=True, slots=True)
class SplitLine:
    """How the examples of one kind, or of one stratum, are divided."""

    name: str
    counts: tuple[int, ...]
    """Of each split that has any example, in the order of `SealingPage.splits`."""
    total: int


@dataclass(frozen=True, slots=True)
class SealingPage:
    """What the page shows of it."""

    sealing: Sealing
    needed: str
    """What it takes to approve it, as a sentence."""
    admitted: int
    excluded: int
    by_rule: tuple[ExcludedBy, ...]
    splits: tuple[str, ...]
    kinds: tuple[SplitLine, ...]
    strata: tuple[SplitLine, ...]
    strata_total: int
    notes: tuple[str, ...] = field(default=())


def sealing_page(sealing: Sealing, findings: pl.DataFrame) -> SealingPage:
    """Choose what is shown.

    Args:
        findings: schema gate.admission.result.FINDINGS.
    """
    divided = sealing.kinds.select(pl.col("kind", "split").cast(pl.String))
    present = set(divided["split"].unique())
    splits = tuple(split for split in _SPLITS if split in present)
    strata: list[SplitLine] = []
    if sealing.strata is not None:
        named = sealing.strata.select(pl.col("stratum").fill_null("all"), pl.col("split").cast(pl.String), "examples")
        strata = _lines(named.rename({"stratum": "name"}), splits)
    return SealingPage(
        sealing=sealing,
        needed=needed(sealing.demand, sealing.by),
        admitted=divided.height,
        excluded=sealing.excluded.height,
        by_rule=_by_rule(sealing.excluded, findings),
        splits=splits,
        kinds=tuple(_lines(divided.group_by(pl.col("kind").alias("name"), "split").len("examples"), splits)),
        strata=tuple(strata[:STRATA]),
        strata_total=len(strata),
        notes=tuple(one_line(note, 400) for note in sealing.notes),
    )


def needed(demand: Demand, author: str) -> str:
    """What it takes to approve what somebody admitted."""
    if demand.count == 0:
        return "No approval is needed."
    by, who = roles_text(demand.roles), one_line(author, 120)
    if demand.count == 1:
        told = f"1 approval by {by}" + ("" if demand.by_author else f", other than {who}")
    else:
        told = f"{demand.count} approvals by different people, each {by}" + ("" if demand.by_author else f", not {who}")
    return f"{told}. Until then nothing may be trained on it."


def _lines(counts: pl.DataFrame, splits: tuple[str, ...]) -> list[SplitLine]:
    """The table with a line per name, the largest first.

    Args:
        counts: columns `name`, `split` and `examples`.
    """
    held: dict[str, dict[str, int]] = {}
    for name, split, examples in counts.iter_rows():
        held.setdefault(name, {})[split] = examples
    lines = [
        SplitLine(one_line(str(name), 80), tuple(by_split.get(split, 0) for split in splits), sum(by_split.values()))
        for name, by_split in held.items()
    ]
    return sorted(lines, key=lambda line: (-line.total, line.name))


def _by_rule(excluded: pl.DataFrame, findings: pl.DataFrame) -> tuple[ExcludedBy, ...]:
    """By rule, the one that keeps most out first."""
    rows = excluded.select("file", "row", pl.col("rules").alias("rule"), "codes").explode("rule")
    behind = (
        findings.select("file", "row", "rule", "code")
        .unique()
        .join(rows, on=["file", "row", "rule"])
        .filter(pl.col("codes").list.contains(pl.col("code")))
    )
    counted = rows.group_by("rule").len("rows").sort("rows", "rule", descending=[True, False])
    result = []
    for rule, count in counted.head(RULES).iter_rows():
        codes = (
            behind.filter(pl.col("rule") == rule)["code"].value_counts().sort("count", "code", descending=[True, False])
        )
        places = rows.filter(pl.col("rule") == rule).sort("file", "row").head(PLACES)
        result.append(
            ExcludedBy(
                one_line(rule, 120),
                count,
                tuple((one_line(code, 60), number) for code, number in codes.head(CODES).iter_rows()),
                tuple(f"{one_line(file, 200)}:{row}" for file, row in places.select("file", "row").iter_rows()),
            )
        )
    return tuple(result)
