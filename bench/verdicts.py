"""How often each rule promotes a model that is really worse: operating characteristics of the verdict.

    python bench/verdicts.py [--replications N] [--seed N] [--render] [--out FOLDER]

Two models answer n questions. A share of the answers differs (the discordance), and the second model is worse by a true
drop. That is drawn many times, and each rule says whether it would promote: gate's non-inferiority test at a margin of
three points, and what one would do without it. A drop of exactly the margin is the border: a rule that promises 5 %
may promote there in 5 % of all cases, at any n and any discordance. Verdicts follow from the two counts alone, so each
pair of counts is judged once. gate's rule is evaluated by its statistic and critical value, and on samples of tables by
`gate.promotion.compare.compare` itself. Results: bench/verdicts.json, .md and .svg.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from gate.promotion.compare import compare
from gate.promotion.size import GRID_ERROR, critical, region_probability
from gate.promotion.tango import statistic

HERE = Path(__file__).resolve().parent
MARGIN, ALPHA = 0.03, 0.05
ITEMS = (50, 75, 89, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000)
DROPS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)
DISCORDANCES = (0.05, 0.1, 0.2, 0.3, 0.4)
REPLICATIONS = 20_000
Counts = NDArray[np.int64]
Verdicts = NDArray[np.bool_]


def gates(lost: Counts, gained: Counts, n: int) -> Verdicts:
    """Promoted where the lower bound lies above −margin."""
    found: Verdicts = statistic(lost, gained, n, -MARGIN) > critical(n, -MARGIN, ALPHA)
    return found


def point(lost: Counts, gained: Counts, n: int) -> Verdicts:
    """Promoted where the observed drop is no greater than the margin."""
    found: Verdicts = lost - gained <= MARGIN * n + 1e-9
    return found


def not_significant(lost: Counts, gained: Counts, n: int) -> Verdicts:
    """Promoted unless McNemar's exact test (one-sided, 5 %) says that it is worse."""
    from scipy.stats import binom

    found: Verdicts = binom.cdf(gained, lost + gained, 0.5) >= ALPHA
    return found


def not_proven(lost: Counts, gained: Counts, n: int) -> Verdicts:
    """Promoted unless the interval (90 %, Wald) lies wholly below −margin."""
    from scipy.stats import norm

    difference = (gained - lost) / n
    error = np.sqrt(np.maximum((lost + gained) / n - difference**2, 0) / n)
    found: Verdicts = ~(difference + norm.isf(ALPHA) * error < -MARGIN)
    return found


RULES: dict[str, Callable[[Counts, Counts, int], Verdicts]] = {
    "gate": gates,
    "point threshold": point,
    "McNemar": not_significant,
    "CI proves worse": not_proven,
}
SAID = {
    "gate": "the lower bound lies above −margin",
    "point threshold": "the observed drop is at most the margin",
    "McNemar": "it is not significantly worse (exact, one-sided, 5 %)",
    "CI proves worse": "the 90 % interval does not lie wholly below −margin",
}


@dataclass(frozen=True)
class Cell:
    """How often each rule promoted, for one n, drop and discordance."""

    n: int
    drop: float
    discordance: float
    promoted: dict[str, float]
    failed: float
    """How often gate's verdict was "fail": neither promoted nor inconclusive."""
    exact: float
    """How often gate promotes, summed over all tables instead of drawn."""


def shares(drop: float, discordance: float) -> tuple[float, float]:
    """Of lost and of gained items."""
    return (discordance + drop) / 2, (discordance - drop) / 2


def cell(n: int, drop: float, discordance: float, replications: int, rng: np.random.Generator) -> Cell:
    """Draw, and judge each pair of counts once."""
    lost_share, gained_share = shares(drop, discordance)
    drawn = rng.multinomial(n, [lost_share, gained_share, 1 - discordance], size=replications)
    tables, times = np.unique(drawn[:, 0] * (n + 1) + drawn[:, 1], return_counts=True)
    lost, gained = tables // (n + 1), tables % (n + 1)
    promoted = {name: float(times @ rule(lost, gained, n)) / replications for name, rule in RULES.items()}
    below = statistic(lost, gained, n, -MARGIN) < -critical(n, MARGIN, ALPHA)
    exact = region_probability(n, -MARGIN, critical(n, -MARGIN, ALPHA), lost_share, gained_share)
    return Cell(n, drop, discordance, promoted, float(times @ below) / replications, exact)


def simulate(
    items: Iterable[int], drops: Iterable[float], discordances: Iterable[float], replications: int, seed: int
) -> list[Cell]:
    """All cells; a drop cannot be greater than the discordance."""
    rng = np.random.default_rng(seed)
    wanted = [(n, drop, each) for n in items for each in discordances for drop in drops if drop <= each + 1e-12]
    return [cell(n, drop, each, replications, rng) for n, drop, each in wanted]


def check(cells: Sequence[Cell], replications: int) -> None:
    """What the issue of promotion promises.

    Raises:
        AssertionError: it is not so.
    """
    for one in cells:
        if one.drop == MARGIN:
            error = math.sqrt(ALPHA * (1 - ALPHA) / replications)
            # Four standard errors: of sixty cells none exceeds that by chance in 998 of 1,000 runs.
            assert one.promoted["gate"] <= ALPHA + 4 * error, one
            assert one.exact <= ALPHA + GRID_ERROR, one
        spread = math.sqrt(max(one.exact * (1 - one.exact), 1e-4) / replications)
        assert abs(one.promoted["gate"] - one.exact) <= 5 * spread + 1e-9, one
        if (one.n, one.drop, one.discordance) == (100, 0.05, 0.1):
            assert one.promoted["gate"] <= 0.02, one
            others = [one.promoted[name] for name in ("point threshold", "McNemar", "CI proves worse")]
            assert np.allclose(others, [0.31, 0.64, 0.86], atol=0.02), one


def check_compare(samples: int, seed: int) -> None:
    """That the rule used here is the one that `compare` follows.

    Raises:
        AssertionError: one table is judged differently.
    """
    rng = np.random.default_rng(seed)
    for _ in range(samples):
        n = int(rng.integers(20, 400))
        lost, gained, same = (int(each) for each in rng.multinomial(n, [0.06, 0.04, 0.9]))
        before = [1.0] * lost + [0.0] * gained + [1.0] * same
        after = [0.0] * lost + [1.0] * gained + [1.0] * same
        found = compare(before, after, binary=True, margin=MARGIN, alpha=ALPHA)
        promoted = bool(gates(np.array([lost]), np.array([gained]), n)[0])
        assert (found.verdict == "pass") == promoted, found


def border(cells: Sequence[Cell]) -> str:
    """At the margin: the greatest share that each rule promotes, over all discordances, as Markdown."""
    lines = [f"| n | {' | '.join(RULES)} | gate, exactly |", "| ---: " * (len(RULES) + 2) + "|"]
    for n in dict.fromkeys(one.n for one in cells):
        here = [one for one in cells if one.n == n and one.drop == MARGIN]
        most = [max(one.promoted[name] for one in here) for name in RULES]
        exact = max(one.exact for one in here)
        lines.append(f"| {n:,} | {' | '.join(f'{each:.1%}' for each in most)} | {exact:.2%} |")
    return "\n".join(lines)


def by_drop(cells: Sequence[Cell], discordance: float, items: Sequence[int]) -> str:
    """What is promoted of each drop, gate beside the point threshold's and the others, as Markdown."""
    lines = [
        f"| n | rule | {' | '.join(f'{drop:.0%}' for drop in DROPS if drop <= discordance)} |",
        "| ---: | --- " + "| ---: " * sum(drop <= discordance for drop in DROPS) + "|",
    ]
    for n in items:
        here = {one.drop: one for one in cells if one.n == n and one.discordance == discordance}
        for name in RULES:
            row = " | ".join(f"{here[drop].promoted[name]:.0%}" for drop in DROPS if drop in here)
            lines.append(f"| {n:,} | {name} | {row} |")
    return "\n".join(lines)


def plot(cells: Sequence[Cell]) -> str:
    """As SVG: the share that is promoted by true drop, a panel for each n, at 10 % discordance."""
    import vl_convert

    shown = [50, 100, 200, 500, 1000, 2000]
    values = [
        {"n": one.n, "drop": one.drop, "rule": name, "promoted": share}
        for one in cells
        if one.n in shown and one.discordance == 0.1
        for name, share in one.promoted.items()
    ]
    line = {
        "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "drop", "type": "quantitative", "title": "true drop", "axis": {"format": "%"}},
            "y": {
                "field": "promoted",
                "type": "quantitative",
                "title": "promoted",
                "axis": {"format": "%"},
                "scale": {"domain": [0, 1]},
            },
            "color": {
                "field": "rule",
                "type": "nominal",
                "title": None,
                "sort": list(RULES),
                "scale": {"domain": list(RULES), "range": ["#1b6ca8", "#d1495b", "#8a8a8a", "#edae49"]},
                "legend": {"orient": "top"},
            },
        },
    }
    margin = {
        "mark": {"type": "rule", "strokeDash": [4, 3], "color": "#555555"},
        "encoding": {"x": {"datum": MARGIN}},
    }
    level = {
        "mark": {"type": "rule", "strokeDash": [2, 3], "color": "#999999"},
        "encoding": {"y": {"datum": ALPHA}},
    }
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": "white",
        "data": {"values": values},
        "facet": {
            "field": "n",
            "type": "ordinal",
            "title": None,
            "header": {"labelExpr": "datum.value + ' items'", "labelFontSize": 12},
        },
        "columns": 3,
        "spec": {"width": 220, "height": 160, "layer": [margin, level, line]},
    }
    svg: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return svg


PAGE = """# What each rule promotes

Measured by `bench/verdicts.py` on {date} with scipy {scipy}: {replications:,} comparisons drawn for each of {cells}
combinations of n, true drop and discordance, seed {seed}; margin 3 points, α = 5 %, {seconds} seconds. How the verdict
is made stands in [docs/statistics.md](../docs/statistics.md).

{rules}

**A drop of 5 points, 100 items, 10 % of the answers changed:** gate promotes {ours:.1%}, the point threshold
{point:.0%}, McNemar {mcnemar:.0%}, "CI proves worse" {proven:.0%}.

## On the border

A true drop of exactly the margin, promoted at the worst of the discordances 5, 10, 20, 30 and 40 %. gate promises at
most 5 %; the last column is summed over all tables and has no Monte-Carlo error (of {mc:.1%}).

{border}

With few items McNemar and the interval promote nearly anything, since little can be proven against a candidate. The
point threshold tosses a coin at any n. With many items the interval keeps its 95 % (it promises not to accuse wrongly,
and no more), and McNemar refuses: it sees any drop, also one that is tolerable.

## By true drop, 10 % of the answers changed

{by_drop}

The price stands in the columns 0 % and 1 %: with few items gate says "not enough evidence" of a good model too, and how
many items would settle it.

![Promoted by true drop](verdicts.svg)
"""


def write(kept: Mapping[str, Any], out: Path) -> None:
    """The page and the plot of what was measured."""
    cells = [Cell(**one) for one in kept["cells"]]
    known = next(one for one in cells if (one.n, one.drop, one.discordance) == (100, 0.05, 0.1))
    page = PAGE.format(
        date=kept["date"], scipy=kept["scipy"], replications=kept["replications"], cells=len(cells),
        seed=kept["seed"], seconds=kept["seconds"], ours=known.promoted["gate"],
        point=known.promoted["point threshold"], mcnemar=known.promoted["McNemar"],
        proven=known.promoted["CI proves worse"], border=border(cells),
        mc=math.sqrt(ALPHA * (1 - ALPHA) / kept["replications"]),
        rules="\n".join(["| rule | promotes where |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in SAID.items())]),
        by_drop=by_drop(cells, 0.1, (50, 100, 200, 500, 1000, 2000)),
    )  # fmt: skip
    (out / "verdicts.md").write_text(page, encoding="utf-8")
    (out / "verdicts.svg").write_text(plot(cells), encoding="utf-8")


def main() -> None:
    """Simulate, check, and write the tables and the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replications", type=int, default=REPLICATIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--render", action="store_true", help="draw nothing: show what verdicts.json holds")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    store = asked.out / "verdicts.json"
    if not asked.render:
        begun = time.monotonic()
        cells = simulate(ITEMS, DROPS, DISCORDANCES, asked.replications, asked.seed)
        check(cells, asked.replications)
        check_compare(100, asked.seed)
        kept = {
            "date": datetime.now(UTC).date().isoformat(),
            "scipy": version("scipy"),
            "seed": asked.seed,
            "replications": asked.replications,
            "seconds": round(time.monotonic() - begun),
            "cells": [asdict(one) for one in cells],
        }
        asked.out.mkdir(parents=True, exist_ok=True)
        store.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    write(json.loads(store.read_text(encoding="utf-8")), asked.out)


if __name__ == "__main__":
    main()
