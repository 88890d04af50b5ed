"""The benchmark of verdicts: that promotion errors stay below 5 %, and that its page is of what it measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import verdicts
from bench.verdicts import ALPHA, DISCORDANCES, DROPS, ITEMS, MARGIN, Cell, check, check_compare, simulate, write
from gate.promotion.size import GRID_ERROR, critical, region_probability


def test_known_rates_come_out_again() -> None:
    """Five points worse on 100 items, ten answers changed: about 31, 64 and 86 % of the others, at most 2 % of gate."""
    cells = simulate([100], [0.03, 0.05], [0.1], 20_000, seed=1)
    check(cells, 20_000)
    worse = cells[1]
    assert worse.promoted["gate"] <= 0.02
    assert worse.promoted["point threshold"] == pytest.approx(0.31, abs=0.02)
    assert worse.promoted["McNemar"] == pytest.approx(0.64, abs=0.02)
    assert worse.promoted["CI proves worse"] == pytest.approx(0.86, abs=0.02)


def test_its_rule_is_that_of_compare() -> None:
    check_compare(6, seed=2)


def test_an_error_that_is_too_great_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(verdicts.RULES, "gate", verdicts.point)
    with pytest.raises(AssertionError):
        check(simulate([100], [0.03], [0.1], 2000, seed=1), 2000)


@pytest.mark.parametrize("n", [50, 89, 100, 137, 500])
def test_the_error_at_the_margin_exactly(n: int) -> None:
    """Summed over all tables, for discordances from that of the margin itself to all items."""
    limit = critical(n, -MARGIN, ALPHA)
    for discordance in np.linspace(MARGIN, 1, 60):
        lost, gained = (discordance + MARGIN) / 2, (discordance - MARGIN) / 2
        assert region_probability(n, -MARGIN, limit, lost, gained) <= ALPHA + GRID_ERROR


@pytest.mark.slow
def test_no_error_at_the_margin_exceeds_alpha() -> None:
    check(simulate(ITEMS, [0.03, 0.05], DISCORDANCES, 20_000, seed=3), 20_000)


def test_the_stored_results_are_of_what_the_benchmark_does() -> None:
    kept = json.loads((verdicts.HERE / "verdicts.json").read_text("utf-8"))
    cells = [Cell(**one) for one in kept["cells"]]
    assert {one.n for one in cells} == set(ITEMS)
    assert {one.drop for one in cells} == set(DROPS)
    assert kept["replications"] >= 10_000
    check(cells, kept["replications"])


def test_the_page_and_the_plot_show_every_rule(tmp_path: Path) -> None:
    kept = json.loads((verdicts.HERE / "verdicts.json").read_text("utf-8"))
    write(kept, tmp_path)
    assert (tmp_path / "verdicts.md").read_text("utf-8") == (verdicts.HERE / "verdicts.md").read_text("utf-8")
    svg = (tmp_path / "verdicts.svg").read_text("utf-8")
    assert all(name in svg for name in verdicts.RULES)
