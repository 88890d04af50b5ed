"""A run's events as what they tell together: curves, evaluations, warning signs, and how it ended.

A run that was resumed went back to a checkpoint: what was told of later steps before that is told again, and counts
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gate.training.events import Event, Value, read_events


@dataclass(slots=True)
class History:
    """What is known of a run so far."""

    stage: str = ""
    """What is, or was last, being done."""
    device: str | None = None
    """What it trained on, once it has ended."""
    trainable: int | None = None
    total: int | None = None
    points: list[Event] = field(default_factory=list)
    """`step` events, by step."""
    evaluations: list[Event] = field(default_factory=list)
    samples: list[Event] = field(default_factory=list)
    retention: list[Event] = field(default_factory=list)
    findings: list[Event] = field(default_factory=list)
    end: Event | None = None
    error: Event | None = None
    """Of the last attempt."""

    def take(self, event: Event) -> None:
        """Go on with the next event."""
        fields = event.fields
        match event.kind:
            case "stage":
                self.stage = str(fields.get("name", ""))
                if isinstance(device := fields.get("device"), str):
                    self.device = device
                if self.stage == "resumed":
                    self._back_to(whole(fields.get("step")) or 0)
            case "parameters":
                self.trainable, self.total = whole(fields.get("trainable")), whole(fields.get("total"))
            case "step":
                self.points.append(event)
            case "evaluation":
                self.evaluations.append(event)
            case "samples":
                self.samples.append(event)
            case "retention":
                self.retention.append(event)
            case "finding":
                self.findings.append(event)
            case "end":
                self.end = event
            case "error":
                self.error = event
            case _:
                pass  # of a later gate

    def _back_to(self, step: int) -> None:
        for series in (self.points, self.evaluations, self.samples, self.retention, self.findings):
            series[:] = [each for each in series if (whole(each.fields.get("step")) or 0) <= step]
        self.end = self.error = None

    @property
    def step(self) -> int:
        """The last step that was told of."""
        return max((whole(each.fields.get("step")) or 0 for each in (*self.points, *self.evaluations)), default=0)

    @property
    def steps(self) -> int | None:
        """How many there are to be."""
        return next((n for each in reversed(self.points) if (n := whole(each.fields.get("steps")))), None)

    def series(self, name: str, of: str = "points") -> list[tuple[int, float]]:
        """(step, figure) of a curve, such as `loss`; points at which it is not known are left out."""
        events: list[Event] = getattr(self, of)
        pairs = ((whole(each.fields.get("step")) or 0, number(each.fields.get(name))) for each in events)
        return [(step, value) for step, value in pairs if value is not None]

    @property
    def codes(self) -> list[str]:
        """Codes of the warning signs, each once, in order."""
        return list(dict.fromkeys(str(each.fields.get("code", "")) for each in self.findings))


def history_of(events: Iterable[Event]) -> History:
    """What they tell together."""
    history = History()
    for event in events:
        history.take(event)
    return history


def read_history(folder: Path) -> History:
    """What the events of a run's folder tell."""
    return history_of(read_events(folder)[0])


def whole(value: Value) -> int | None:
    """A whole number, or None where it is none."""
    figure = number(value)
    return None if figure is None else int(figure)


def number(value: Value) -> float | None:
    """A finite number, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
