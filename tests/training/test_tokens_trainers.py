"""What the trainers of the installed TRL really read is what was handed to them: token by token, as often as the books
say, whatever the batch, the accumulation and the moment at which training ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from gate.training.arguments import training_arguments
from gate.training.events import Events
from gate.training.prepared import prepared
from gate.training.rows import Row
from gate.training.tokens import (
    Tokens,
    chat_tokens,
    class_tokens,
    feedback_tokens,
    preference_tokens,
    text_tokens,
)
from tests.training.rows_made import chat, plain_run, row, rows_of

if TYPE_CHECKING:
    from gate.training.run_file import Run

Ids = tuple[int, ...]


def chats(count: int) -> list[Row]:
    return [
        row(chat(("user", f"one {at}"), ("assistant", f"two {at}"), ("user", "and?"), ("assistant", "x " * (at % 7))))
        for at in range(count)
    ]


def pairs(count: int) -> list[Row]:
    return [
        row(
            chat(("user", f"say {at}")),
            chosen=chat(("assistant", f"{at} yes")),
            rejected=chat(("assistant", "no " * 9)),
        )
        for at in range(count)
    ]


def judged(count: int) -> list[Row]:
    return [
        row(chat(("user", f"say {at}"), ("assistant", "x " * (1 + at % 9))), label=at % 3 == 0) for at in range(count)
    ]


def long_texts(count: int) -> list[Row]:
    return [row(text=" ".join(f"{at} {number}" for number in range(at % 30 + 1))) for at in range(count)]


def _real(ids: Any, mask: Any) -> Iterator[Ids]:
    for one, keep in zip(ids.tolist(), mask.tolist(), strict=True):
        yield tuple(each for each, real in zip(one, keep, strict=True) if real)


def _sft(inputs: dict[str, Any]) -> Iterator[tuple[Ids, Ids]]:
    yield from zip(
        _real(inputs["input_ids"], inputs["attention_mask"]),
        _real(inputs["labels"], inputs["attention_mask"]),
        strict=True,
    )


def _halves(inputs: dict[str, Any]) -> Iterator[tuple[Ids, Ids]]:
    ids = list(_real(inputs["input_ids"], inputs["attention_mask"]))
    yield from zip(ids[: len(ids) // 2], ids[len(ids) // 2 :], strict=True)


def _orpo(inputs: dict[str, Any]) -> Iterator[tuple[Ids, Ids]]:
    sides = [_real(inputs[f"{side}_input_ids"], inputs[f"{side}_attention_mask"]) for side in ("chosen", "rejected")]
    yield from zip(*sides, strict=True)


def _kto(inputs: dict[str, Any]) -> Iterator[tuple[Ids, Ids]]:
    ids = list(_real(inputs["input_ids"], inputs["attention_mask"]))
    for one, answers, label in zip(ids, inputs["completion_mask"].tolist(), inputs["label"].tolist(), strict=True):
        yield one, (sum(answers), int(label))


def _class(inputs: dict[str, Any]) -> Iterator[tuple[Ids, Ids]]:
    for one, label in zip(_real(inputs["input_ids"], inputs["attention_mask"]), inputs["labels"].tolist(), strict=True):
        yield one, (label,)


def _given(objective: str, example: dict[str, Any]) -> tuple[Ids, Ids]:
    """The same of our data set."""
    match objective:
        case "sft" | "pretrain":
            return tuple(example["input_ids"]), tuple(example["labels"])
        case "dpo":
            prompt = example["prompt_ids"]
            return (*prompt, *example["chosen_ids"]), (*prompt, *example["rejected_ids"])
        case "reward":
            return tuple(example["chosen_ids"]), tuple(example["rejected_ids"])
        case "orpo":
            return tuple(example["chosen_input_ids"]), tuple(example["rejected_input_ids"])
        case "kto":
            ids = (*example["prompt_ids"], *example["completion_ids"])
            return ids, (len(example["completion_ids"]), int(example["label"]))
        case _:
            return tuple(example["input_ids"]), (example["labels"],)


READ: dict[str, Callable[[dict[str, Any]], Iterator[tuple[Ids, Ids]]]] = {
    "sft": _sft, "pretrain": _sft, "dpo": _halves, "reward": _halves, "orpo": _orpo, "kto": _kto, "classify": _class,
}  # fmt: skip


def trainer_of(objective: str) -> tuple[Any, Any]:
    import transformers
    import trl

    if objective == "orpo":
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        return ORPOTrainer, ORPOConfig
    name = {"sft": "SFT", "pretrain": "SFT", "dpo": "DPO", "reward": "Reward", "kto": "KTO"}.get(objective)
    if name is None:
        return transformers.Trainer, transformers.TrainingArguments
    return getattr(trl, f"{name}Trainer"), getattr(trl, f"{name}Config")


def trained(run: Run, tokens: Tokens, tokenizer: Any, **more: Any) -> tuple[list[tuple[Ids, Ids]], Any]:
    """Train, and return every example that a training step got, with the trainer's state."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, DataCollatorWithPadding

    torch.set_num_threads(1)
    objective = run.recipe.objective
    trainer_class, config_class = trainer_of(objective)
    kind = AutoModelForSequenceClassification if objective in ("classify", "reward") else AutoModelForCausalLM
    labels = {"classify": len(tokens.classes), "reward": 1}.get(objective)
    model = kind.from_pretrained(run.base.path, **({"num_labels": labels} if labels else {}))
    model.config.pad_token_id = tokenizer.pad_token_id
    if objective == "classify":
        more["data_collator"] = DataCollatorWithPadding(tokenizer)
    got: list[tuple[Ids, Ids]] = []

    class Watched(prepared(trainer_class)):  # type: ignore[misc]  # a class made when it runs
        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            got.extend(READ[objective](inputs))
            return super().training_step(model, inputs, *args, **kwargs)

    trainer = Watched(
        model=model,
        args=training_arguments(
            run, config_class, eval_strategy="no", save_strategy="no", load_best_model_at_end=False
        ),
        train_dataset=tokens.train,
        eval_dataset=tokens.validation,
        processing_class=tokenizer,
        **more,
    )
    trainer.train()
    return got, trainer.state


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


CASES = {
    "sft": (chats, chat_tokens),
    "pretrain": (long_texts, text_tokens),
    "dpo": (pairs, preference_tokens),
    "orpo": (pairs, preference_tokens),
    "reward": (pairs, preference_tokens),
    "kto": (judged, feedback_tokens),
    "classify": (lambda count: [row(chat(("user", f"is it {at}"), ("assistant", str(at % 3)))) for at in range(count)],
                 class_tokens),
}  # fmt: skip


def times_of(tokens: Tokens, objective: str, got: list[tuple[Ids, Ids]]) -> Counter[str]:
    """How often each row was read: an example is known by its tokens."""
    rows = tokens.account.rows.train
    draws = dict(zip(tokens.account.placed.positions.tolist(), tokens.account.placed.draws.tolist(), strict=True))
    owner = {_given(objective, tokens.train[position]): rows[draw].id for position, draw in draws.items()}
    assert len(owner) == len(tokens.train), "two examples are alike, and this test cannot tell them apart"
    return Counter(owner[each] for each in got)


@pytest.mark.parametrize("objective", list(CASES))
@pytest.mark.parametrize(("steps", "epochs"), [(3, 1.0), (None, 2.0)])
def test_a_trainer_reads_what_it_was_given_and_the_books_know_how_often(
    objective: str, steps: int | None, epochs: float, tokenizer: Any, tiny_base: Path, tmp_path: Path
) -> None:
    make, tokenise = CASES[objective]
    run = plain_run(
        tmp_path / "run", tiny_base, objective=objective, method="full", batch=4, device_batch=2, max_steps=steps,
        epochs=epochs, max_length=24, lr=1e-5, tolerate_truncated=1.0, tolerate_dropped=1.0, seed=5, clip=1.0,
    )  # fmt: skip
    rows = make(19)
    tokens = tokenise(rows_of(rows), tokenizer, run)
    tokens.account.settle(run, Events(run.place))
    got, state = trained(run, tokens, tokenizer)
    given = [_given(objective, example) for example in tokens.train]
    assert set(got) <= set(given)
    if steps is None:
        assert Counter(got) == Counter(dict.fromkeys(given, 2)), "every example once in each pass"
        assert got[: len(given)] == given != got[len(given) :], "in our order first, and in another one then"
    else:
        assert got == given[: steps * 4]
    books = tokens.account.after_training(run, state)
    fates = pl.read_parquet(run.place / "accounting.parquet")
    if objective != "pretrain":
        assert dict(fates.filter(pl.col("times") > 0).select("id", "times").iter_rows()) == times_of(
            tokens, objective, got
        )
    dropped = sum(bool(outcome.reason) for outcome in tokens.account.outcomes)
    [snapshot] = books["snapshots"]  # type: ignore[misc]
    assert snapshot["trained"] + dropped + snapshot["unseen"] == 19
    assert snapshot["unseen"] == (0 if steps is None else 19 - dropped - snapshot["trained"])
    assert books["trained_tokens"] == sum(len(each) for each in tokens_read(objective, got))


def tokens_read(objective: str, got: list[tuple[Ids, Ids]]) -> Iterator[Ids]:
    for first, second in got:
        yield first
        if objective in ("dpo", "orpo", "reward"):
            yield second


def test_packed_examples_are_all_there_and_none_is_cut(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    run = plain_run(tmp_path / "run", tiny_base, method="full", packing=True, batch=2, device_batch=2, max_length=64,
                    max_steps=2)  # fmt: skip
    tokens = chat_tokens(rows_of(chats(40)), tokenizer, run)
    plain = chat_tokens(rows_of(chats(40)), tokenizer, plain_run(tmp_path / "plain", tiny_base))
    assert len(tokens.train) <= len(plain.train) / 2
    pieces = []
    for example in tokens.train:
        start = 0
        for length in example["seq_lengths"]:
            pieces.append(
                (tuple(example["input_ids"][start : start + length]), tuple(example["labels"][start : start + length]))
            )
            start += length
        assert start == len(example["input_ids"]) <= 64
    assert Counter(pieces) == Counter(_given("sft", example) for example in plain.train)
    prepared_trainer = prepared(SFTTrainer)(
        model=str(tiny_base),
        args=training_arguments(run, SFTConfig, padding_free=True, eval_strategy="no", save_strategy="no",
                                load_best_model_at_end=False),
        train_dataset=tokens.train, eval_dataset=tokens.validation, processing_class=tokenizer,
    )  # fmt: skip
    batch = next(iter(prepared_trainer.get_train_dataloader()))
    first = [token for at in range(2) for token in tokens.train[at]["input_ids"]]
    assert batch["input_ids"].tolist() == [first]
    starts = [at for at, position in enumerate(batch["position_ids"][0].tolist()) if position == 0]
    lengths = [length for at in range(2) for length in tokens.train[at]["seq_lengths"]]
    assert starts == [sum(lengths[:at]) for at in range(len(lengths))], "each example begins at position 0"


def test_a_repeated_row_is_trained_on_as_often_as_it_was_drawn(tokenizer: Any, tiny_base: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    run = plain_run(tmp_path / "run", tiny_base, method="full", batch=4, device_batch=4, max_steps=None)
    rows = rows_of(chats(6))
    rows.train.extend(replace(each, repeat=1) for each in rows.train[:3])
    tokens = chat_tokens(rows, tokenizer, run)
    tokens.account.settle(run, Events(run.place))
    got, state = trained(run, tokens, tokenizer)
    tokens.account.after_training(run, state)
    fates = pl.read_parquet(run.place / "accounting.parquet")
    assert sorted(Counter(got).values()) == [1, 1, 1, 2, 2, 2] == sorted(fates["times"])
    assert sorted(fates["draws"]) == [1, 1, 1, 2, 2, 2]
