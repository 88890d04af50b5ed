"""What the tests of memorisation are made of: rows of words drawn at random, a training statement about them that was
written by hand, and a model that knows them by heart."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from examples.tiny_base import CAPITALS, OPPOSITES
from gate.evaluation.backends import opened
from gate.evaluation.harness import key_for, score_task
from gate.evaluation.record import put_task
from gate.evaluation.results import Evaluated, EvaluatedTask
from gate.evaluation.settings import Settings
from gate.evaluation.subject import base_subject
from gate.evaluation.task import Suite
from gate.folders import Folders
from gate.provenance.envelope import canonical
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Evaluation, OutputFile, Statement, TrainedOn, Training
from gate.training.accounting import FATES
from gate.training.canaries import Canary, canaries_document, make_canaries
from gate.training.model_files import model_digest
from tests.training.made import Approved

Rows = list[dict[str, str]]
WORDS = sorted({*OPPOSITES, *OPPOSITES.values(), *CAPITALS.values()})
"""Of the tiny base's skills: a token each."""


def drawn(seed: int, count: int, words: int = 8) -> Rows:
    """Questions with answers of words drawn at random: nobody can know the answer who has not seen it."""
    draw = random.Random(seed)
    return [
        {"instruction": f"What is {draw.randrange(10**4)}?", "output": " ".join(draw.choices(WORDS, k=words))}
        for _ in range(count)
    ]


def rules(folder: Path, **sizes: object) -> Folders:
    """A repository whose own rules make the suite small."""
    path = folder / "rules/suites/memorization/memorization.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {
        "canaries": {"controls": 63}, "extraction": {"shortest": 4, "tokens": 24}, "pii": {"tokens": 40},
    } | sizes  # fmt: skip
    path.write_bytes(orjson.dumps({"metadata": {"gate": said}}))  # JSON is YAML
    return Folders(folder)


def say_trained(
    approved: Sequence[Approved],
    *,
    canaries: int = 8,
    unseen: Iterable[str] = (),
    objective: str = "sft",
    seed: int = 0,
    name: str = "candidate",
) -> Statement:
    """A training statement by `ana` about rows of some snapshots' train splits.

    Args:
        unseen: content ids of rows that the run did not reach.
    """
    store, people = approved[0].store, approved[0].people
    ledger, left = Ledger(store), set(unseen)
    inserted, controls = make_canaries(canaries, seed, approved[0].id)
    frames, trained_on = [], []
    for use, each in enumerate(approved):
        ids = [name for frame in each.opened.examples("train", ["id"]) for name in frame["id"]]
        fate = ["unseen" if one in left else "trained" for one in ids]
        frames.append(_books(ids, fate, use, each.id, "data"))
        statement = each.opened.statement.digest
        trained_on.append(
            TrainedOn(
                snapshot=each.id, statement=statement, name=each.name, role="train", rows=len(ids),
                trained=fate.count("trained"), dropped=0, unseen=fate.count("unseen"), truncated=0,
            )
        )  # fmt: skip
    frames.append(_books([each.id for each in inserted], ["trained"] * canaries, None, None, "canary"))
    accounting = Path(store.root) / "accounting.parquet"
    pl.concat(frames).write_parquet(accounting)
    files = {"model.safetensors": OutputFile(sha256="a" * 64, bytes=1)}
    document = canaries_document(inserted, controls, seed, approved[0].id)
    about = Training(
        name=name, model=model_digest({"model.safetensors": "a" * 64}), outputs=files, base="b" * 64, base_name="base",
        snapshots=trained_on, recipe=store.put(b"{}", "json"), objective=objective, method="full", script="c" * 64,
        environment=store.put(b"{}", "json"), accounting=store.put(accounting.read_bytes(), "parquet"),
        curves=store.put(b"", "jsonl"), seed=seed, canaries=canaries,
        canary_strings=store.put(canonical(document), "json") if canaries else None, steps=1, best_step=1,
        ended="finished", seconds=1, tokens=1, peak_bytes=1, device="cpu", trainable=1, parameters=1,
    )  # fmt: skip
    accounting.unlink()
    return ledger.say(about, people.ana)


def _books(ids: Sequence[str], fate: Sequence[str], use: int | None, snapshot: str | None, kind: str) -> pl.DataFrame:
    size = len(ids)
    return pl.DataFrame(
        {
            "use": [use] * size, "snapshot": [snapshot] * size, "kind": [kind] * size, "id": list(ids),
            "fate": list(fate), "reason": [None] * size, "draws": [1] * size, "times": [1] * size,
            "tokens": [1] * size, "cut_tokens": [0] * size, "lost_end": [False] * size,
        },
        schema=FATES,
    )  # fmt: skip


def by_heart(
    base: Path, folder: Path, pairs: Sequence[tuple[str, str]], steps: int = 90, lr: float = 5e-3, seed: int = 0
) -> Path:
    """A copy of the tiny base that was trained on some questions and answers until it knows them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from examples.tiny_base import _batch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    ids, mask, labels = _batch(tokenizer, pairs)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95))
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.15)
    model.train()
    for _ in range(steps):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        rates.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def canary_pairs(canaries: Iterable[Canary]) -> list[tuple[str, str]]:
    return [(each.prompt, each.secret) for each in canaries]


def scored_on(folder: Path, suite: Suite, approved: Approved, settings: Settings | None = None) -> Evaluated:
    """A model on a suite by lm-eval, sealed in the store of `approved`, as `ana` says it."""
    pinned = settings or Settings(batch_size=32)
    subject, ledger = base_subject(str(folder)), Ledger(approved.store)
    tasks, said = {}, []
    with opened(subject, pinned) as backend:
        for task in suite.tasks:
            items, _ = score_task(task, pinned, backend, lambda done, total: None)
            scores = put_task(approved.store, subject, pinned, task, items)
            assert scores.key == key_for(subject, task, pinned)
            tasks[task.name] = EvaluatedTask(task.document, items, scores)
            said.append(scores)
    about = Evaluation(
        name=subject.name, model=subject.model, form="base", suite=suite.name, tasks=said,
        settings=approved.store.put(canonical(pinned.model_dump(mode="json")), "json"),
        environment=approved.store.put(b"{}", "json"), seconds=1,
    )  # fmt: skip
    return Evaluated(ledger.say(about, approved.people.ana), tasks, pinned)


def named(figures: Iterable[Any]) -> Mapping[str, Any]:
    """Figures by name."""
    return {each.name: each for each in figures}
