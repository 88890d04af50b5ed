"""What a task is, whole: the object whose digest is the task's. Two models are compared on one digest only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.provenance.about import Count, Digest

SuiteName = Literal["regression", "forgetting", "safety", "memorization"]
SUITES: tuple[SuiteName, ...] = ("regression", "forgetting", "safety", "memorization")


class Metric(BaseModel):
    """A number that every item of a task has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: str
    binary: bool
    """0 or 1 for each item."""
    higher_is_better: bool = True
    scorer: str
    """Who computes it: `lm_eval`, or a scorer of gate.evaluation.scorers with its version: `f1@1`."""


class TaskDocument(BaseModel):
    """The object (json) of a task. Its digest binds the prompts, the data, the scoring and the shots."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    task: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    suite: SuiteName
    about: str
    """One sentence for reports."""
    source: Literal["suite", "snapshot", "training", "hub"]
    """`suite`: a file of rules/suites; `snapshot`: made of a test split; `training`: made of what the candidate was
    trained on (rows, canaries); `hub`: a task of lm-eval's own by name, whose data comes from outside."""
    config: dict[str, Any]
    """lm-eval's configuration as resolved: `include`s followed, without paths of this machine."""
    data: Digest | None = None
    """SHA-256 of the JSONL with its items (test split)."""
    shots_data: Digest | None = None
    """The same of the file that few-shot examples are drawn from."""
    code: Digest | None = None
    """SHA-256 of the Python that it brings and that was allowed by name; None: it brings none."""
    metrics: list[Metric] = Field(min_length=1)
    primary: str
    """The metric that a verdict is about."""
    chance: float | None = None
    """What guessing scores on the primary metric, where it is known: 1/k of k choices."""
    shots: Count = 0
    snapshot: Digest | None = None
    """Whose test split (or train split) it was made of."""

    def metric(self, name: str) -> Metric:
        """One of its metrics.

        Raises:
            KeyError: it has no such metric.
        """
        for each in self.metrics:
            if each.name == name:
                return each
        raise KeyError(name)
