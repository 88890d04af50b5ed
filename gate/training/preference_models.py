"""The models beside the one that is trained: the reference that it is held to, and the one that judges its answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import UsageError
from gate.training.run_file import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def reference(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, run: Run
) -> dict[str, PreTrainedModel | None]:
    """Arguments of a trainer that holds the model to a reference: none where the model with its adapter off is the
    base, or where the objective has no reference; else a second copy of the base."""
    from gate.training.model import load_model

    if run.recipe.objective == "orpo":
        return {}
    own = hasattr(model, "peft_config")
    return {"ref_model": None if own else load_model(run, tokenizer).eval().requires_grad_(False)}


def reward_of(run: Run, tokenizer: PreTrainedTokenizerBase) -> Callable[..., list[float]]:
    """A function that scores answers, as trl's trainers call it: (prompts, completion_ids: token ids; …) -> scores.

    Raises:
        UsageError: the recipe names no reward model, or one that is none or reads other tokens.
    """
    import torch
    from transformers import AutoModelForSequenceClassification

    if run.recipe.reward_model is None:
        raise UsageError("the recipe names no reward model", remedy="--set reward_model=FOLDER, as `reward` trains it")
    folder = Path(run.recipe.reward_model)
    judge = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, use_safetensors=True).eval()

    @torch.no_grad()
    def reward(prompts: list[list[int]], completion_ids: list[list[int]], **_: object) -> list[float]:
        rows = [torch.tensor(prompt + answer) for prompt, answer in zip(prompts, completion_ids, strict=True)]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=tokenizer.pad_token_id)
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
        scores = judge(input_ids=ids.to(judge.device), attention_mask=mask.to(judge.device)).logits[:, 0]
        return [float(score) for score in scores]

    return reward
