"""Which model is scored: found by what a person calls it, its files hashed and held against what was sealed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.training.run_file import BaseModelUse

Form = Literal["base", "adapter", "full", "merged", "remote"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that may be scored, verified."""

    name: str
    """As people call it: a run, a folder, a URL."""
    form: Form
    model: str
    """gate.training.model_files.model_digest of its files."""
    folder: Path | None = None
    """With its files; None: behind a URL."""
    base: str | None = None
    """model_digest of the base that it was trained from; None: it is one."""
    base_use: BaseModelUse | None = None
    """The base's files, checked: for an adapter, and for a base itself."""
    training: str | None = None
    """Digest of the training statement; None: of a base."""

    @property
    def beneath(self) -> str | None:
        """The base that its scores follow from, beside its own files: an adapter's."""
        return self.base if self.form == "adapter" else None
