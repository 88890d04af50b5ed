"""A callback of transformers' Trainer, without importing transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    Arguments, State, Control = TrainingArguments, TrainerState, TrainerControl


class Callback:
    """Passes over every event that a subclass has no method for; the Trainer calls all of them by name."""

    def __getattr__(self, name: str) -> Any:  # a method that takes anything
        if name.startswith("on_"):
            return _passed_over
        raise AttributeError(name)


def _passed_over(*arguments: object, **more: object) -> None:
    return None
