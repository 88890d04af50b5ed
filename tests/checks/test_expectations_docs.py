"""What docs/expectations.md shows, works, and what it lists, is all there is."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from gate.checks.great_expectations_columns import CANONICAL
from gate.checks.great_expectations_suite import read_suite
from gate.folders import Folders

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_canonical_column_is_listed_with_what_it_holds() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (.+?)( \(number\))? \|$", PAGE, re.MULTILINE)
    assert listed == [
        (column.name, column.meaning, " (number)" if column.measured else "") for column in CANONICAL.values()
    ]


def test_one_of_our_suites_is_edited_with_gx_as_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "rules" / "expectations", tmp_path / "rules" / "expectations")
    monkeypatch.chdir(tmp_path)
    before = read_suite("chat", Folders(tmp_path)).expectations
    exec(SNIPPETS[0], {})
    after = read_suite("chat", Folders(tmp_path)).expectations
    assert after[: len(before)] == before
    assert [each.rule for each in after[len(before) :]] == ["short-answers"]


def test_a_suite_made_elsewhere_is_read_as_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(SNIPPETS[1], {})
    suite = read_suite("tickets.json", Folders(tmp_path))
    assert (suite.name, len(suite.expectations)) == ("tickets", 2)
    assert json.loads((tmp_path / "tickets.json").read_text())["meta"]["great_expectations_version"]
