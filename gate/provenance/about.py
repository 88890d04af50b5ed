"""What every kind of statement says: what it is of, and what it rests on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256, hex."""
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
"""UTC, RFC 3339 with microseconds, so that text order is the order of time."""
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Count = Annotated[int, Field(ge=0)]


class About(BaseModel, ABC):
    """What a statement says. `subjects` are the digests that in-toto's subject lists."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: ClassVar[str]

    @abstractmethod
    def subjects(self) -> dict[str, str]:
        """What it is said of: names and SHA-256 digests."""

    def parents(self) -> list[str]:
        """The statements that it rests on."""
        return []
