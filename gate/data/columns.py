"""A user's own names for the columns of a dataset, as `columns:` in a policy or in `gate.yaml` gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column of a source holds what. Every name may be a dotted path into nested objects.

    A file that has none of the named columns is recognised as usual; a row that lacks one that its file
    has elsewhere is malformed.
    """

    system: str | None = None
    """A system message put in front."""
    prompt: str | None = None
    """What the user says; also the shared prompt of a preference."""
    input: str | None = None
    """Further input, appended to the prompt after a blank line when it is not empty."""
    response: str | None = None
    """What the assistant answers (with `label`: the completion under feedback)."""
    messages: str | None = None
    """A list of turns; `role`, `content` and `roles` say how a turn is written."""
    role: str = "role"
    content: str = "content"
    roles: Mapping[str, str] = field(default_factory=dict)
    """The source's role names to system, user, assistant, tool."""
    chosen: str | None = None
    rejected: str | None = None
    label: str | None = None
    text: str | None = None
    """Plain text for continued pre-training."""
    tools: str | None = None
    split: str | None = None
