"""The end of a trainer's script: the best checkpoint becomes the candidate, and the books are closed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gate.training.events import Events
from gate.training.run_file import Run

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase, Trainer

    from gate.training.accounting import Account


def finish(run: Run, trainer: Trainer, tokenizer: PreTrainedTokenizerBase, account: Account, events: Events) -> None:
    """Write `candidate/` from the model as the trainer left it (the best checkpoint, which it loads at the end), close
    the row accounting, and say how training ended."""
    from gate.training.saving import save_candidate

    state = trainer.state
    account.after_training(run, state)
    weights = _gathered(trainer)
    if os.environ.get("RANK", "0") == "0":
        save_candidate(trainer.accelerator.unwrap_model(trainer.model), tokenizer, run, state=weights)
    events.say("stage", name="saved", device=_device(trainer))


def _gathered(trainer: Trainer) -> dict[str, Tensor] | None:
    """All weights, where devices share them among one another (every process has to ask); None where each has all."""
    sharded = trainer.is_fsdp_enabled or (
        trainer.is_deepspeed_enabled and trainer.accelerator.state.deepspeed_plugin.zero_stage == 3
    )
    return trainer.accelerator.get_state_dict(trainer.model_wrapped) if sharded else None


def _device(trainer: Trainer) -> str:
    """What it trained on, such as `cpu` or `2 x NVIDIA A100-SXM4-80GB`: for the record."""
    device = trainer.args.device
    name = device.type
    if name == "cuda":
        import torch

        name = torch.cuda.get_device_name(device)
    return name if trainer.args.world_size == 1 else f"{trainer.args.world_size} x {name}"
