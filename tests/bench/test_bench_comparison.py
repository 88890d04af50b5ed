"""The benchmark's own honesty: what is missed is an error, and cost is that of the whole process tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from bench.check import Missed, recall, same_duplicates, same_personal_data
from bench.measure import measure

FOUND = pl.DataFrame(
    {
        "rule": ["near_duplicates", "pii"],
        "file": ["a.jsonl", "a.jsonl"],
        "row": [2, 3],
        "code": ["near_duplicate", "EMAIL_ADDRESS"],
    }
)


def test_a_pair_that_is_left_whole_is_an_error() -> None:
    same_duplicates(FOUND, [["a.jsonl", 2, "a.jsonl", 9], ["a.jsonl", 9, "a.jsonl", 2]])
    with pytest.raises(Missed, match="1 of 1"):
        same_duplicates(FOUND, [["a.jsonl", 8, "a.jsonl", 9]])


@pytest.mark.parametrize(
    "composed",
    [[], [["a.jsonl", 3, "EMAIL_ADDRESS"]] * 2, [["a.jsonl", 4, "EMAIL_ADDRESS"]], [["a.jsonl", 3, "IP_ADDRESS"]]],
    ids=["too many", "too few", "another row", "another entity"],
)
def test_other_personal_data_is_an_error(composed: list[list[object]]) -> None:
    same_personal_data(FOUND, [["a.jsonl", 3, "EMAIL_ADDRESS"]])
    with pytest.raises(Missed):
        same_personal_data(FOUND, composed)


def test_recall_counts_planted_pairs_above_the_threshold_only() -> None:
    line = {"file": "a.jsonl", "row": 2, "how": "near", "origin_file": "a.jsonl", "origin_row": 1, "entity": None}
    truth = pl.DataFrame(
        [
            {**line, "jaccard": 0.9},
            {**line, "row": 7, "jaccard": 0.9},
            {**line, "row": 8, "jaccard": 0.7},
            {**line, "row": 3, "how": "pii", "jaccard": None, "entity": "EMAIL_ADDRESS"},
        ]
    )
    assert recall(FOUND, truth) == {"near": {"planted": 2, "found": 1}, "pii": {"planted": 1, "found": 1}}


def test_memory_and_time_of_children_are_counted() -> None:
    child = "import time; x = bytearray(200_000_000); time.sleep(0.4)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); sys.exit(3)"
    run = measure([sys.executable, "-c", parent])
    assert run.code == 3
    assert run.peak > 190_000_000
    assert 0.4 < run.wall < 20


@pytest.mark.parametrize(
    "sections",
    [
        ["generated"],
        pytest.param(["examples", "duplicates", "pii"], marks=pytest.mark.slow),
        pytest.param(["incremental", "scale", "single"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_sections_run_at_a_tiny_size(sections: list[str], tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "bench" / "run.py"
    command = [sys.executable, str(script), "--quick", "--out", str(tmp_path)]
    subprocess.run(command + [f"--section={name}" for name in sections], check=True, timeout=900)
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "## Targets" in page
    assert f"{len(sections)} sections" in page
    if "generated" in sections:
        assert "Ratio" in page
        assert "300 rows" in page
