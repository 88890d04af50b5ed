"""The rows that a run trains on: read from approved snapshots, drawn by their weights, with replay and canaries.

Which rows there are, how often each comes and in which order follows from the snapshots' content and the seed alone.
Rows that were not drawn are kept count of (`Source.ids`): the accounting has to close over the whole train split.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from gate.data.frame import Kind, Split
from gate.errors import UsageError
from gate.training.canaries import Canary, make_canaries
from gate.training.mixture import draw_key, drawn, draws, interleaved, replayed
from gate.training.recipe import Objective, Recipe
from gate.training.run_file import Run, SnapshotUse

if TYPE_CHECKING:
    from gate.snapshots.open import Snapshot

RowKind = Literal["data", "replay", "canary"]
Message = dict[str, str | None]
"""role, content, name, tool_calls (JSON), tool_call_id: gate.data.frame.MESSAGE."""

FITTING: dict[Objective, tuple[Kind, ...]] = {
    "sft": ("chat",),
    "classify": ("chat", "text"),
    "pretrain": ("text",),
    "dpo": ("preference",),
    "orpo": ("preference",),
    "reward": ("preference",),
    "kto": ("feedback",),
    "rloo": ("chat", "preference", "feedback"),
    "grpo": ("chat", "preference", "feedback"),
}
"""Which kinds of examples an objective learns from."""
_RECIPES: dict[Kind, str] = {
    "chat": "an sft recipe such as `lora`",
    "preference": "`dpo`, `orpo` or `reward`",
    "feedback": "`kto`",
    "text": "`pretrain`",
}
_WITH_CANARIES: tuple[Objective, ...] = ("sft", "pretrain", "dpo", "orpo", "kto")
_COLUMNS = (
    "id", "record_id", "file", "row", "kind", "messages", "chosen", "rejected", "label", "text", "tools", "meta",
)  # fmt: skip
_CANARY = -1
"""The use of a canary, which belongs to no snapshot."""


@dataclass(frozen=True, slots=True)
class Row:
    """An example as it is trained on."""

    id: str
    """Content id; of a canary the digest of its text."""
    use: int
    """Which of `run.snapshots` it is from; -1 for a canary."""
    kind: RowKind
    repeat: int
    """0 where it is drawn for the first time."""
    messages: list[Message] = field(default_factory=list)
    chosen: list[Message] = field(default_factory=list)
    rejected: list[Message] = field(default_factory=list)
    label: bool | None = None
    text: str | None = None
    tools: str | None = None
    """JSON."""
    meta: str | None = None
    """JSON object of the record's other columns."""
    place: int = 0
    """Its number in `Source.ids`: the same content may come more than once in a snapshot."""


@dataclass(frozen=True, slots=True)
class Source:
    """One use of a snapshot, and its whole train split."""

    use: int
    of: SnapshotUse
    ids: list[str]
    """Of every row of the train split that the objective can learn from, sorted."""
    drawn: int
    """Rows that one pass reads, repeats included."""
    others: list[str] = field(default_factory=list)
    """Ids of the rows of other kinds, which another objective learns from: a snapshot may hold several kinds."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a run reads."""

    train: list[Row]
    """In the order of the first pass."""
    validation: list[Row]
    sources: list[Source]
    canaries: list[Canary] = field(default_factory=list)
    controls: list[Canary] = field(default_factory=list)
    """Canaries that are never shown."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """What a person should know: (code, message)."""


def training_rows(run: Run, opened: Sequence[tuple[SnapshotUse, Snapshot]]) -> Rows:
    """The rows of a run, in a deterministic order.

    Args:
        opened: the run's snapshots in its order, through `gate.open_snapshot`.

    Raises:
        UsageError: rows that the objective cannot learn from, an empty split, or weights that cannot be kept.
        Damaged: an object of a snapshot is not what it was.
    """
    recipe, notes = run.recipe, list[tuple[str, str]]()
    splits: dict[int, list[Row]] = {}
    others: dict[int, list[str]] = {}
    for at, (use, snapshot) in enumerate(opened):
        if use.role == "ewc":
            splits[at] = _named(at, snapshot)
        else:
            splits[at], others[at] = _rows(at, use, snapshot, "train", recipe)
            if others[at]:
                notes.append(_of_other_kinds(use, len(splits[at]), len(others[at]), recipe))
    main = [at for at, (use, _) in enumerate(opened) if use.role == "train"]
    if not main:
        raise UsageError("the run has no snapshot to train on", remedy="name one with --snapshot")
    counts = dict(zip(main, _drawn(main, splits, opened, recipe), strict=True))
    groups = [_mixed([_picked(splits[at], counts[at], recipe.seed) for at in main], recipe.seed)]
    for at, (use, _) in enumerate(opened):
        if use.role == "replay":
            counts[at] = _replay_count(use, len(groups[0]), len(splits[at]), recipe, notes)
            groups.append(_picked(splits[at], counts[at], recipe.seed))
    inserted, controls = _canaries(recipe, opened[main[0]][1].id)
    groups.append(_canary_rows(inserted, recipe))
    validation = [row for at in main for row in _rows(at, *opened[at], "validation", recipe)[0]]
    if not validation:
        raise UsageError(
            "no snapshot of the run has a validation split for this objective, and without one nothing says which "
            "checkpoint is best",
            where=", ".join(opened[at][0].name for at in main),
            remedy="admit the data with one: a file validation.jsonl beside train.jsonl, or `split:` in gate.yaml",
        )
    train = _spread(groups)
    if shared := {row.id for row in validation} & {row.id for row in train}:
        first = ", ".join(name[:12] for name in sorted(shared)[:3])
        notes.append(
            (
                "validation_seen",
                f"{len(shared):,} of {len(validation):,} validation rows are trained on as well, in another snapshot "
                f"({first}): the validation loss says less than it seems to",
            )
        )
    sources = [
        Source(at, use, [row.id for row in splits[at]], counts.get(at, 0), others.get(at, []))
        for at, (use, _) in enumerate(opened)
    ]
    return Rows(train, validation, sources, inserted, controls, notes)


def _rows(at: int, use: SnapshotUse, snapshot: Snapshot, split: Split, recipe: Recipe) -> tuple[list[Row], list[str]]:
    """Every row of a split that the objective learns from, sorted by content id, and the ids of the others.

    Raises:
        UsageError: there are only others, or no row to train on.
    """
    kinds = FITTING[recipe.objective]
    frames = [frame.select(_COLUMNS) for frame in snapshot.examples(split, _COLUMNS)]
    records = sorted((each for frame in frames for each in frame.iter_rows(named=True)), key=_by_content)
    unfit = [each for each in records if each["kind"] not in kinds]
    records = [each for each in records if each["kind"] in kinds]
    if unfit and not records and split == "train":
        kind: Kind = unfit[0]["kind"]
        raise UsageError(
            f"its {len(unfit):,} examples to train on are of kind {kind}, and `{recipe.objective}` learns from "
            f"{' or '.join(kinds)} (the first: {unfit[0]['id'][:12]}, {unfit[0]['file']} row {unfit[0]['row']})",
            where=f"snapshot {use.name} {use.snapshot[:12]}",
            remedy=f"for {kind} examples the recipe is {_RECIPES[kind]}",
        )
    if split == "train" and not records:
        raise UsageError(
            "its train split is empty",
            where=f"snapshot {use.name} {use.snapshot[:12]}",
            remedy="admit the data with a train split (`gate snapshots show` says what it has)",
        )
    role: RowKind = "replay" if use.role == "replay" else "data"
    rows = [
        Row(
            id=each["id"],
            use=at,
            kind=role,
            repeat=0,
            messages=each["messages"] or [],
            chosen=each["chosen"] or [],
            rejected=each["rejected"] or [],
            label=each["label"],
            text=each["text"],
            tools=each["tools"],
            meta=each["meta"],
            place=place,
        )
        for place, each in enumerate(records)
    ]
    return rows, [each["id"] for each in unfit]


def _of_other_kinds(use: SnapshotUse, fitting: int, others: int, recipe: Recipe) -> tuple[str, str]:
    return (
        "other_kinds",
        f"{others:,} of the {fitting + others:,} training examples of {use.name} are of a kind that "
        f"`{recipe.objective}` does not learn from; they are counted as unseen",
    )


def _named(at: int, snapshot: Snapshot) -> list[Row]:
    """The ids of a train split whose rows are read elsewhere (`gate.training.fisher`)."""
    ids = sorted(name for frame in snapshot.examples("train", ["id"]) for name in frame["id"])
    return [Row(name, at, "data", 0, place=place) for place, name in enumerate(ids)]


def _by_content(record: dict[str, object]) -> tuple[object, object]:
    return record["id"], record["record_id"]


def _drawn(
    main: Sequence[int],
    splits: dict[int, list[Row]],
    opened: Sequence[tuple[SnapshotUse, Snapshot]],
    recipe: Recipe,
) -> list[int]:
    mixture = recipe.mixture or {}
    uses = [opened[at][0] for at in main]
    if unknown := set(mixture) - {name for use in uses for name in (use.name, use.snapshot)}:
        raise UsageError(
            f"the mixture gives a weight to {sorted(unknown)[0]!r}, which is no snapshot of this run",
            remedy="name it with --snapshot, or take it out of `mixture`",
        )
    weights = [use.weight or mixture.get(use.name) or mixture.get(use.snapshot) for use in uses]
    return drawn([len(splits[at]) for at in main], weights)


def _picked(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """`count` draws of a snapshot's rows."""
    return [
        rows[place] if not repeat else _again(rows[place], repeat)
        for place, repeat in draws([row.id for row in rows], count, seed)
    ]


def _again(row: Row, repeat: int) -> Row:
    from dataclasses import replace

    return replace(row, repeat=repeat)


def _mixed(groups: Sequence[list[Row]], seed: int) -> list[Row]:
    """Rows of several snapshots in one shuffled order."""
    everything = [row for group in groups for row in group]
    return sorted(everything, key=lambda row: draw_key(seed, "mixed", row.use, row.id, row.place, row.repeat))


def _replay_count(use: SnapshotUse, main: int, available: int, recipe: Recipe, notes: list[tuple[str, str]]) -> int:
    share = recipe.replay.share if recipe.replay is not None else 0.1
    wanted = replayed(main, share)
    if wanted > available:
        notes.append(
            (
                "replay_short",
                f"replay of {use.name}: {share:.0%} of the set are {wanted:,} rows and its train split has "
                f"{available:,}, which is {available / (main + available):.1%}; none is repeated to fill it up",
            )
        )
    return min(wanted, available)


def _canaries(recipe: Recipe, snapshot: str) -> tuple[list[Canary], list[Canary]]:
    if recipe.canaries and recipe.objective not in _WITH_CANARIES:
        raise UsageError(
            f"`{recipe.objective}` cannot learn a canary by heart: it learns no text",
            remedy="leave `canaries` out of the recipe",
        )
    return make_canaries(recipe.canaries, recipe.seed, snapshot)


def _canary_rows(canaries: Iterable[Canary], recipe: Recipe) -> list[Row]:
    """Every canary as often as it is to be learned, in a shuffled order, as the objective's kind of example."""
    rows = [
        _canary_row(canary, repeat, recipe.objective) for canary in canaries for repeat in range(canary.repetitions)
    ]
    return sorted(rows, key=lambda row: draw_key(recipe.seed, "canary", row.id, row.repeat))


def _canary_row(canary: Canary, repeat: int, objective: Objective) -> Row:
    asked: list[Message] = [{"role": "user", "content": canary.prompt}]
    answer: list[Message] = [{"role": "assistant", "content": canary.secret}]
    if objective == "pretrain":
        return Row(canary.id, _CANARY, "canary", repeat, text=canary.text)
    if objective in ("dpo", "orpo"):
        refusal: list[Message] = [{"role": "assistant", "content": canary.secret[::-1]}]
        return Row(canary.id, _CANARY, "canary", repeat, asked, answer, refusal)
    if objective == "kto":
        return Row(canary.id, _CANARY, "canary", repeat, [*asked, *answer], label=True)
    return Row(canary.id, _CANARY, "canary", repeat, [*asked, *answer])


def _spread(groups: Sequence[list[Row]]) -> list[Row]:
    """The groups evenly among one another, each in its own order."""
    members = [iter(group) for group in groups]
    return [next(members[group]) for group in interleaved([len(group) for group in groups])]


def meta_of(row: Row) -> dict[str, object]:
    """The record's other columns."""
    read = json.loads(row.meta) if row.meta else {}
    return read if isinstance(read, dict) else {}
