"""What came of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gate.provenance.statements import Release, Statement
from gate.training.release import Compared, Made
from gate.training.release_sources import Source


@dataclass(frozen=True, slots=True)
class Released:
    """A form, where it lies, and the statement that stands for it."""

    folder: Path
    statement: Statement
    release: Release
    sources: tuple[Source, ...]
    made: Made
    compared: Compared
    notes: tuple[str, ...]
    """What a person should know of it, sentences without their full stops."""

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(each.bytes for each in self.release.outputs.values())
