"""The content of an example as one number of 128 bits: the same number means the same content.

Content is kind, roles, folded contents, names, tool calls, tools, label and plain text, each in its place. It is
hashed part by part: every text by Polars' `hash` (xxHash3 with a seed: the same in any process for one version of
Polars, which is why `polars` is among the `libraries` of the checks that use this), parts into turns, turns by
position into conversations, and conversations into examples by the finaliser of MurmurHash3. Two such hashes with
seeds of their own are held side by side, 128 bits: two of n different contents agree by chance with a probability
of n²·2⁻¹²⁹ (for a thousand million rows 10⁻²¹), so that rows are not compared again. If two ever did agree, a row
would be reported that is no copy, which is seen when it is looked at; none would be missed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gate.checks.duplicates.content import Key, turns_of
from gate.checks.duplicates.tokens import Hashes, mix
from gate.checks.duplicates.turns import Column, folded_json, folded_text, folded_turns
from gate.data.frame import KINDS
from gate.data.views import Frames

SEEDS = (0x5DEECE66D, 0x2545F491)
"""Any two numbers: they tell the two halves of a hash apart."""

_COLUMNS: tuple[Column, ...] = ("messages", "chosen", "rejected")
_STEP = np.uint64(0x9E3779B97F4A7C15)  # an odd number with its bits well spread: 2⁶⁴ by the golden ratio
_ABSENT = np.uint64(0x1D8E4E27C47D124F)  # for a list that is not there, which differs from an empty text


def content_hash(frames: Frames, key: Key, name: str = "content", *, with_label: bool = True) -> pl.DataFrame:
    """Two columns of u64, `{name}_0` and `{name}_1`, one row per example.

    Of the whole example, or of its prompt (with the tools) or response alone. Null where there is nothing to
    compare: no such part, or a prompt or response with nothing in it. Without the label, feedback of both labels on
    one answer has the same content.
    """
    examples = frames.examples
    halves = {}
    present = None
    for half, seed in enumerate(SEEDS):
        label = (
            examples["label"].cast(pl.UInt64).fill_null(2) if with_label else pl.repeat(3, len(examples), eager=True)
        )
        parts = [_kind(frames), label.cast(pl.UInt64).to_numpy()]
        if key == "full":
            parts += [_conversations(len(examples), folded_turns(frames, column), seed) for column in _COLUMNS]
            parts.append(_texts(folded_text(frames), seed))
        else:
            turns = turns_of(frames, key)
            present = _present(len(examples), turns) if present is None else present
            parts.append(_conversations(len(examples), turns, seed))
        if key != "response":
            parts.append(_texts(frames.once("folded tools", lambda: folded_json(examples["tools"])), seed))
        values = pl.Series(f"{name}_{half}", _sequence(parts))
        halves[values.name] = values if present is None else pl.select(pl.when(present).then(values)).to_series()
    return pl.DataFrame(halves)


def rejected_hash(frames: Frames) -> pl.DataFrame:
    """The columns `rejected_0` and `rejected_1`: the rejected answer of a preference, as the `response` of another
    preference that chose it would be hashed; null where there is none."""
    rows = frames.examples.height
    turns = folded_turns(frames, "rejected")
    present = _present(rows, turns)
    unlabelled = np.full(rows, 3, dtype=np.uint64)
    kind = np.full(rows, KINDS.index("preference"), dtype=np.uint64)
    halves = {}
    for half, seed in enumerate(SEEDS):
        values = pl.Series(_sequence([kind, unlabelled, _conversations(rows, turns, seed)]))
        halves[f"rejected_{half}"] = pl.select(pl.when(present).then(values)).to_series()
    return pl.DataFrame(halves)


def _kind(frames: Frames) -> Hashes:
    return frames.examples["kind"].to_physical().cast(pl.UInt64).to_numpy()


def _texts(texts: pl.Series, seed: int) -> Hashes:
    """The hash of each text; of a null as well, which is that of no text."""
    return texts.hash(seed=seed).to_numpy()


def _sequence(parts: Sequence[NDArray[np.uint64]]) -> Hashes:
    """One number for numbers in a row: each step is a bijection of what came before, and of what is put to it."""
    total = np.zeros(parts[0].size, dtype=np.uint64)
    for part in parts:
        total *= _STEP
        total += part
        total = mix(total + _STEP)
    return total


def _conversations(rows: int, turns: pl.DataFrame, seed: int) -> Hashes:
    """One number per example: the sum over its turns, each mixed with its position. `_ABSENT` without turns."""
    result = np.full(rows, _ABSENT, dtype=np.uint64)
    if turns.height:
        columns = ("role", "content", "name", "canonical_calls")
        at = turns["at"].to_numpy()
        order = np.argsort(at, kind="stable")
        starts = np.flatnonzero(np.diff(at[order], prepend=-1))
        position = np.arange(at.size) - np.repeat(starts, np.diff(np.append(starts, at.size)))
        hashes = _sequence([*(_texts(turns[name], seed)[order] for name in columns), position.astype(np.uint64)])
        result[at[order][starts]] = np.add.reduceat(hashes, starts)
    return result


def _present(rows: int, turns: pl.DataFrame) -> pl.Series:
    """Whether any turn of an example has a content, a name or a tool call."""
    some = turns.filter(pl.any_horizontal(pl.col("content", "name", "canonical_calls") != ""))
    present = np.zeros(rows, dtype=bool)
    present[some["at"].to_numpy()] = True
    return pl.Series(present)
