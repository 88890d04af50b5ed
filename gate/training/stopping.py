"""Why training ends before its last step: a loss that is no number, a signal; and how its end is told."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from gate.errors import GateError
from gate.training.callback import Callback
from gate.training.device_use import Clock, memory_peak
from gate.training.events import Events
from gate.training.sign_rules import SignRules

if TYPE_CHECKING:
    from torch import Tensor

    from gate.training.callback import Arguments, Control, State


class Diverged(GateError):
    """The loss or the gradient is no number: the run failed on its merits."""

    exit_code = 1


class Ending:
    """Why a run ends, and how that is told."""

    def __init__(self, events: Events) -> None:
        self.events, self.clock = events, Clock()
        self.reason: str | None = None
        """None while nothing but its last step ends it."""

    def tell(self, state: State, reason: str | None = None) -> None:
        """Write the `end` event."""
        _, device = self.clock.used()
        best = state.best_metric
        self.events.say(
            "end",
            reason=reason or self.reason or "finished",
            step=state.global_step,
            best_step=state.best_global_step,
            best_loss=None if best is None else float(best),
            seconds=round(self.clock.seconds, 3),
            tokens=int(state.num_input_tokens_seen or 0),
            peak_memory=memory_peak(),
            device=device,
        )


def diverged(ending: Ending, state: State, step: int, message: str, remedy: str | None = None) -> Diverged:
    """Tell of a value that is no number, and make the error of it."""
    remedy = remedy or "a lower learning rate, gradient clipping (`clip`), or a longer warm-up"
    ending.events.say("finding", code="not_finite", step=step, message=message, remedy=remedy, severity="error")
    ending.tell(state, "nan")
    kept = f"; the weights of step {state.best_global_step} were the best" if state.best_global_step else ""
    return Diverged(f"step {step:,}: {message}: training is stopped{kept}", remedy=remedy)


class Finite(Callback):
    """Stops a run before a step whose loss or gradient is no number, so that no weight is lost to it.

    Under fp16 an infinite gradient is usual: the step is left out and the scale halved. Many in a row are not.
    """

    def __init__(self, ending: Ending, rules: SignRules) -> None:
        self._ending, self._rule = ending, rules.not_finite
        self.scaled = False
        """Whether gradients are scaled (fp16)."""
        self._loss: Tensor | None = None
        self._skipped = 0

    def loss(self, loss: Tensor) -> None:
        """A loss of this step, or of a part of it. It is looked at once a step: a look has the device wait."""
        self._loss = loss if self._loss is None else self._loss + loss

    def on_pre_optimizer_step(
        self, args: Arguments, state: State, control: Control, model: Any = None, **more: Any
    ) -> None:
        import torch

        gradients = [each.grad for each in model.parameters() if each.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())
        loss, self._loss = self._loss, None
        step = state.global_step + 1
        if loss is not None and not loss.isfinite():
            raise diverged(self._ending, state, step, f"the training loss is {float(loss)}", self._rule.remedy)
        if norm.isfinite():
            self._skipped = 0
            return
        self._skipped += 1
        if not self.scaled or self._skipped >= self._rule.skipped:
            often = f" at {self._skipped} steps in a row" if self.scaled else ""
            raise diverged(self._ending, state, step, f"the gradient's norm is {float(norm)}{often}", self._rule.remedy)


class Interruption(Callback):
    """On SIGTERM (or Ctrl-C) the step is finished, a checkpoint written, and training ended."""

    def __init__(self, ending: Ending) -> None:
        self._ending, self._told = ending, False
        self._before: dict[int, Any] = {}  # handlers, as `signal` has them

    def on_train_begin(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before.setdefault(number, signal.signal(number, self._note))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._told = True

    def on_step_end(self, args: Arguments, state: State, control: Control, **more: Any) -> None:
        if self._agreed() and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True
            self._ending.reason = "interrupted"

    def _agreed(self) -> bool:
        """Whether any process was told: all of them have to stop at the same step."""
        if os.environ.get("WORLD_SIZE", "1") == "1":
            return self._told
        import torch
        from accelerate import PartialState

        told = torch.tensor(float(self._told), device=PartialState().device)
        torch.distributed.all_reduce(told)
        return bool(told)

    def close(self) -> None:
        """Leave signals as they were."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
