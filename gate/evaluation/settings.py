"""How a model is run while it is scored: all that can move a score beside the model and the task, pinned."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gate.provenance.envelope import canonical


class Settings(BaseModel):
    """The object (json) of an evaluation's settings; part of the key under which results are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    format: Literal[1] = 1
    backend: str = "hf"
    """lm-eval's name of the model class: `hf`, `vllm`, `local-completions`, …"""
    backend_args: dict[str, str] = Field(default_factory=dict)
    """Handed to it as they are (tensor_parallel_size, …); never paths."""
    url: str | None = None
    """Of a server that speaks the OpenAI protocol."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    device: str = "cpu"
    """`cpu` or `cuda`: scores of the two are not compared."""
    seed: Annotated[int, Field(ge=0)] = 0
    chat_template: bool = True
    """Whether prompts are put into the model's chat template, where it has one."""
    system: str | None = None
    """A system prompt before every item (prompt baseline)."""
    shots: Annotated[int, Field(ge=0, le=100)] | None = None
    """Few-shot examples before every item; None: as each task says."""
    max_length: Annotated[int, Field(ge=1)] | None = None
    """Tokens; None: the model's own context."""

    def digest(self) -> str:
        """SHA-256 (hex) of its canonical JSON."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()
