"""A trainer reads the set in gate's order, and what it has read is what the books say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gate.training.model import load_tokenizer
from gate.training.order import epoch_order
from gate.training.prepared import Passes, mismatched
from tests.training.made import Approved, run_of
from tests.training.scripts import script, tokens_of, train
from tests.training.tasks import orders, pairs

GROUPS = np.array([0] * 7 + [1] * 3, np.int8)


def test_a_pass_is_read_in_the_order_of_the_books() -> None:
    for epoch in (0, 1, 2):
        assert list(Passes(GROUPS, 5, lambda epoch=epoch: epoch)) == epoch_order(GROUPS, 5, epoch).tolist()  # type: ignore[misc]


def test_answers_are_drawn_for_whole_groups_and_no_prompt_is_left_out() -> None:
    sampler = Passes(GROUPS, 5, lambda: 1, together=4, each=3, again=2)
    read = list(sampler)
    assert len(read) == len(sampler) == 3 * 4 * 3 * 2
    order = epoch_order(GROUPS, 5, 1).tolist()
    first = [position for position in order[:4] for _ in range(3)]
    assert read[:24] == first + first
    assert set(read) == set(range(10))
    assert Counter(read)[order[9]] == 6
    assert Counter(read)[order[0]] == 12  # the last group is filled up from the beginning


def test_a_prompt_gets_the_answer_to_another() -> None:
    collate = mismatched(lambda examples: {"read": [each["KL_completion_ids"] for each in examples]})
    assert collate([{"completion_ids": [number]} for number in range(3)]) == {"read": [[2], [0], [1]]}


@pytest.mark.parametrize("objective", ["sft", "rloo"])
def test_what_was_read_is_what_the_books_say(
    tmp_path: Path,
    tiny_base: Path,
    seal: Callable[..., Approved],
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
) -> None:
    """Stopped within the second pass: some rows were read twice, the others once."""
    import transformers
    import trl

    read: Counter[tuple[int, ...]] = Counter()
    steps = transformers.Trainer.training_step if objective == "sft" else trl.RLOOTrainer._generate_single_turn

    # Token 0 is the padding.
    def learning(self: object, model: object, inputs: dict[str, list[list[int]]], *rest: object) -> object:
        read.update(tuple(filter(None, row)) for row in inputs["input_ids"].tolist())  # type: ignore[attr-defined]
        return steps(self, model, inputs, *rest)

    def answering(self: object, prompt_ids: list[list[int]], *rest: object) -> object:
        if self.model.training:  # type: ignore[attr-defined]
            read.update(tuple(row) for row in prompt_ids)
        return steps(self, prompt_ids, *rest)

    if objective == "sft":
        monkeypatch.setattr(transformers.Trainer, "training_step", learning)
    else:
        monkeypatch.setattr(trl.RLOOTrainer, "_generate_single_turn", answering)
    rows = orders() if objective == "sft" else pairs()
    approved = seal(rows[:20], rows[20:110], name=f"read-{objective}")
    keys = {"objective": objective, "max_steps": 4, "batch": 8, "device_batch": 4, "samples": 0, "evaluate_every": 100}
    if objective == "rloo":
        monkeypatch.setattr(script("rl"), "judge_of", lambda *_: lambda prompts, **_: [0.0] * len(prompts))
        keys |= {"generations": 2, "reward_model": "none", "max_steps": 7}
    finished = train(run_of(tmp_path / "run", tiny_base, approved, **keys))
    books = pl.read_parquet(finished.run.place / "accounting.parquet")
    assert sorted(books["times"]) == [1] * 12 + [2] * 8
    times, tokens = dict(books.select("id", "times").iter_rows()), tokens_of(finished.run)
    tokenizer, placed = load_tokenizer(finished.run), tokens.account.placed
    for position, drawn in zip(placed.positions.tolist(), placed.draws.tolist(), strict=True):
        row, its_id = tokens.train[position], tokens.account.rows.train[drawn].id
        if objective == "sft":
            assert read[tuple(row["input_ids"])] == times[its_id]
        else:
            prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
            assert read[tuple(prompt)] == 2 * times[its_id]  # an answer each
