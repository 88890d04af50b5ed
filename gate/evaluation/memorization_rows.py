"""The rows that memorisation is measured on: some that a candidate learned from, and some that it never saw.

Both are read through `gate.open_snapshot`'s lock, so that what was erased or revoked is not read again. Which were
learned from is what the run's books say (fate `trained`); what of them is asked for is the first thing that the
assistant says in each, since that is learned in every objective and lm-eval can put it to a model as it was trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from gate.data.frame import EXAMPLES, Split
from gate.errors import UsageError
from gate.evaluation.memorization_words import words
from gate.provenance.ledger import Ledger
from gate.provenance.statements import Statement, Training
from gate.provenance.trust import Trust
from gate.snapshots.open import opened
from gate.snapshots.parquet import from_parquet
from gate.snapshots.sealed_objects import Objects, trusted_erasures
from gate.training.accounting import FATES
from gate.training.recipe import Objective
from gate.training.rows import FITTING, Message

if TYPE_CHECKING:
    from gate.snapshots.open import Snapshot

LEARNS_TEXT: tuple[Objective, ...] = ("sft", "pretrain", "dpo", "orpo", "kto")
"""Objectives that learn the words of rows; the others learn a class, or from answers of the model's own."""
_COLUMNS = tuple(name for name in EXAMPLES if name not in ("source", "line", "shape", "split"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a model about a row: its first answer, or the text of one that is no conversation."""

    id: str
    """Content id."""
    system: str
    prompt: str
    """What the user says before the answer; empty of a text."""
    answer: str
    conversation: bool
    """Whether it is put to the model as a conversation."""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows of one side, in the order in which they are drawn."""

    rows: tuple[Asked, ...]
    """That have an answer."""
    long: tuple[Asked, ...]
    """Long enough to be extracted."""
    private: tuple[Asked, ...]
    """With personal data."""
    passed: int = 0
    """Rows that cannot be asked for: their first answer comes after several turns, or calls a tool."""


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """What is asked for."""

    trained: Side
    held_out: Side
    canaries: frozenset[str]
    """Ids of the canaries that were trained on."""
    snapshots: tuple[str, ...]
    """Ids of those that the rows are of."""


Look = Callable[[pl.DataFrame], Iterable[str]]
"""What is looked for in every trained row: content ids of those in which it was found."""


def trained_rows(
    statement: Statement,
    ledger: Ledger,
    trust: Trust,
    *,
    most: int,
    seed: int,
    long: Callable[[str], bool],
    look: Look = lambda frame: (),
) -> TrainedRows:
    """Rows that a candidate was trained on, and rows of the same snapshots' test splits.

    A row that stands in both (in another snapshot of the run, say) is not held out. Of several snapshots each gives as
    many rows to one side as to the other, so that the two sides are of the same kind.

    Args:
        statement: about a Training.
        most: rows of each side, of each of its three lists.
        seed: of the draw.
        long: whether an answer is long enough to be extracted.
        look: sees every trained row, a shard at a time (schema gate.data.frame.EXAMPLES, in part).

    Raises:
        UsageError: the objective learns no text, or no row of the candidate's can be asked for.
        NotApproved: a snapshot was erased from, revoked or rejected since.
        Untrusted, Damaged: as `gate.open_snapshot`.
    """
    about = statement.about
    assert isinstance(about, Training)
    objective = next((each for each in LEARNS_TEXT if each == about.objective), None)
    if objective is None:
        raise UsageError(
            f"`{about.objective}` learns no text, so that there is nothing to know by heart",
            where=about.name,
            remedy="leave the suite `memorization` out for it",
        )
    objects = Objects(ledger.store, trusted_erasures(ledger.all(), trust))
    books = objects.read(about.accounting, "parquet")
    fates = from_parquet(books.content, FATES, books.name, columns=["use", "kind", "id", "fate"])
    trained = fates.filter(pl.col("fate") == "trained")
    seen = set(trained["id"])
    uses = [(use, on) for use, on in enumerate(about.snapshots) if on.role == "train"]
    each = -(-most // len(uses))
    sides: list[tuple[Side, Side]] = []
    for use, on in uses:
        snapshot = opened(ledger, trust, on.snapshot)
        own = set(trained.filter((pl.col("use") == use) & (pl.col("kind") == "data"))["id"])
        learned = _side(snapshot, "train", partial(_among, own), objective, each, seed, long, look)
        held = _side(snapshot, "test", partial(_beside, seen), objective, each, seed, long)
        sides.append((learned, held) if len(uses) == 1 else _alike(learned, held))
    found = TrainedRows(
        trained=_together([side for side, _ in sides], seed),
        held_out=_together([side for _, side in sides], seed),
        canaries=frozenset(trained.filter(pl.col("kind") == "canary")["id"]),
        snapshots=tuple(on.snapshot for _, on in uses),
    )
    if not found.trained.rows and not found.canaries:
        raise UsageError(
            f"none of the {len(seen):,} rows that it was trained on has a first answer that can be asked for",
            where=about.name,
            remedy="leave the suite `memorization` out for it",
        )
    return found


def _among(names: set[str], ids: pl.Series) -> pl.Series:
    return ids.is_in(list(names))


def _beside(names: set[str], ids: pl.Series) -> pl.Series:
    return ~ids.is_in(list(names))


def _side(
    snapshot: Snapshot,
    split: Split,
    wanted: Callable[[pl.Series], pl.Series],
    objective: Objective,
    most: int,
    seed: int,
    long: Callable[[str], bool],
    look: Look = lambda frame: (),
) -> Side:
    """The first rows of a split, in the order of the draw, a shard at a time."""
    drawn = _Drawn(most, seed)
    for frame in snapshot.examples(split, _COLUMNS):
        rows = frame.filter(wanted(frame["id"]) & frame["kind"].is_in(list(FITTING[objective])))
        rows = rows.unique("id", keep="first", maintain_order=True)
        drawn.add(rows, set(look(rows)), long)
    return drawn.side()


@dataclass(slots=True)
class _Drawn:
    """The rows that were drawn so far; what is held is bounded by `most`, and not by the split."""

    most: int
    seed: int
    rows: list[Asked] = field(default_factory=list)
    long: list[Asked] = field(default_factory=list)
    private: list[Asked] = field(default_factory=list)
    passed: int = 0

    def add(self, frame: pl.DataFrame, private: set[str], long: Callable[[str], bool]) -> None:
        enough = {"rows": 0, "long": 0}
        ids = sorted(frame["id"].to_list(), key=self.rank)
        at = {name: place for place, name in enumerate(frame["id"])}
        hidden = set(sorted(private, key=self.rank)[: self.most])
        # A Python loop, which ends as soon as it has what is asked for: some hundred rows of a shard.
        for name in ids:
            if min(enough.values()) >= self.most and not hidden:
                break
            if min(enough.values()) >= self.most and name not in hidden:
                continue
            asked = asked_of(frame.row(at[name], named=True))
            if asked is None:
                self.passed += 1
                hidden.discard(name)
                continue
            self.rows.append(asked)
            enough["rows"] += 1
            if long(asked.answer):
                self.long.append(asked)
                enough["long"] += 1
            if name in hidden:
                self.private.append(asked)
                hidden.discard(name)
        for rows in (self.rows, self.long, self.private):
            rows.sort(key=lambda each: self.rank(each.id))
            del rows[self.most :]

    def side(self) -> Side:
        return Side(tuple(self.rows), tuple(self.long), tuple(self.private), self.passed)

    def rank(self, name: str) -> str:
        return rank(self.seed, name)


def rank(seed: int, name: str) -> str:
    """Where a row stands in the draw: the same for the same seed and content, wherever it lies."""
    return hashlib.sha256(f"gate-memorization-1\0{seed}\0{name}".encode()).hexdigest()


def _alike(one: Side, other: Side) -> tuple[Side, Side]:
    rows, long = (min(len(getattr(one, name)), len(getattr(other, name))) for name in ("rows", "long"))
    return (
        Side(one.rows[:rows], one.long[:long], one.private, one.passed),
        Side(other.rows[:rows], other.long[:long], other.private, other.passed),
    )


def _together(sides: Sequence[Side], seed: int) -> Side:
    def of(name: str) -> tuple[Asked, ...]:
        rows = {each.id: each for side in sides for each in getattr(side, name)}
        return tuple(sorted(rows.values(), key=lambda each: rank(seed, each.id)))

    return Side(of("rows"), of("long"), of("private"), sum(side.passed for side in sides))


def asked_of(record: dict[str, object]) -> Asked | None:
    """What is asked about a row; None where its first answer comes after anything but a system prompt and one turn of
    the user's, calls a tool, or is empty; of a text, where it has but one word.

    Args:
        record: a row of a canonical frame.
    """
    name, kind = str(record["id"]), record["kind"]
    if kind == "text":
        text = str(record["text"] or "")
        return Asked(name, "", "", text, conversation=False) if len(words(text)) > 1 else None
    if record["tools"] or (kind == "feedback" and not record["label"]):
        return None
    turns: list[Message] = [*_turns(record["messages"]), *(_turns(record["chosen"]) if kind == "preference" else [])]
    system = ""
    if turns and turns[0]["role"] == "system":
        system, turns = turns[0]["content"] or "", turns[1:]
    if [turn["role"] for turn in turns[:2]] != ["user", "assistant"]:
        return None
    prompt, answer = (turn["content"] or "" for turn in turns[:2])
    if not prompt.strip() or not answer.strip() or turns[1].get("tool_calls"):
        return None
    return Asked(name, system, prompt, answer, conversation=True)


def _turns(messages: object) -> list[Message]:
    return list(messages) if isinstance(messages, list) else []
