"""Writes the shipped suites' generated items: `python -m bench.suites.make` in the root of a checkout.

The items follow from this folder's code and tables alone, and come out byte for byte the same each time; a test
compares. What was written by hand (paragraphs, requests, beginnings) stands in `rules/suites` only. Whoever
changes an item says so in the changelog: results of before and after are not comparable, and gate compares none.
"""

from __future__ import annotations

import random
from pathlib import Path

from bench.suites import forms, guarded, knowledge, numbers, reasoning
from bench.suites.items import SUITES, Maker, Record, numbered, write

SEED = 20
CHOSEN: dict[str, Maker] = {
    "arithmetic": numbers.arithmetic,
    "capitals": knowledge.capitals,
    "elements": knowledge.element_questions,
    "calendar": numbers.calendar,
    "antonyms": knowledge.antonyms,
    "translation": knowledge.translations,
    "sequences": numbers.sequences,
    "reasoning": reasoning.reasoning,
}
"""Tasks of several choices."""


def records() -> dict[str, list[Record]]:
    """Every generated file's records, by its path in `rules/suites`."""
    made = {
        f"forgetting/{task}.jsonl": numbered(task, maker(_draw(task)), _draw(f"{task} places"))
        for task, maker in CHOSEN.items()
    }
    made["forgetting/instructions.jsonl"] = forms.instructions(_draw("instructions"))
    made["forgetting/formats.jsonl"] = forms.formats(_draw("formats"))
    made["safety/stereotypes.jsonl"] = guarded.stereotypes()
    made["safety/injection.jsonl"] = guarded.planted(_draw("injection"))
    return made


def _draw(task: str) -> random.Random:
    return random.Random(f"{SEED} {task}")  # a seed of its own: another task's items do not move these


def main(folder: Path = SUITES) -> None:
    """Write the files, and say how many items each has."""
    for path, items in records().items():
        write(folder / path, items)
        print(f"{path}: {len(items)}")


if __name__ == "__main__":
    main()
