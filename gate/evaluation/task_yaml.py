"""A YAML of a suite's folder, as it was read: what it says, and where it says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gate.policy.invalid import place_of
from gate.policy.model import Place


@dataclass(frozen=True, slots=True)
class TaskYaml:
    """What a YAML says, `include`s followed."""

    name: str
    """Of the file, as a person should see it."""
    path: Path
    values: Mapping[str, Any]
    places: Mapping[str, Place]

    def where(self, key: str) -> str:
        """Where a key was written, or the file."""
        return str(place_of(key, self.places) or self.name)
