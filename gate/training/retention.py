"""The forgetting monitor: scores what must be kept, on the untouched model and then every few steps.

A suite is a JSONL file of questions, each with its answer (`{"id", "prompt", "answer"}`) or with choices of which one
is right (`{"id", "prompt", "choices", "gold"}`). Nothing is generated: an answer is right where every one of its
tokens, and its end, is the likeliest after the right ones before it; of choices the one counts whose tokens are
likeliest on the average. One forward pass a batch, no randomness, and so a bounded time and the same score each time.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gate.errors import GateError, InputError, UsageError
from gate.folders import Folders
from gate.training.recipe import Monitor
from gate.training.run_file import Run

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "rules/retention"
"""Where suites lie that are named without `.jsonl`: gate's own, and a repository's."""
FILE = "retention.jsonl"
"""The suite as the run uses it: a copy in its folder."""
LARGEST_FILE = 64 << 20
MOST_ITEMS = 20_000
"""Of a suite that is scored while a model trains. Guards against the wrong file."""
_TOKENS = 8192
"""Tokens of a batch, padding included: what is held at once."""

Text = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"\S")]


class Forgotten(GateError):
    """The model forgot more than the recipe allows."""

    exit_code = 1


class Item(BaseModel):
    """A question of a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Text
    answer: Text | None = None
    choices: Annotated[list[Text], Field(min_length=2, max_length=20)] | None = None
    gold: Annotated[int, Field(ge=0)] | None = None
    """Which of the choices is right, from 0 on."""
    group: str | None = None
    """What it asks about, for reports."""

    @model_validator(mode="after")
    def _one_kind(self) -> Item:
        if (self.answer is None) == (self.choices is None):
            raise PydanticCustomError("kind", "it has either an `answer`, or `choices` and `gold`")
        if (self.choices is None) != (self.gold is None):
            raise PydanticCustomError("kind", "`choices` and `gold` go together")
        if self.choices is not None and self.gold is not None:
            if self.gold >= len(self.choices):
                raise PydanticCustomError("gold", "`gold` counts from 0, and there is no such choice")
            if len(set(self.choices)) < len(self.choices):
                raise PydanticCustomError("choices", "two choices are the same")
        return self

    @property
    def answers(self) -> list[str]:
        """What is scored."""
        return [self.answer] if self.answer is not None else list(self.choices or ())


@dataclass(frozen=True, slots=True)
class Score:
    """How much of a suite a model knows."""

    right: int
    items: int
    loss: float
    """Mean negative log-likelihood of a right answer's token, in nats: it moves before answers change."""
    known: tuple[bool, ...]
    """Of each item whether it was right."""

    @property
    def share(self) -> float:
        """Right ones."""
        return self.right / self.items


def read_suite(path: Path, name: str) -> list[Item]:
    """The items of a suite.

    Args:
        name: how to name the file to a person.

    Raises:
        InputError: it cannot be read, a line is no item (with its number), two have one id, or there are none.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"more than {LARGEST_FILE >> 20} MB long", where=name, remedy="is this the right file?")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise InputError(f"the suite cannot be read ({reason})", where=name, remedy="name a JSONL file") from None
    items: list[Item] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            item = Item.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{key}: {first['msg']}" if key else first["msg"],
                where=where,
                remedy='a line is {"id", "prompt", "answer"} or {"id", "prompt", "choices", "gold"}',
            ) from None
        if item.id in seen:
            raise InputError(
                f"the id {item.id!r} is that of line {seen[item.id]} too", where=where, remedy="rename one"
            )
        seen[item.id] = number
        items.append(item)
        if len(items) > MOST_ITEMS:
            raise InputError(f"more than {MOST_ITEMS:,} items", where=name, remedy="take a sample of them")
    if not items:
        raise InputError("the suite has no items", where=name, remedy="write one a line")
    return items


def find_suite(named: str, folders: Folders, here: Path | None = None) -> tuple[Path, str]:
    """The file of a suite, and how to name it: a `.jsonl` file of the user's, or one of `rules/retention` by its name.

    Args:
        here: what a relative path is relative to; the user's repository, else the working directory.

    Raises:
        UsageError: there is none.
    """
    if named.endswith(".jsonl"):
        path = (here or folders.user or Path()) / named
        if path.is_file():
            return path, named
    elif re.fullmatch(r"[\w-]+", named) and (found := folders.find(f"{FOLDER}/{named}.jsonl")) is not None:
        return found, folders.origin(found)
    known = ", ".join(folders.names(FOLDER, ".jsonl")) or "none"
    raise UsageError(
        f"monitor: there is no retention suite {named[:100]!r}",
        remedy=f"name a .jsonl file, or one of {FOLDER}: {known}",
    )


def bring_suite(monitor: Monitor, folders: Folders, place: Path, gating: Iterable[str] = ()) -> str:
    """Copy the suite that a recipe names into a run's folder, read and checked.

    Returns:
        SHA-256 (hex) of its bytes.

    Raises:
        GateError: there is none, a line of it is no item, or an item is in a gating suite too.
    """
    path, name = find_suite(monitor.suite, folders)
    check_disjoint(read_suite(path, name), gating)
    shutil.copyfile(path, place / FILE)
    return hashlib.sha256((place / FILE).read_bytes()).hexdigest()


def suite_of(run: Run, folders: Folders) -> list[Item]:
    """The suite of a run: the copy in its folder, which the first process makes of what the recipe names, so that a run
    that goes on is scored by the same.

    Raises:
        GateError: there is none, or a line of it is no item.
    """
    monitor = run.recipe.monitor
    assert monitor is not None
    if not (run.place / FILE).is_file():
        if os.environ.get("RANK", "0") != "0":
            return read_suite(*find_suite(monitor.suite, folders))
        bring_suite(monitor, folders, run.place)
    return read_suite(run.place / FILE, monitor.suite)


def guessing(items: Sequence[Item]) -> float:
    """The score of a model that knows nothing: of an item with n choices it guesses one in n."""
    return sum(1 / len(item.choices) for item in items if item.choices) / len(items)


def item_digest(text: str) -> str:
    """SHA-256 (hex) of a question as it is compared: without case, punctuation and spacing."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return hashlib.sha256(" ".join(re.findall(r"\w+", plain)).encode()).hexdigest()


def check_disjoint(items: Sequence[Item], gating: Iterable[str]) -> None:
    """A retention suite steers training, so none of its questions may be among those that judge the result.

    Args:
        gating: questions of gating suites, or their `item_digest`s.

    Raises:
        UsageError: some are.
    """
    judged = {each if re.fullmatch(r"[0-9a-f]{64}", each) else item_digest(each) for each in gating}
    if both := [item.id for item in items if item_digest(item.prompt) in judged]:
        listed = ", ".join(both[:5]) + (" …" if len(both) > 5 else "")
        raise UsageError(
            f"{len(both):,} of {len(items):,} retention items are in a gating suite too: {listed}",
            remedy="take them out of one of the two: what steers training cannot judge it",
        )


def held_at(history: Iterable[Mapping[str, Any]], step: int, margin: float) -> bool:
    """Whether the model held the margin when it was last scored, at a step or before it.

    Args:
        history: of the trainer: entries with `retention`, `retention_base` and `step` among others.
    """
    scores = [each for each in history if "retention" in each and each["step"] <= step]
    return not scores or within(scores[-1]["retention"], scores[-1]["retention_base"], margin)


def within(score: float, base: float, margin: float) -> bool:
    """Whether a score is no further below the untouched model's than the margin; NaN is not."""
    return score >= base - margin - 1e-9


def score(model: Any, tokenizer: Any, items: Sequence[Item]) -> Score:
    """What a model knows of a suite. Neither its mode nor any random state is changed.

    Args:
        model: a causal language model, or one under an adapter.

    Raises:
        UsageError: an item is longer than the model's context.
    """
    import torch

    rows = [(at, *_encoded(tokenizer, item.prompt, answer)) for at, item in enumerate(items) for answer in item.answers]
    context = getattr(model.config, "max_position_embeddings", None)
    if context and (longest := max(rows, key=lambda row: len(row[1]) + len(row[2]))):
        tokens = len(longest[1]) + len(longest[2])
        if tokens > context:
            raise UsageError(
                f"the retention item {items[longest[0]].id!r} has {tokens:,} tokens, and the model takes {context:,}",
                remedy="shorten it, or leave it out",
            )
    found: list[tuple[float, bool]] = [(-math.inf, False)] * len(rows)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in _batches(rows):
                for at, result in zip(batch, _judged(model, tokenizer, [rows[at] for at in batch]), strict=True):
                    found[at] = result
    finally:
        model.train(training)
    return _summed(items, rows, found)


Encoded = tuple[int, list[int], list[int]]
"""Which item; tokens of the prompt, and of the answer."""


def _encoded(tokenizer: Any, prompt: str, answer: str) -> tuple[list[int], list[int]]:
    """In the model's own chat template where it has one; else as a line of text."""
    if tokenizer.chat_template:
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=True, add_generation_prompt=True, return_dict=False
        )
        said = [*tokenizer.encode(answer, add_special_tokens=False)]
        return list(asked), said + ([tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else [])
    return tokenizer.encode(prompt), tokenizer.encode(" " + answer, add_special_tokens=False)


def _batches(rows: Sequence[Encoded]) -> list[list[int]]:
    """Rows of like length together, at most `_TOKENS` with their padding."""
    order = sorted(range(len(rows)), key=lambda at: (len(rows[at][1]) + len(rows[at][2]), at))
    batches: list[list[int]] = [[]]
    for at in order:
        length = len(rows[at][1]) + len(rows[at][2])
        if batches[-1] and (len(batches[-1]) + 1) * length > _TOKENS:
            batches.append([])
        batches[-1].append(at)
    return batches


def _judged(model: Any, tokenizer: Any, rows: Sequence[Encoded]) -> list[tuple[float, bool]]:
    """Of each row the mean log-likelihood of its answer's tokens, and whether each was the likeliest."""
    import torch

    from gate.training.divergence import logits_at

    device = next(model.parameters()).device
    longest = max(len(prompt) + len(answer) for _, prompt, answer in rows)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    ids = torch.full((len(rows), longest), pad)
    mask, answers = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for at, (_, prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[at, :end], mask[at, :end], answers[at, len(prompt) : end] = torch.tensor(prompt + answer), 1, True
    ids, mask, answers = ids.to(device), mask.to(device), answers.to(device)
    logits: Tensor = logits_at(model, {"input_ids": ids, "attention_mask": mask}, answers[:, 1:])
    wanted = ids[:, 1:][answers[:, 1:]]
    likely = logits.float().log_softmax(-1)
    each = likely.gather(-1, wanted[:, None])[:, 0].cpu()
    best = (logits.argmax(-1) == wanted).cpu()
    results, start = [], 0
    for _, _, answer in rows:
        part = slice(start, start + len(answer))
        results.append((float(each[part].mean()), bool(best[part].all())))
        start += len(answer)
    return results


def _summed(items: Sequence[Item], rows: Sequence[Encoded], found: Sequence[tuple[float, bool]]) -> Score:
    of: list[list[tuple[float, bool]]] = [[] for _ in items]
    for (at, _, _), result in zip(rows, found, strict=True):
        of[at].append(result)
    known, losses = [], []
    for item, results in zip(items, of, strict=True):
        means = [mean for mean, _ in results]
        gold = item.gold or 0
        losses.append(-means[gold])
        if item.answer is not None:
            known.append(results[0][1])
        else:  # a model whose answers are NaN knows nothing
            known.append(
                all(map(math.isfinite, means)) and all(means[gold] > x for i, x in enumerate(means) if i != gold)
            )
    return Score(sum(known), len(items), sum(losses) / len(losses), tuple(known))
