"""What the suites that judge a model ask, so that nothing that steers training asks the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gate.evaluation.conversations import MESSAGES, conversation
from gate.evaluation.task import Suite
from gate.training.retention import item_digest


def gating_digests(suites: Iterable[Suite]) -> set[str]:
    """`item_digest`s of all that suites ask: every text of an item, since a question mostly stands in a prompt with
    more around it, and what a user says in a conversation."""
    found: set[str] = set()
    for suite in suites:
        for task in suite.tasks:
            for document in task.documents:
                found |= {item_digest(text) for text in _asked(document)}
    return found


def _asked(document: Mapping[str, Any]) -> Iterable[str]:
    for name, value in document.items():
        if name == MESSAGES and isinstance(value, str):
            yield from (each["content"] for each in conversation(document).messages if each["role"] == "user")
        elif isinstance(value, str):
            yield value
