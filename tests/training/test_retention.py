"""The forgetting monitor: what a suite may say, how a model is scored, and what happens when it forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.tiny_base import skills
from gate.errors import InputError, UsageError
from gate.folders import Folders
from gate.training.events import read_events
from gate.training.recipe import Monitor
from gate.training.retention import (
    FILE,
    Item,
    bring_suite,
    check_disjoint,
    find_suite,
    guessing,
    held_at,
    item_digest,
    read_suite,
    score,
    within,
)
from tests.training.made import Approved, run_of
from trainers import sft


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Iterator[tuple[Any, Any]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(tiny_base), AutoTokenizer.from_pretrained(tiny_base)


def known(count: int = 40) -> list[Item]:
    """Of what the tiny base knows, the shorter half with choices."""
    chosen = skills()[:: len(skills()) // count][:count]
    items = []
    for at, (question, answer) in enumerate(chosen):
        others = [other for _, other in chosen if other != answer][:2]
        if at % 2:
            items.append(Item(id=str(at), prompt=question, choices=[others[0], answer, others[1]], gold=1))
        else:
            items.append(Item(id=str(at), prompt=question, answer=answer))
    return items


def suite(path: Path, items: list[Item]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(item.model_dump_json(exclude_none=True) + "\n" for item in items), "utf-8")
    return path


# --- Scoring ---


def test_what_the_base_knows_it_is_found_to_know(base: tuple[Any, Any]) -> None:
    scored = score(*base, known())
    assert scored.items == 40
    assert scored.share >= 0.95
    assert scored.loss < 0.2
    wrong = [Item(id=each.id, prompt=each.prompt, answer="seven") for each in known()]
    assert score(*base, wrong).right == 0
    assert score(*base, wrong).loss > 3


def test_each_item_is_scored_as_it_is_alone(base: tuple[Any, Any]) -> None:
    """Padding and neighbours change nothing; by hand, an answer is what greedy generation gives."""
    import torch

    model, tokenizer = base
    items = [*known(10), Item(id="long", prompt="Why? " * 40, choices=["no", "yes, of course it is"], gold=0)]
    together = score(model, tokenizer, items)
    alone = [score(model, tokenizer, [item]) for item in items]
    assert together.known == tuple(each.known[0] for each in alone)
    assert together.loss == pytest.approx(sum(each.loss for each in alone) / len(alone), rel=1e-4)
    for item, right in zip(items, together.known, strict=True):
        if item.answer is not None:
            asked = tokenizer.apply_chat_template(
                [{"role": "user", "content": item.prompt}], add_generation_prompt=True, return_tensors="pt"
            )["input_ids"]
            with torch.no_grad():
                said = model.generate(asked, max_new_tokens=8, do_sample=False)[0, asked.shape[1] :]
            assert (tokenizer.decode(said, skip_special_tokens=True) == item.answer) == right


def test_scoring_leaves_no_trace(base: tuple[Any, Any]) -> None:
    import torch

    model, tokenizer = base
    model.train()
    state = torch.get_rng_state()
    assert score(model, tokenizer, known()) == score(model, tokenizer, known())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    model.eval()


def test_a_model_of_nan_knows_nothing(tiny_base: Path, base: tuple[Any, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    with torch.no_grad():
        model.model.norm.weight.fill_(torch.nan)
    assert score(model, base[1], known()).right == 0
    assert not within(float("nan"), 0.5, 0.1)


def test_an_item_longer_than_the_context_is_named(base: tuple[Any, Any]) -> None:
    item = Item(id="endless", prompt="word " * 3000, answer="x")
    with pytest.raises(UsageError, match=r"'endless' has [\d,]+ tokens, and the model takes 1,024"):
        score(*base, [item])


def test_a_base_without_a_template_is_asked_in_plain_text(base: tuple[Any, Any]) -> None:
    from copy import deepcopy

    model, tokenizer = base
    bare = deepcopy(tokenizer)
    bare.chat_template = None
    assert 0 <= score(model, bare, known()).share < 0.95  # it knows its skills in chat form only


# --- Suites ---


def test_the_shipped_suite() -> None:
    items = read_suite(*find_suite("general", Folders()))
    assert len(items) >= 300
    assert len({item_digest(item.prompt) for item in items}) == len(items)
    assert len({item.group for item in items}) >= 10
    assert guessing(items) < 0.26
    golds = [item.gold for item in items if item.choices and len(item.choices) == 4]
    assert all(0.15 < golds.count(at) / len(golds) < 0.35 for at in range(4))  # no place gives the answer away


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"mine.jsonl:2: .*JSON"),
        ('{"id": "b", "prompt": "?"}', r"mine.jsonl:2: .*either an `answer`, or `choices`"),
        ('{"id": "b", "prompt": "?", "answer": "x", "choices": ["x", "y"], "gold": 0}', r"mine.jsonl:2: .*either"),
        ('{"id": "b", "prompt": "?", "choices": ["x", "y"]}', r"mine.jsonl:2: .*go together"),
        ('{"id": "b", "prompt": "?", "choices": ["x", "y"], "gold": 2}', r"mine.jsonl:2: .*no such choice"),
        ('{"id": "b", "prompt": "?", "choices": ["x", "x"], "gold": 0}', r"mine.jsonl:2: .*the same"),
        ('{"id": "b", "prompt": " ", "answer": "x"}', r"mine.jsonl:2: prompt"),
        ('{"id": "b", "prompt": "?", "answer": "x", "weight": 2}', r"mine.jsonl:2: weight"),
        ('{"id": "a", "prompt": "?", "answer": "x"}', r"mine.jsonl:2: the id 'a' is that of line 1 too"),
        ('["a"]', r"mine.jsonl:2: "),
    ],
)
def test_a_line_that_is_no_item(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{{"id": "a", "prompt": "Why?", "answer": "So."}}\n{line}\n', "utf-8")
    with pytest.raises(InputError, match=message):
        read_suite(path, "mine.jsonl")


def test_a_suite_of_nothing_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n", "utf-8")
    with pytest.raises(InputError, match="has no items"):
        read_suite(tmp_path / "empty.jsonl", "empty.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_suite(tmp_path / "none.jsonl", "none.jsonl")
    for name in ("none", "none.jsonl", "../../etc/passwd"):
        with pytest.raises(UsageError, match=r"no retention suite(.|\n)*rules/retention: general"):
            find_suite(name, Folders(tmp_path))


def test_what_steers_training_does_not_judge_it(tmp_path: Path) -> None:
    items = [
        Item(id="a", prompt="What is  the Capital of France?", answer="Paris"),
        Item(id="b", prompt="Why?", answer="x"),
    ]
    check_disjoint(items, ["What is the capital of Spain?"])
    for gating in ("what is the capital of france", item_digest("What is the capital of France?")):
        with pytest.raises(UsageError, match="1 of 2 retention items are in a gating suite too: a"):
            check_disjoint(items, ["other", gating])
    path = suite(tmp_path / "mine.jsonl", items)
    with pytest.raises(UsageError, match="gating suite too"):
        bring_suite(Monitor(suite=str(path)), Folders(), tmp_path, gating=["Why"])
    assert not (tmp_path / FILE).exists()


def test_when_the_margin_holds() -> None:
    history = [
        {"retention": 0.9, "retention_base": 0.9, "step": 0},
        {"loss": 1.0, "step": 5},
        {"retention": 0.87, "retention_base": 0.9, "step": 10},
        {"retention": 0.8, "retention_base": 0.9, "step": 20},
    ]
    assert held_at([], 5, 0.03)
    assert held_at(history, 10, 0.03)
    assert held_at(history, 19, 0.03)
    assert not held_at(history, 20, 0.03)
    assert held_at(history, 20, 0.1)


# --- While a model trains ---


def trained(folder: Path, base: Path, approved: Approved, **keys: object) -> dict[str, list[dict[str, Any]]]:
    run_of(folder, base, approved, **keys)
    sft.main(str(folder / "run.json"))
    told: dict[str, list[dict[str, Any]]] = {}
    for event in read_events(folder)[0]:
        told.setdefault(event.kind, []).append(event.fields)
    return told


RECKLESS: dict[str, object] = {
    "method": "full", "lr": 1e-3, "warmup": 0, "max_steps": 12, "evaluate_every": 2, "schedule": "constant",
    "patience": 0,
}  # fmt: skip


@pytest.mark.slow
def test_the_best_checkpoint_that_held_the_margin_is_the_candidate(
    tmp_path: Path, tiny_base: Path, approved: Approved, base: tuple[Any, Any]
) -> None:
    from transformers import AutoModelForCausalLM

    path = suite(tmp_path / "mine.jsonl", known(200))
    gentle = RECKLESS | {"lr": 3e-4}
    free = trained(
        tmp_path / "free", tiny_base, approved, **gentle, monitor={"suite": str(path), "every": 3, "margin": 1.0}
    )
    assert [each["step"] for each in free["retention"]] == [0, 2, 3, 4, 6, 8, 9, 10, 12]
    assert free["end"][0]["reason"] == "finished"
    scores = {each["step"]: each["score"] for each in free["retention"]}
    assert scores[0] >= 0.95
    assert scores[12] < scores[2]  # or there is nothing to see here
    margin = scores[0] - scores[2] + 0.001
    held = trained(
        tmp_path / "held", tiny_base, approved, **gentle, monitor={"suite": str(path), "every": 3, "margin": margin}
    )
    end = held["end"][0]
    assert end["reason"] == "forgetting"
    (finding,) = [each for each in held["finding"] if each["code"] == "forgetting"]
    assert finding["step"] == end["step"] < 12
    holding = [
        each["step"] for each in held["retention"] if each["score"] >= scores[0] - margin and each["step"] % 2 == 0
    ]
    assert end["best_step"] in holding[1:]
    candidate = AutoModelForCausalLM.from_pretrained(tmp_path / "held" / "candidate")
    assert score(candidate, base[1], known(200)).share == pytest.approx(scores[end["best_step"]])


def test_what_never_held_the_margin_is_no_candidate(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    path = suite(tmp_path / "mine.jsonl", known())
    run_of(tmp_path / "run", tiny_base, approved, **RECKLESS, monitor={"suite": str(path), "every": 4, "margin": 0.02})
    with pytest.raises(SystemExit) as stopped:
        sft.main(str(tmp_path / "run" / "run.json"))
    assert stopped.value.code == 1
    told = {event.kind: event.fields for event in read_events(tmp_path / "run")[0]}
    assert "before there was a checkpoint that holds it" in told["error"]["message"]
    assert not (tmp_path / "run" / "candidate").exists()


def test_stopping_keeps_what_there_is(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    path = suite(tmp_path / "mine.jsonl", known())
    told = trained(
        tmp_path / "run", tiny_base, approved, **RECKLESS,
        monitor={"suite": str(path), "every": 3, "margin": 0.02, "then": "stop"},
    )  # fmt: skip
    assert told["end"][0]["reason"] == "forgetting"
    assert told["end"][0]["step"] <= 3
    assert (tmp_path / "run" / "candidate" / "config.json").exists()


def test_an_adapter_is_switched_off_for_the_untouched_model(
    tmp_path: Path, tiny_base: Path, approved: Approved
) -> None:
    path = suite(tmp_path / "mine.jsonl", known())
    told = trained(
        tmp_path / "run",
        tiny_base,
        approved,
        method="ptuning",
        max_steps=2,
        monitor={"suite": str(path), "margin": 1.0},
    )
    assert told["retention"][0]["base"] >= 0.95
    assert told["retention"][0]["base"] == told["retention"][-1]["base"]


def test_a_suite_that_the_base_does_not_know_is_told(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    """With answers that no model of this size says: on the shipped suite's choices it may be lucky."""
    asked = [Item(id=str(n), prompt=f"Who kept log {n}?", answer=f"the keeper of lamp {n}") for n in range(30)]
    path = suite(tmp_path / "mine.jsonl", asked)
    told = trained(
        tmp_path / "run", tiny_base, approved, max_steps=2, monitor={"suite": str(path), "every": 50, "margin": 0.05}
    )
    (finding,) = [each for each in told["finding"] if each["code"] == "blind_monitor"]
    assert "of 30 retention items" in finding["message"]


def test_a_shipped_suite_is_copied_into_the_run(tmp_path: Path, tiny_base: Path, approved: Approved) -> None:
    trained(
        tmp_path / "run", tiny_base, approved, max_steps=1, monitor={"suite": "general", "every": 50, "margin": 1.0}
    )
    lines = (tmp_path / "run" / FILE).read_text("utf-8").splitlines()
    assert len(lines) == 330
    assert json.loads(lines[0])["id"]
