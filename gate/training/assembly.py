"""From tokenised rows to the data sets that trainers read, with the books of what went in.

What a trainer gets is final: no library behind it cuts, drops or reorders anything (`gate.training.prepared`).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.training.accounting import Account, Outcome, Placed
from gate.training.control_tokens import control_token_note
from gate.training.packing import packs
from gate.training.preview import Shown, chosen_examples, preview_document
from gate.training.rows import Row, RowKind, Rows
from gate.training.run_file import Run
from gate.training.template import Template
from gate.training.tolerance import Limits

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase


Columns = dict[str, "int | bool | NDArray[np.int32] | list[dict[str, str]]"]
"""What a trainer reads of an example."""

NOT_LEARNED = -100
"""The label that losses pass over (torch.nn.CrossEntropyLoss, ignore_index)."""
GROUP = "group"
"""The column that says which kind of row a position holds (`gate.training.order`)."""
GROUPS: dict[RowKind, int] = {"data": 0, "replay": 1, "canary": 2}
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "seq_length")
"""How configurations of models name the number of positions."""
_UNLIMITED = 10**9
"""Tokenizers say a larger `model_max_length` where they know none."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row as a trainer takes it: mostly one example, several windows of a long text, none where it is dropped."""

    pieces: list[tuple[Columns, int]]
    """Columns of each, and how many tokens it reads."""
    outcome: Outcome
    shown: dict[str, Shown] = field(default_factory=dict)
    """For preview.json: sequences by name."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a trainer reads, and the books."""

    train: datasets.Dataset
    validation: datasets.Dataset
    account: Account
    classes: tuple[str, ...] = ()
    """classify: the names of the classes; `labels` are indices into them."""


def limits_of(run: Run, tokenizer: PreTrainedTokenizerBase) -> Limits:
    """How long an example may be: the recipe's `max_length`, else what the base can read.

    Raises:
        UsageError: the recipe wants more than the base can read, or nobody says how long one may be.
    """
    context = _context(run, tokenizer)
    virtual = run.recipe.virtual_tokens if run.recipe.method in ("prefix", "ptuning") else 0
    room = None if context is None else context - virtual
    wanted = run.recipe.max_length
    if wanted is None:
        if room is None:
            raise UsageError(
                "neither the base nor its tokenizer says how long a text it can read",
                where=run.base.name,
                remedy="say it with `--set max_length=TOKENS`",
            )
        wanted = room
    if room is not None and wanted > room:
        of_which = f" ({context:,} less {virtual} virtual tokens)" if virtual else ""
        raise UsageError(
            f"max_length is {wanted:,}, and the base can read {room:,} tokens{of_which}",
            where=run.base.name,
            remedy=f"`--set max_length={room}`, or a base with a longer context",
        )
    if wanted < 2:
        raise UsageError("max_length leaves no room for a prompt and an answer", remedy="`--set max_length=512`, say")
    return Limits(wanted, room)


def _context(run: Run, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The base's context length in tokens: of its config.json, else of its tokenizer."""
    try:
        config = json.loads((Path(run.base.path) / "config.json").read_bytes())
    except (OSError, ValueError):
        config = {}
    parts = [config, config.get("text_config")] if isinstance(config, dict) else []
    for part in (each for each in parts if isinstance(each, dict)):
        for key in _CONTEXT_KEYS:
            if isinstance(found := part.get(key), int) and found > 0:
                return found
    length = tokenizer.model_max_length
    return length if 0 < length < _UNLIMITED else None


def assembled(
    rows: Rows,
    tokenise: Callable[[list[Row]], list[Sample]],
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    limits: Limits,
    template: Template | None,
    *,
    per_step: int | None = None,
    classes: tuple[str, ...] = (),
) -> Tokens:
    """The data sets and the books.

    Args:
        tokenise: samples of rows, in their order; each row is tokenised once, however often it is drawn.
        per_step: positions that an optimiser step reads; the recipe's `batch`, where it is not said.
    """
    import numpy as np

    train = _each_once(rows.train, tokenise)
    validation = tokenise(rows.validation)
    examples: list[tuple[Columns, int, int]] = [
        (columns, tokens, draw) for draw, sample in enumerate(train) for columns, tokens in sample.pieces
    ]
    held_out = [columns for sample in validation for columns, _ in sample.pieces]
    if run.recipe.packing:
        positions, columns = _packed(examples, limits.max_length)
        groups = np.zeros(len(columns), np.int8)
    else:
        positions, columns = list(range(len(examples))), [each for each, _, _ in examples]
        groups = np.array([GROUPS[rows.train[draw].kind] for _, _, draw in examples], np.int8)
    placed = Placed(
        np.array(positions, np.int64),
        np.array([draw for _, _, draw in examples], np.int64),
        np.array([tokens for _, tokens, _ in examples], np.int64),
        groups,
    )
    shown = chosen_examples(rows.train, [s.outcome.cut > 0 for s in train], [bool(s.shown) for s in train])
    outcomes = [sample.outcome for sample in train]
    account = Account(
        rows=replace(rows, notes=[*rows.notes, *_notes(rows, tokenizer, template)]),
        outcomes=outcomes,
        placed=placed,
        limits=limits,
        per_step=per_step or run.recipe.batch,
        template=None if template is None else template.digest,
        preview=preview_document(
            [(rows.train[at], train[at].shown, outcomes[at].cut) for at in shown], tokenizer, template
        ),
        validation={
            "rows": len(rows.validation),
            "dropped": sum(bool(sample.outcome.reason) for sample in validation),
            "truncated": sum(sample.outcome.cut > 0 for sample in validation),
        },
    )
    return Tokens(
        _dataset(columns, f"{run.name} train", groups.tolist()),
        _dataset(held_out, f"{run.name} validation"),
        account,
        classes,
    )


def _notes(rows: Rows, tokenizer: PreTrainedTokenizerBase, template: Template | None) -> Iterator[tuple[str, str]]:
    """What a person should know before the run: (code, message)."""
    if template is not None and template.reads_clock:
        yield (
            "template_reads_clock",
            "the chat template writes the day's date into conversations: the same run on another day reads another "
            "text; a template with a fixed date (--chat-template FILE) does not",
        )
    if (note := control_token_note((row for row in rows.train if not row.repeat), tokenizer)) is not None:
        yield note


def _each_once(rows: Sequence[Row], tokenise: Callable[[list[Row]], list[Sample]]) -> list[Sample]:
    numbers: dict[tuple[int, int, str], int] = {}
    distinct: list[Row] = []
    for row in rows:
        if numbers.setdefault((row.use, row.place, row.id), len(distinct)) == len(distinct):
            distinct.append(row)
    samples = tokenise(distinct)
    return [samples[numbers[row.use, row.place, row.id]] for row in rows]


def _packed(examples: Sequence[tuple[Columns, int, int]], room: int) -> tuple[list[int], list[Columns]]:
    """Examples put into sequences of at most `room` tokens: the position of each, and the sequences."""
    import numpy as np

    members = packs([tokens for _, tokens, _ in examples], room)
    positions = [0] * len(examples)
    made: list[Columns] = []
    for position, numbers in enumerate(members):
        for number in numbers:
            positions[number] = position
        whole = {
            name: np.concatenate(
                [cell for number in numbers if isinstance(cell := examples[number][0][name], np.ndarray)]
            )
            for name in examples[0][0]
        }
        made.append({**whole, "seq_lengths": np.array([examples[number][1] for number in numbers], np.int32)})
    return positions, made


def _dataset(examples: Sequence[Columns], name: str, groups: list[int] | None = None) -> datasets.Dataset:
    import datasets
    import numpy as np
    import pyarrow as pa

    columns = {}
    for key in examples[0] if examples else ():
        cells = [each[key] for each in examples]
        tokens = [cell for cell in cells if isinstance(cell, np.ndarray)]
        columns[key] = _lists(tokens) if len(tokens) == len(cells) else pa.array(cells)
    if groups is not None:
        columns[GROUP] = pa.array(groups, pa.int8())
    # The fingerprint is what libraries cache by; the default hashes every token.
    fingerprint = hashlib.sha256(f"{name}\0{len(examples)}\0{uuid.uuid4()}".encode()).hexdigest()[:16]
    return datasets.Dataset(pa.table(columns), fingerprint=fingerprint)


def _lists(tokens: Sequence[NDArray[np.int32]]) -> pa.Array:
    """A column of lists of whole numbers, without making an object of each."""
    import numpy as np
    import pyarrow as pa

    offsets = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(each) for each in tokens], out=offsets[1:])
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(tokens)))
