"""Rows for tests of tokens and books, without a snapshot behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gate.training.rows import Message, Row, Rows, Source
from gate.training.run_file import Run, SnapshotUse
from tests.training.made import base_use, recipe

DIGEST = "5" * 64


def message(role: str, content: str | None = None, **more: str) -> Message:
    return {"role": role, "content": content, "name": None, "tool_calls": None, "tool_call_id": None} | more


def chat(*turns: tuple[str, str]) -> list[Message]:
    return [message(role, content) for role, content in turns]


def row(messages: Sequence[Message] = (), **fields: object) -> Row:
    """A row whose id follows from its content."""
    made = Row("", 0, "data", 0, list(messages))
    made = replace(made, **fields)  # type: ignore[arg-type]
    content = json.dumps([made.messages, made.chosen, made.rejected, made.label, made.text, made.tools, made.meta])
    return replace(made, id=made.id or hashlib.sha256(content.encode()).hexdigest())


def rows_of(train: Iterable[Row], validation: Iterable[Row] = (), **fields: object) -> Rows:
    """Every row drawn once, as one snapshot's; without rows to validate, the first are."""
    placed = [replace(each, place=place) for place, each in enumerate(train)]
    source = Source(0, use_of(), [each.id for each in placed], len(placed))
    return Rows(placed, list(validation) or placed[:4], [source], **fields)  # type: ignore[arg-type]


def use_of(role: str = "train", snapshot: str = DIGEST, name: str = "made") -> SnapshotUse:
    return SnapshotUse.model_validate({"snapshot": snapshot, "name": name, "statement": "6" * 64, "role": role})


def plain_run(folder: Path, base: Path, template: str | None = None, **keys: object) -> Run:
    """A run on no snapshot that exists: for what comes after its rows were read."""
    folder.mkdir(parents=True, exist_ok=True)
    return Run(
        name=folder.name,
        folder=str(folder),
        store=str(folder),
        snapshots=[use_of()],
        base=base_use(base, template),
        recipe=recipe(**keys),
    )
