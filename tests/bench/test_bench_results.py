"""The page of results: every section has its table, and what was missed or did not run stands in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.results import render, targets

STAMP: dict[str, Any] = {
    "date": "2026-01-01T00:00+00:00",
    "machine": {"cores": 2, "cpu": "one", "memory_gib": 8, "python": "3.11", "load": 0.1},
    "versions": {"polars": "2"},
}
GATE = {"contender": "gate", "seconds": 1.0, "process_seconds": 2.0, "precision": 1.0, "recall": 1.0}
RENSA = {**GATE, "contender": "rensa", "seconds": 3.0, "process_seconds": 1.0}
ABSENT = {"contender": "datatrove", "note": "not installed: no wheel"}


def peers(*lines: dict[str, Any]) -> dict[str, Any]:
    return {"peers": {**STAMP, "measured": {"real": list(lines)}}}


def lines_of(results: dict[str, Any]) -> dict[str, list[object]]:
    return {str(line[0]): line[1:] for line in targets(results)}


def test_first_in_time_is_judged_with_and_without_imports() -> None:
    told = lines_of(peers(GATE, RENSA))
    assert told["real rows, first in time among peers, imports apart; next is rensa"] == ["3.0×", "met"]
    assert told["real rows, first in time among peers, the whole process; next is rensa"] == ["0.5×", "**missed**"]


@pytest.mark.parametrize("worse", [{"precision": 0.999}, {"recall": 0.998}, {"precision": None}, {"recall": None}])
def test_gate_has_to_be_exact(worse: dict[str, float | None]) -> None:
    text = "real rows: gate's precision 1 and recall ≥ 0.999 against brute force"
    assert lines_of(peers(GATE, RENSA))[text][1] == "met"
    assert lines_of(peers({**GATE, **worse}, RENSA))[text][1] == "**missed**"


def test_a_peer_that_did_not_run_is_named_and_nothing_is_met_without_peers() -> None:
    page = render(peers(GATE, RENSA, ABSENT), "")
    assert "among peers (without datatrove)" in page
    assert "not installed: no wheel" in page
    for alone in (peers(GATE, ABSENT), peers(RENSA), peers()):
        assert [line[-1] for line in targets(alone)] == ["**missed**"]


def test_figures_by_name_are_a_table_with_a_column_per_contender() -> None:
    lines = [
        {"contender": name, "recall": {"none": 1.0, "last 60 %": share}} for name, share in (("gate", 0.9), ("b", 0.5))
    ]
    page = render({"contamination": {**STAMP, "measured": {"real": lines}}}, "")
    assert "| recall | gate | b |" in page
    assert "| last 60 % | 0.9 | 0.5 |" in page


def test_runs_and_their_targets_stand_in_the_page() -> None:
    one = {"run": "unchanged", "seconds": 1.5, "cpu_seconds": 1.0, "all_seconds": [1.5], "peak_bytes": 2**21}
    missed = {"target": "quick", "value": 2.0, "unit": " s", "met": False}
    measured = {"data": "some rows", "runs": [one], "figures": {"ratio": 0.2}, "targets": [missed], "missed": ["quick"]}
    page = render({"incremental": {**STAMP, "measured": measured}}, "")
    assert "| quick | 2.0 s | **missed** |" in page
    assert "| unchanged | 1.5 s | 1.0 s | 1.5 | 2 MiB |" in page
    assert "ratio: 0.2." in page


def test_the_page_is_written_again_without_measuring(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(peers(GATE, RENSA)), encoding="utf-8")
    script = Path(__file__).parents[2] / "bench" / "run.py"
    subprocess.run([sys.executable, str(script), "--render", "--out", str(tmp_path)], check=True, timeout=60)
    assert "Near-duplicates against peers" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8")) == peers(GATE, RENSA)
