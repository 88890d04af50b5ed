"""The `size` check: whether there are enough examples for what the model is to learn.

What counts is what may be trained on: the train split and rows that have no split yet.
"""

from __future__ import annotations

from typing import Literal, Self

import polars as pl
from pydantic import Field, model_validator

from gate.checks.base import Context, Measurement, Params, check
from gate.checks.whole import Whole, wholes
from gate.data.corpus import Corpus
from gate.data.views import Frames

Task = Literal["classification", "generation", "reasoning", "style", "domain", "instruction"]


class Enough(Params):
    """How many examples are enough."""

    minimum: int = Field(ge=1)
    """With fewer than these the rule is not met."""
    recommended: int = Field(ge=1)
    """With fewer than these it is said, as information."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.recommended < self.minimum:
            raise ValueError("`recommended` is less than `minimum`")
        return self


class SizeParams(Params):
    """How many examples are enough, by what the model is to learn."""

    any_task: Enough
    """Where no task is named."""
    tasks: dict[Task, Enough]
    """For each task."""
    task: Task | None = None
    """What the model is to learn."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.task is not None and self.task not in self.tasks:
            raise ValueError(f"`tasks` does not say how many are enough for `task: {self.task}`")
        return self

    @property
    def enough(self) -> Enough:
        return self.any_task if self.task is None else self.tasks[self.task]


def _features(frames: Frames, params: SizeParams, context: Context) -> pl.DataFrame:
    """Nothing: splits are known of every row."""
    return pl.DataFrame({"rows": [frames.examples.height]})


@check(
    "size",
    params=SizeParams,
    codes={
        "too_small": "There are fewer examples to train on than the task needs at the least.",
        "below_recommended": "There are enough examples to train on, but fewer than are recommended.",
    },
    fails=({"prompt": "Name a prime above 10.", "completion": "11"},),
    passes=tuple({"prompt": f"What is {n} + 1?", "completion": str(n + 1)} for n in range(100)),
    features=_features,
)
def size(corpus: Corpus, params: SizeParams, context: Context) -> Measurement:
    """The number of examples that may be trained on (those of the train split, and those without a split) against
    what the task needs.

    Score: the share of the demanded number that is missing. Figures: `examples to train on`, `minimum`,
    `recommended`.
    """
    counted = int(corpus.rows.select((pl.col("split").is_null() | (pl.col("split") == "train")).sum()).item())
    enough = params.enough
    task = f" for {params.task}" if params.task else ""
    demands = []
    if counted < enough.minimum:
        message = f"{counted:,} examples to train on; at least {enough.minimum:,} are needed{task}."
        demands.append(Whole("too_small", message, 1 - counted / enough.minimum))
    elif counted < enough.recommended:
        message = f"{counted:,} examples to train on; {enough.recommended:,} are recommended{task}."
        demands.append(Whole("below_recommended", message, 1 - counted / enough.recommended, severity="info"))
    figures = {"examples to train on": counted, "minimum": enough.minimum, "recommended": enough.recommended}
    # Rows that could not be read are examined too: a dataset of nothing else is too small, and not left alone.
    examined = corpus.rows.height + corpus.malformed.height
    return Measurement(wholes(demands), examined, {name: float(value) for name, value in figures.items()})
