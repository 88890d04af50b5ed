"""What a trainer tells while it runs: one JSON object a line in `events.jsonl`, which gate follows.

Only the first process of a run writes. A line is written whole and flushed, so that a killed run leaves all but the
last line readable; a run that goes on after `--resume` writes behind what is there, beginning with `stage` `resumed`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["stage", "parameters", "step", "evaluation", "samples", "retention", "finding", "end", "error"]
"""What an event tells, with its fields:

stage       name                                        what is being done now: `data`, `model`, `training`, `resumed`
                                                        (with `step`), `saved` (with the name of the `device`)…
parameters  trainable, total                            numbers of the model's
step        step, steps, epoch, loss, lr, grad_norm,    a point of the curves (every `log_every` optimiser steps);
            tokens, tokens_per_second, memory, device   memory: peak bytes; device: its share of time in use, 0 to 1
evaluation  step, loss, and other figures               on the validation split
samples     step, answers: [{prompt, answer}]           of the fixed prompts
retention   step, score, base, margin, items            of the forgetting monitor
finding     code, step, message, remedy, severity       a warning sign (gate.training.signs)
end         reason, step, best_step, best_loss,         why it ended: `finished`, `early_stop`, `forgetting`, `nan`,
            seconds, tokens, peak_memory, device        `interrupted`
error       code, message, remedy                       why it failed, where the trainer itself could tell
"""

FILE = "events.jsonl"

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Event:
    """One of them."""

    kind: str
    """One of `Kind`; one that this gate does not know is passed over."""
    time: float
    """Seconds since the epoch."""
    fields: dict[str, Value] = field(default_factory=dict)


class Events:
    """Writes a run's events.

    Args:
        folder: the run's.
        speaks: whether this process is the one that writes (the first of a run).
    """

    def __init__(self, folder: Path, *, speaks: bool = True) -> None:
        self._path, self._speaks = folder / FILE, speaks

    def say(self, kind: Kind, **fields: Value) -> None:
        """Write one event. Figures that are NaN or infinite are written as null: JSON has no others."""
        if not self._speaks:
            return
        line = json.dumps({"event": kind, "time": round(time.time(), 3), **{k: _plain(v) for k, v in fields.items()}})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _plain(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_events(folder: Path, start: int = 0) -> tuple[list[Event], int]:
    """The events of a run from a byte on, and the byte to go on from. A last line that is not whole yet is left for
    the next time; a line that is none (a disk that was full) is passed over."""
    path = folder / FILE
    if not path.exists():
        return [], start
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return list(parsed(whole)), start + len(whole)


def parsed(content: bytes) -> Iterator[Event]:
    """The events of a file's content, one a line; a line that is none is passed over."""
    for line in content.splitlines():
        try:
            said = json.loads(line)
            yield Event(said.pop("event"), float(said.pop("time")), said)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
