"""Canonical frames written by hand, the way a reader would give them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path

import polars as pl
import pytest

from gate.checks.base import Context
from gate.data.frame import EXAMPLES, MALFORMED
from gate.data.views import Frames
from gate.folders import Folders

DATA = Path(__file__).parents[3] / "../shared/data"

Record = Mapping[str, object]


class Here:
    """No workers are needed: these checks run where they are called."""

    cores = 2

    def submit(self, lane: str, function: object, /, *args: object, **kwargs: object) -> Future[object]:
        raise AssertionError("the checks of duplicates use no workers")


def _turns(value: object) -> list[dict[str, object]] | None:
    if value is None or isinstance(value, list):
        return value
    return [{"role": "assistant", "content": value}]


def _canonical(record: Record) -> dict[str, object]:
    row = dict(record)
    if "prompt" in row and "completion" in row:
        user, answer = {"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}
        return {"kind": "feedback" if "label" in row else "chat", "messages": [user, answer], "label": row.get("label")}
    if "prompt" in row:
        prompt = [{"role": "user", "content": row["prompt"]}]
        answers = {name: _turns(row[name]) for name in ("chosen", "rejected")}
        return {"kind": "preference", "messages": prompt, **answers}
    if "text" in row:
        return {"kind": "text", "text": row["text"]}
    return {"kind": "chat", **row}


@pytest.fixture(scope="session")
def frames() -> Callable[..., Frames]:
    """Frames of records: `text`, `prompt` with `completion` (and `label`) or with `chosen` and `rejected`, or
    canonical columns. `files` gives a file name per record."""

    def make(records: Iterable[Record], files: Iterable[str] | None = None) -> Frames:
        rows = [_canonical(record) for record in records]
        names = list(files) if files is not None else ["data.jsonl"] * len(rows)
        counts: dict[str, int] = {}
        for row, name in zip(rows, names, strict=True):
            counts[name] = counts.get(name, 0) + 1
            meta = {key: row.pop(key) for key in ("meta",) if key in row}
            identity = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
            row |= {"id": identity, "record_id": identity, "file": name, "row": counts[name], **meta}
            row["shape"] = {"chat": "messages"}.get(str(row["kind"]), row["kind"])
            for part in ("messages", "chosen", "rejected"):
                turns = row.get(part)
                blank = dict.fromkeys(("role", "content", "name", "tool_calls", "tool_call_id"))
                row[part] = None if turns is None else [blank | turn for turn in turns]  # type: ignore[attr-defined]
        complete = [{name: row.get(name) for name in EXAMPLES} for row in rows]
        return Frames(pl.DataFrame(complete, schema=EXAMPLES), pl.DataFrame(schema=MALFORMED))

    return make


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(workers=Here(), folders=Folders())  # type: ignore[arg-type]


def _alpaca(row: Record) -> Record:
    prompt = f"{row['instruction']}\n\n{row['input']}" if row.get("input") else row["instruction"]
    return {"prompt": prompt, "completion": row["output"]}


def _sharegpt(row: Record) -> list[dict[str, object]]:
    roles = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
    turns = []
    for turn in row["conversations"]:  # type: ignore[attr-defined]
        role = turn["from"]
        call = role == "function_call"
        turns.append(
            {
                "role": roles.get(role, role),
                "content": None if call else turn["value"],
                "tool_calls": turn["value"] if call else None,
            }
        )
    return turns


def _preference(row: Record) -> Record:
    answers = {name: row[name]["value"] for name in ("chosen", "rejected")}  # type: ignore[index]
    return {"kind": "preference", "messages": _sharegpt(row)} | {n: _turns(v) for n, v in answers.items()}


def _feedback(row: Record) -> Record:
    messages = [{"role": turn["role"], "content": turn["content"]} for turn in row["messages"]]  # type: ignore[attr-defined]
    return {"kind": "feedback", "messages": messages, "label": row["label"]}


READERS: dict[str, Callable[[Record], Record]] = {
    "alpaca_en_demo.json": _alpaca,
    "identity.json": _alpaca,
    "dpo_en_demo.json": _preference,
    "kto_en_demo.json": _feedback,
    "glaive_toolcall_en_demo.json": lambda row: {"messages": _sharegpt(row), "tools": row.get("tools") or None},
    "c4_demo.jsonl": lambda row: {"text": row["text"]},
    "gsm8k/train.jsonl": lambda row: {"prompt": row["question"], "completion": row["answer"]},
    "gsm8k/test.jsonl": lambda row: {"prompt": row["question"], "completion": row["answer"]},
}


@pytest.fixture(scope="session")
def real(frames: Callable[..., Frames]) -> dict[str, Frames]:
    """The real datasets, by file; and all of them together as `all`."""
    if not DATA.is_dir():
        pytest.skip(f"the real datasets are not there ({DATA})")
    records: dict[str, list[Record]] = {}
    for name, convert in READERS.items():
        text = (DATA / name).read_text(encoding="utf-8")
        rows = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
        records[name] = [convert(row) for row in rows]
    found = {name: frames(rows, [name] * len(rows)) for name, rows in records.items()}
    together = [(name, row) for name, rows in records.items() for row in rows]
    found["all"] = frames([row for _, row in together], [name for name, _ in together])
    return found
