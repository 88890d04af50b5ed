"""What is said of models: what one was trained on and how, and in which other forms it is given out."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.provenance.about import About, Count, Digest


class TrainedOn(BaseModel):
    """A snapshot that a run read rows from, and what became of its train split: trained + dropped + unseen = rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    snapshot: Digest
    statement: Digest
    """The admission that it stood on."""
    name: str
    role: Literal["train", "replay", "ewc"]
    rows: Count
    """In its train split."""
    trained: Count
    """Seen at least once."""
    dropped: Count
    """Left out by the trainer, each with a reason."""
    unseen: Count
    """Not drawn, or not reached because training stopped."""
    truncated: Count
    """Of those trained: cut to the greatest length."""


class OutputFile(BaseModel):
    """A file that came out of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    sha256: Digest
    bytes: Count


class Training(About):
    """A candidate was trained, on approved snapshots and nothing else."""

    kind: ClassVar[str] = "training"
    name: str
    """The run's."""
    model: Digest
    """gate.training.model_files.model_digest of `outputs`."""
    outputs: dict[str, OutputFile]
    """By path relative to the candidate's folder."""
    base: Digest
    """model_digest of the base's files."""
    base_name: str
    snapshots: list[TrainedOn] = Field(min_length=1)
    recipe: Digest
    """The object (json) with the recipe as it was resolved."""
    objective: str
    method: str
    script: Digest
    """SHA-256 of the trainer's script."""
    environment: Digest
    """The object (json) with versions of Python and every package, device and settings that change results."""
    accounting: Digest
    """The object (parquet): gate.training.accounting.FATES, what became of every row."""
    curves: Digest
    """The object (jsonl): the run's events."""
    seed: Count
    retention_suite: Digest | None = None
    """The object (jsonl) with the items that the forgetting monitor scored, where there was one."""
    canaries: Count = 0
    """Marked strings trained on beside the data; they are in the object `canary_strings`."""
    canary_strings: Digest | None = None
    criteria: Digest | None = None
    """The object (json) with the promotion policy as it stood before training: gate.promotion.policy."""
    steps: Count
    best_step: Count
    ended: Literal["finished", "early_stop", "forgetting", "interrupted"]
    seconds: Count
    tokens: Count
    """That were learned from or read, over all epochs."""
    peak_bytes: Count
    """Of tensors on a device; of the process where there is none."""
    device: str
    trainable: Count
    parameters: Count
    findings: list[str] = Field(default_factory=list)
    """Codes of the warning signs that were seen (gate.training.signs)."""

    def subjects(self) -> dict[str, str]:
        return {f"model:{self.name}": self.model}

    def parents(self) -> list[str]:
        return list(dict.fromkeys(each.statement for each in self.snapshots))


class Release(About):
    """A trained model in another form: merged, quantised, or in another format."""

    kind: ClassVar[str] = "release"
    form: Literal["adapter", "merged", "gguf", "onnx"]
    model: Digest
    """model_digest of `outputs`."""
    outputs: dict[str, OutputFile]
    sources: list[Digest] = Field(min_length=1)
    """The training statements that it was made of; several LoRAs of one base may be merged."""
    weights: list[float]
    """Of each of them."""
    quantisation: str | None = None
    tolerance: float
    """The largest difference of logits allowed between it and the candidate."""
    difference: float
    """The largest that was measured, in a fresh process."""

    def subjects(self) -> dict[str, str]:
        return {f"model:{self.form}": self.model}

    def parents(self) -> list[str]:
        return list(dict.fromkeys(self.sources))


class TaskScores(BaseModel):
    """What a model scored on a task."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    task: str
    document: Digest
    """The object (json) gate.evaluation.task_document.TaskDocument: the task's digest."""
    key: Digest
    """gate.evaluation.results.key_of: of model, task, settings and scorers. Equal keys are not computed twice."""
    items: Digest
    """The object (parquet): gate.evaluation.items.ITEMS, every item that the task has."""
    n: Annotated[int, Field(ge=1)]
    scores: dict[str, float]
    """The mean of each metric over all items."""


class Evaluation(About):
    """A model was scored on a suite, item by item. It measures; it judges nothing."""

    kind: ClassVar[str] = "evaluation"
    name: str
    """As the model was named: a run, a folder, a URL."""
    model: Digest
    """gate.training.model_files.model_digest of its files."""
    form: Literal["base", "adapter", "full", "merged", "remote"]
    """`full`: a candidate that is a whole model. `remote`: behind a URL, whose weights are `model` by its owner's word
    only."""
    base: Digest | None = None
    """Of an adapter (or of a candidate with a training statement): model_digest of the base."""
    training: Digest | None = None
    """The training statement of a candidate; None: of a base."""
    suite: Literal["regression", "forgetting", "safety", "memorization"]
    snapshot: Digest | None = None
    """Whose test split its tasks were made of, where some were."""
    tasks: list[TaskScores] = Field(min_length=1)
    settings: Digest
    """The object (json): gate.evaluation.settings.Settings, all that can change a score beside model and task."""
    environment: Digest
    """The object (json) with versions of Python and every package, and the device."""
    prompts: Digest | None = None
    """The object (json) with system prompt and shots of a prompt baseline; None: the task's own prompts."""
    repeat: Digest | None = None
    """The evaluation that this one repeats, to see what noise there is."""
    seconds: Count

    def subjects(self) -> dict[str, str]:
        return {f"model:{self.name}": self.model}

    def parents(self) -> list[str]:
        return [each for each in (self.training, self.repeat) if each is not None]


class Promotion(About):
    """What the promotion gate decided about a model, on which evidence. It counts once it is approved."""

    kind: ClassVar[str] = "promotion"
    name: str
    """The candidate's run."""
    model: Digest
    training: Digest
    """Its training statement."""
    base: Digest
    """model_digest."""
    champion: Digest | None = None
    """model_digest of the champion that it was compared with; None: `first`."""
    champion_promotion: Digest | None = None
    """The promotion statement that made it champion."""
    first: bool
    """Somebody said that there is no champion yet."""
    evaluations: list[Digest] = Field(min_length=1)
    """The evaluation statements that it rests on: candidate's, base's, champion's, repeats, prompt baselines."""
    policy: Digest
    """The object (json) with the promotion policy as it was applied."""
    criteria: Digest | None = None
    """The one that the training statement declared."""
    criteria_changed: bool
    """The two differ, or none was declared."""
    verdict: Literal["pass", "fail", "inconclusive"]
    reasons: list[str] = Field(min_length=1)
    result: Digest
    """The object (json) with everything that the report shows."""
    report: Digest
    """The object (html) that the reviewer reads."""
    waivers: list[Digest] = Field(default_factory=list)
    champion_name: str = "champion"
    """The ref that it moves when it passes and is approved."""

    def subjects(self) -> dict[str, str]:
        return {f"model:{self.name}": self.model}

    def parents(self) -> list[str]:
        before = [self.champion_promotion] if self.champion_promotion is not None else []
        return list(dict.fromkeys([self.training, *self.evaluations, *self.waivers, *before]))


class ModelRef(About):
    """Which model a name (the champion) stands for from now on; lies in refs/, not among the statements."""

    kind: ClassVar[str] = "model_ref"
    name: str
    number: Annotated[int, Field(ge=1)]
    model: Digest
    statement: Digest
    """The promotion."""
    why: str = ""
    """Of a rollback."""

    def subjects(self) -> dict[str, str]:
        return {f"ref:{self.name}": self.model}

    def parents(self) -> list[str]:
        return [self.statement]
