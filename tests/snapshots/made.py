"""What the tests of snapshots are made of: people with keys, and small datasets."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gate.provenance.keys import PrivateKey, new_key, public_text
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Approval, Statement
from gate.provenance.trust import Trust, load_trust
from gate.store.objects import Store
from gate.verbs.admit import Admitted

WORDS = [
    "harbour",
    "lamp",
    "keeper",
    "tide",
    "stair",
    "evening",
    "weather",
    "book",
    "ship",
    "rope",
    "gull",
    "chart",
    "anchor",
    "mast",
    "sail",
    "hull",
]

POLICY = """
version: 1
name: quick
description: Two rules that need no model
min_examples: 100
rules:
  - id: structure
    check: structure
    severity: error
    tolerate: 0.2
    remedy: fix
    why: Rows that cannot be read teach nothing.
  - id: exact_duplicates
    check: exact_duplicates
    severity: error
    tolerate: 0.2
    remedy: drop
    why: A row that comes twice counts double.
"""

Admit = Callable[..., Admitted]


@dataclass(frozen=True)
class People:
    """Who signs: `ana` is an owner, `ben` a reviewer, `olga` another owner, and nobody trusts `eve`."""

    ana: PrivateKey
    olga: PrivateKey
    ben: PrivateKey
    eve: PrivateKey
    trust_file: Path
    keys: Path

    @property
    def trust(self) -> Trust:
        return load_trust(self.trust_file)


def make_people(folder: Path) -> People:
    """Make the keys of four people, and a trust file that says whose word counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATE_KEYS", str(folder / "keys"))
        ana, olga, ben, eve = (new_key(name) for name in ("ana", "olga", "ben", "eve"))
    trusted = [(ana, "owner"), (olga, "owner"), (ben, "reviewer")]
    lines = [f"  - {{name: {key.name}, public: {public_text(key.public)}, roles: [{role}]}}\n" for key, role in trusted]
    (folder / "trust.yaml").write_text("keys:\n" + "".join(lines), encoding="utf-8")
    return People(ana, olga, ben, eve, folder / "trust.yaml", folder / "keys")


def chats(seed: int, count: int, words: int = 12) -> list[dict[str, str]]:
    """Instructions and answers, no two of them alike."""
    dice = random.Random(seed)
    return [
        {"instruction": " ".join(dice.choices(WORDS, k=words)), "output": " ".join(dice.choices(WORDS, k=2 * words))}
        for _ in range(count)
    ]


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_splits(folder: Path, seed: int = 0, sizes: Sequence[int] = (60, 20, 20)) -> Path:
    """A dataset that brings its splits."""
    for number, (split, size) in enumerate(zip(("train", "validation", "test"), sizes, strict=True)):
        write_rows(folder / f"{split}.jsonl", chats(1000 * seed + number, size))
    return folder


def approve(admitted: Admitted, people: People) -> Statement:
    """Have `ben` approve it."""
    return Ledger(Store(admitted.store)).say(Approval(statement=admitted.statement.digest), people.ben)
