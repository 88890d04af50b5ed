"""The bench of small changes and large data: what it makes, and that a target missed is said."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.incremental import CHANGED, FILES, commit, corpus, git, report, single, target, touch
from bench.measure import Measured


def run(seconds: float, memory: int = 10) -> Measured:
    return Measured(seconds, seconds, 0.0, memory, 1, "", "")


def test_the_corpus_has_fifty_files_of_three_kinds(tmp_path: Path) -> None:
    names = [path.name for path in corpus(2_000, tmp_path).iterdir()]
    assert len(names) == FILES == 50
    assert {name.split(".")[0].split("-")[0] for name in names} == {"messages", "instruction", "preference", "text"}
    assert CHANGED in names


def test_exactly_the_rows_asked_for_change_and_stay_valid(tmp_path: Path) -> None:
    path = corpus(500, tmp_path, files=1) / CHANGED
    before = path.read_bytes().splitlines()
    touch(path, 37, "Otherwise")
    after = path.read_bytes().splitlines()
    assert len(after) == len(before)
    differ = [
        at for at, (one, other) in enumerate(zip(before, after, strict=True)) if json.loads(one) != json.loads(other)
    ]
    assert len(differ) == 37
    assert differ[-1] - differ[0] > len(before) * 0.9  # all over the file
    touch(path, 10**6, "Otherwise")  # more than there are: each once
    assert path.read_text(encoding="utf-8").count("Otherwise") == 37 + len(before)


def test_a_single_file_has_the_size_asked_for_and_no_part_twice(tmp_path: Path) -> None:
    path = tmp_path / "data" / "rows.jsonl"
    rows = single(path, 300_000, step=200)
    lines = path.read_bytes().splitlines()
    assert len(lines) == rows
    assert 300_000 <= path.stat().st_size < 305_000
    assert len(set(lines)) > 0.9 * rows
    assert [entry.name for entry in path.parent.iterdir()] == ["rows.jsonl"]


def test_a_pull_request_is_one_commit_over_its_base(tmp_path: Path) -> None:
    data = corpus(200, tmp_path / "corpus", files=1)
    repository = tmp_path / "repository"
    commit(data, repository, "The dataset")
    touch(data / CHANGED, 2, "Otherwise")
    commit(data, repository, "A change")
    git(repository, "diff", "--quiet", "HEAD~1", "--", "data/text.jsonl")
    with pytest.raises(Exception, match="returned non-zero exit status 1"):
        git(repository, "diff", "--quiet", "HEAD~1", "--", f"data/{CHANGED}")


@pytest.mark.parametrize(
    ("value", "limit", "met"),
    [
        (20.0, 20, True),
        (19.9, 20, False),
        (300.0, -300, True),
        (300.1, -300, False),
        (math.nan, 20, False),
        (math.nan, -300, False),
    ],
)
def test_a_target_is_a_floor_or_a_ceiling(value: float, limit: float, met: bool) -> None:
    assert target("some", value, limit, " s")["met"] is met


def test_what_was_missed_is_told_and_the_least_run_counts() -> None:
    told = report("rows", {"cold": [run(3, 5), run(2, 9)]}, [target("quick", 2.0, -1, " s")], {"ratio": 1 / 3})
    assert told["runs"][0]["seconds"] == 2
    assert told["runs"][0]["all_seconds"] == [3, 2]
    assert told["runs"][0]["peak_bytes"] == 9
    assert told["missed"] == ["missed: quick, measured 2.0 s"]
    assert told["figures"] == {"ratio": 0.333}
