"""What the tests of release forms are made of: candidates as the trainer writes them, with their training statements,
without the time that training takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl

from gate.provenance.ledger import Ledger
from gate.provenance.statements import OutputFile, Statement, TrainedOn, Training
from gate.training.accounting import FATES
from gate.training.methods import with_method
from gate.training.model import Kind, load_model, load_tokenizer
from gate.training.model_files import hashed_files, model_digest
from gate.training.recipe_files import recipe_document
from gate.training.run_file import Run
from gate.training.saving import save_candidate
from tests.training.made import Approved, run_of


@dataclass(frozen=True)
class Candidate:
    """A run with a candidate, and the statement that stands for it."""

    run: Run
    statement: Statement
    approved: Approved

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def folder(self) -> Path:
        return self.run.candidate


def candidate(
    name: str,
    base: Path,
    approved: Approved,
    *,
    kind: Kind = "causal",
    push: float = 0.02,
    seed: int = 1,
    **keys: object,
) -> Candidate:
    """A candidate in the store's runs: its trained weights are drawn at random, `push` in standard deviation."""
    import torch

    run = run_of(approved.store.root / "runs" / name, base, approved, **keys)
    tokenizer = load_tokenizer(run)
    labels = ("billing", "delivery", "other") if kind == "classifier" else ()
    model = with_method(load_model(run, tokenizer, kind, labels), run)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight), alpha=push)
    save_candidate(model, tokenizer, run)
    return Candidate(run, record(run, approved), approved)


def record(run: Run, approved: Approved) -> Statement:
    """Say that a run trained its candidate, as `gate train` does when it is over."""
    store = approved.store
    files = hashed_files(run.candidate)
    admission, rows = approved.opened.statement.digest, approved.opened.counts["train"]
    return Ledger(store).say(
        Training(
            name=run.name,
            model=model_digest(files),
            outputs={
                path: OutputFile(sha256=digest, bytes=(run.candidate / path).stat().st_size)
                for path, digest in files.items()
            },
            base=run.base.digest,
            base_name=Path(run.base.path).name,
            snapshots=[
                TrainedOn(
                    snapshot=approved.id, statement=admission, name=approved.name, role="train", rows=rows,
                    trained=rows, dropped=0, unseen=0, truncated=0,
                )
            ],
            recipe=store.put(json.dumps(recipe_document(run.recipe)).encode(), "json"),
            objective=run.recipe.objective,
            method=run.recipe.method,
            script="0" * 64,
            environment=store.put(b"{}", "json"),
            accounting=store.put(_books(approved), "parquet"),
            curves=store.put(b"", "jsonl"),
            seed=run.recipe.seed,
            steps=1,
            best_step=1,
            ended="finished",
            seconds=1,
            tokens=1,
            peak_bytes=1,
            device="cpu",
            trainable=1,
            parameters=1,
        ),
        approved.people.ana,
    )  # fmt: skip


def _books(approved: Approved) -> bytes:
    """The row accounting of a run that saw every row once."""
    ids = approved.opened.frame("train")["id"]
    seen = {"use": 0, "snapshot": approved.id, "kind": "data", "repeat": 0, "fate": "trained", "cut_tokens": 0}
    columns = [
        pl.lit(seen.get(name), dtype=dtype).alias(name) if name != "id" else ids.cast(dtype).alias("id")
        for name, dtype in FATES.items()
    ]
    content = BytesIO()
    pl.DataFrame({"id": ids}).select(columns).write_parquet(content)
    return content.getvalue()
