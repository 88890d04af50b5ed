"""docs/statistics.md: its numbers are those of the code."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from gate.promotion.power import miller_n, required_n
from gate.promotion.size import GRID_ERROR, LARGEST, critical, smallest_passing_n

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text("utf-8")
CHANGING = (0.02, 0.05, 0.1, 0.2, 0.3)


@pytest.mark.parametrize("points", [1, 2, 3, 5, 10])
def test_the_table_of_items(points: int) -> None:
    margin = points / 100
    row = re.search(rf"\| {points} points? \|(.*)\|", PAGE)
    assert row is not None
    said = [int(cell.strip().replace(",", "")) for cell in row[1].split("|")]
    assert said[:2] == [smallest_passing_n(margin), smallest_passing_n(margin, controlled=True)]
    needed = [required_n(0.0, share, margin, 0.05) for share in CHANGING]
    assert said[2:] == pytest.approx(needed, rel=0.02)


def test_figures_of_the_text() -> None:
    assert f"({critical(89, -0.03, 0.05):.3f} at 89 items)" in PAGE
    assert f"up to {LARGEST:,} items" in PAGE
    assert f"by {GRID_ERROR * 100:.2f} points at most" in PAGE
    assert f"ω² = 1/9 need {miller_n(0.03, variance=1 / 9)} items" in PAGE
    assert f"6 flips of 400 items widen by {1.6449 * math.sqrt(6) / 400 * 100:.1f} points" in PAGE


def test_figures_of_the_benchmark() -> None:
    bench = (Path(__file__).parents[2] / "bench" / "verdicts.md").read_text("utf-8")
    known = bench.split("10 % of the answers changed:**")[1].split("## On")[0]
    ours, point, mcnemar, proven = (round(float(each)) for each in re.findall(r"([\d.]+)%", known))
    text = " ".join(PAGE.split())
    assert f"in {point} % of all comparisons of 100 items" in text
    assert (
        f'"not significantly worse" in {mcnemar} %, "not proven worse" in {proven} %, and this test in {ours} %' in text
    )
