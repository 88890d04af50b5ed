"""Runs the scripts of `trainers/` inside the test's process, and reads what they leave behind."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import gate
from gate.training import tokens
from gate.training.events import Event, read_events
from gate.training.model import load_tokenizer
from gate.training.recipe import SCRIPTS
from gate.training.rows import training_rows
from gate.training.run_file import Run
from gate.training.tokens import Tokens

TRAINERS = Path(__file__).parents[2] / "trainers"


@cache
def script(name: str) -> ModuleType:
    """A script of `trainers/` as a module."""
    spec = importlib.util.spec_from_file_location(f"trainers_{name}", TRAINERS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Finished:
    """What a run left behind."""

    run: Run
    events: list[Event]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all events of a kind."""
        return [event.fields for event in self.events if event.kind == kind]

    def curve(self, name: str, kind: str = "step") -> list[float]:
        """A figure over the run."""
        return [fields[name] for fields in self.of(kind) if fields.get(name) is not None]

    @property
    def logged(self) -> list[dict[str, float]]:
        """What the trainer itself wrote down, of the last checkpoint."""
        last = max(self.run.checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
        return list(json.loads((last / "trainer_state.json").read_text())["log_history"])

    def figures(self, name: str) -> list[float]:
        return [each[name] for each in self.logged if name in each]

    @property
    def accounting(self) -> dict[str, Any]:
        return dict(json.loads((self.run.place / "accounting.json").read_text()))


def tokens_of(run: Run) -> Tokens:
    """What a run's script reads."""
    opened = [(use, gate.open_snapshot(use.snapshot, store=run.store, trust=run.trust)) for use in run.snapshots]
    makers = {"sft": tokens.chat_tokens, "pretrain": tokens.text_tokens, "rloo": tokens.prompt_tokens}
    return makers[run.recipe.objective](training_rows(run, opened), load_tokenizer(run), run)


def train(run: Run) -> Finished:
    """Run the script of a run's objective to its end."""
    import torch
    from accelerate.state import AcceleratorState

    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)  # as in a process of its own
    script(SCRIPTS[run.recipe.objective]).main(str(run.write()))
    return Finished(run, read_events(run.place)[0])
