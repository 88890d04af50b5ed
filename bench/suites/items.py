"""What every generator of suite items shares: an item of several choices, where the right one lies, and files.

The place of the right choice is drawn so that each place has its share, and of numbers the same holds of its rank:
neither "always the first" nor "always the middle one" is a strategy.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FACTS = Path(__file__).parent / "facts"
SUITES = Path(__file__).parents[2] / "rules" / "suites"
CHOICES = 4

Record = dict[str, Any]
"""A line of a suite's JSONL."""


@dataclass(frozen=True)
class Question:
    """A question before its choices are put into an order."""

    group: str
    cluster: str
    text: str
    right: str
    wrong: tuple[str, str, str]


def facts(name: str) -> Any:
    """A table of `facts/`, as its YAML says."""
    return yaml.safe_load((FACTS / f"{name}.yaml").read_text("utf-8"))


def turns(draw: random.Random, count: int) -> list[int]:
    """As many numbers from 0 to 3, each equally often (or once more), in a drawn order."""
    found = [at % CHOICES for at in range(count)]
    draw.shuffle(found)
    return found


def numbered(task: str, questions: Sequence[Question], draw: random.Random) -> list[Record]:
    """The records of a multiple-choice task, with the right answer at each place equally often.

    Raises:
        ValueError: two items ask the same, or an item offers an answer twice.
    """
    records = []
    for at, (question, gold) in enumerate(zip(questions, turns(draw, len(questions)), strict=True), 1):
        offered = list(question.wrong)
        draw.shuffle(offered)
        offered.insert(gold, question.right)
        if len({each.casefold() for each in offered}) < CHOICES:
            raise ValueError(f"{question.text}: offers an answer twice: {offered}")
        records.append(
            {
                "id": f"{task}-{at:03}",
                "group": question.group,
                "cluster": f"{task}/{question.cluster}",
                "question": question.text,
                "choices": offered,
                "gold": gold,
            }
        )
    if len({record["question"] for record in records}) < len(records):
        raise ValueError(f"{task}: two items ask the same")
    return records


def near(right: int, rank: int, steps: Sequence[int], draw: random.Random, least: int = 0) -> tuple[str, str, str]:
    """Three wrong numbers, `rank` of them (0 to 3) below the right one.

    Args:
        steps: how far wrong ones may lie from the right one, or from each other.
        least: no number is below it; where that leaves too little room below, more lie above.
    """
    below = [right - step for step in steps if right - step >= least]
    rank = min(rank, len(below))
    above = [right + step for step in steps]
    wrong = [*draw.sample(below, rank), *draw.sample(above, 3 - rank)]
    first, second, third = map(str, wrong)
    return first, second, third


def others(pool: Iterable[str], not_these: Iterable[str], draw: random.Random) -> tuple[str, str, str]:
    """Three different members of a pool, none of which is among those that would be right too."""
    left = sorted(set(pool) - set(not_these))
    first, second, third = draw.sample(left, 3)
    return first, second, third


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """JSON Lines, in UTF-8 as people read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")


Maker = Callable[[random.Random], list[Question]]
"""Makes the questions of one task."""
