"""The shipped suites' items, as they stand in `rules/suites`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "rules" / "suites"
CHOSEN = ("arithmetic", "capitals", "elements", "calendar", "antonyms", "translation", "sequences", "reasoning")
"""Tasks of the forgetting suite that offer choices."""
WRITTEN = ("instructions", "formats")
"""Tasks of it whose answers are written."""

Item = dict[str, Any]


@cache
def items(task: str, suite: str = "forgetting") -> tuple[Item, ...]:
    """The items of a task, in their order."""
    text = (SUITES / suite / f"{task}.jsonl").read_text("utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def right(item: Item) -> str:
    """The right one of its choices."""
    answer: str = item["choices"][item["gold"]]
    return answer
