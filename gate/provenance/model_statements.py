"""What is said of models: what one was trained on and how, and in which other forms it is given out."""

from __future__ import annotations

from typing import ClassVar, Literal

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
