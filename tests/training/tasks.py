"""Small tasks that the tiny base learns in seconds, in every shape that the trainers read."""

from __future__ import annotations

import random
from pathlib import Path

from gate.training.run_file import Run

Rows = list[dict[str, object]]


def _sums(seed: int) -> list[tuple[int, int]]:
    """Pairs of numbers that the tiny base can add, in an order drawn by the seed."""
    asked = [(a, b) for a in range(20) for b in range(20)]
    random.Random(seed).shuffle(asked)
    return asked


def orders(seed: int = 0) -> Rows:
    """400 additions in words that the base does not know."""
    return [{"instruction": f"Add {a} to {b}.", "output": str(a + b)} for a, b in _sums(seed)]


def sizes(seed: int = 0) -> Rows:
    """400 additions, and whether the sum is large: as the answer, and as a column within another."""
    named = [(a, b, "large" if a + b > 19 else "small") for a, b in _sums(seed)]
    return [{"instruction": f"What is {a} plus {b}?", "output": size, "sum": {"size": size}} for a, b, size in named]


def pairs(seed: int = 0, *, low: bool = True) -> Rows:
    """400 additions that the base cannot do, and a taste: a number below 20 is preferred to one above, or the other way
    round."""
    draw = random.Random(seed)
    names = ("chosen", "rejected") if low else ("rejected", "chosen")
    return [
        {"prompt": f"What is {a + 20} plus {b + 20}?"}
        | {name: str(draw.randrange(*limits)) for name, limits in zip(names, ((10, 20), (20, 39)), strict=True)}
        for a, b in _sums(seed)
    ]


def judged(seed: int = 0) -> Rows:
    """The same, one answer to each, and whether it is to the taste."""
    return [
        {"prompt": row["prompt"], "completion": row["rejected" if number % 2 else "chosen"], "label": number % 2 == 0}
        for number, row in enumerate(pairs(seed))
    ]


def texts(seed: int = 0, count: int = 200) -> Rows:
    """Sentences of a made-up almanac, no two alike."""
    draw = random.Random(seed)
    things, places = ["lamp", "rope", "chart", "sail", "anchor"], ["harbour", "pier", "tower", "quay"]
    return [
        {"text": f"On day {day} the {draw.choice(things)} was carried from the {draw.choice(places)} to the mast."}
        for day in range(count)
    ]


def share_right(run: Run, rows: Rows) -> float:
    """The share of questions that a run's candidate answers exactly, greedily."""
    from gate.training.sampling import Prompt, answers
    from gate.training.saving import load_candidate

    model, tokenizer = load_candidate(run.candidate, Path(run.base.path))
    asked = []
    for row in rows:
        messages = [{"role": "user", "content": row["instruction"]}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)
        asked.append(Prompt(str(row["instruction"]), tuple(ids)))
    said = answers(model, tokenizer, asked, 8)
    return sum(answer == row["output"] for answer, row in zip(said, rows, strict=True)) / len(rows)
