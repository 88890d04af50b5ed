"""What the story of `make demo` is made of: its questions, its rules, and what README shows of it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import polars as pl
import pytest

from examples import demo
from examples.tiny_base import skills
from gate.evaluation.suite_files import read_suite
from gate.folders import Folders
from gate.promotion.policy import load_promotion_policy

ROOT = Path(__file__).parents[1]


class Typed(demo.Story):
    """A story that only notes what would be typed."""

    def type(self, command: str, ends_with: int = demo.PASSED) -> str:
        self.printed[command] = str(ends_with)
        return ""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> demo.Story:
    return demo.tell(demo.Story(tmp_path_factory.mktemp("story") / "team", show=False), (demo.prepare,))


def test_what_is_asked_and_what_holds_the_careful_one_are_all_the_skills_and_disjoint(team: demo.Story) -> None:
    anchors = [json.loads(line)["instruction"] for line in (team.place / "general/train.jsonl").open()]
    (task,) = read_suite("forgetting", Folders(team.place)).tasks
    asked = [str(item["question"]) for item in task.documents]
    assert sorted(anchors + asked) == sorted(question for question, _ in skills())
    assert {item["skill"] for item in task.documents} == {"sums", "capitals", "opposites"}


def test_its_policy_demands_the_task_and_what_the_base_knew(team: demo.Story) -> None:
    form = load_promotion_policy("default", Folders(team.place)).form
    gated = {each.id: each for each in form.demands if each.enabled and each.gated and each.required}
    assert set(gated) == {"task", "task_champion", "forgetting"}
    assert gated["forgetting"].no_worse is not None
    assert gated["forgetting"].no_worse.margin == 0.03


def test_a_person_leaves_out_what_blocks_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    (tmp_path / "b.csv").write_text('q,a\n1,"two\nlines"\n2,x\n3,y\n')
    pl.DataFrame({"n": [1, 2, 3]}).write_parquet(tmp_path / "c.parquet")
    (tmp_path / "empty.jsonl").write_text("")
    blocking = [("a.jsonl", 2), ("b.csv", 1), ("c.parquet", 3), ("empty.jsonl", None)]
    findings = pl.DataFrame(
        {
            "severity": ["error"] * 4 + ["warning"],
            "file": [name for name, _ in blocking] + ["a.jsonl"],
            "row": pl.Series([row for _, row in blocking] + [1], dtype=pl.UInt32),
        }
    )
    findings.write_parquet(tmp_path / "left.parquet")
    assert demo.leave_out(tmp_path, tmp_path / "left.parquet") == 4
    assert [json.loads(line)["n"] for line in (tmp_path / "a.jsonl").open()] == [1, 3]
    assert list(csv.reader((tmp_path / "b.csv").open(newline=""))) == [["q", "a"], ["2", "x"], ["3", "y"]]
    assert pl.read_parquet(tmp_path / "c.parquet")["n"].to_list() == [1, 2]
    assert not (tmp_path / "empty.jsonl").exists()


def test_a_command_that_ends_in_another_way_ends_the_story(team: demo.Story) -> None:
    with pytest.raises(demo.Unexpected, match=r"`gate verify nothing` ended with \d, and not with 0"):
        team.type("gate verify nothing")


def test_readme_shows_what_the_story_types(tmp_path: Path) -> None:
    story = Typed(tmp_path, show=False)
    demo.promotion(story)
    section = (ROOT / "README.md").read_text("utf-8").split("## Promote what is better, and no worse\n", 1)[1]
    block = re.search(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    shown = [line[2:].split("  #")[0].strip() for line in block[1].splitlines() if line.startswith("$ ")]
    assert shown == list(story.printed)
