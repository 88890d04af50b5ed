"""The logits of a model on fixed prompts, kept in a file, and how those of a form differ from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import InputError
from gate.training.release import Compared, Job

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

LONGEST = 48
"""Tokens of a prompt: logits of 20 such prompts over a vocabulary of 128,000 are 0.5 GB."""

INFINITE = 3.0e38
"""Stands for infinity, which JSON does not have."""

Forward = Callable[["torch.Tensor"], "torch.Tensor"]
"""Token ids (1 x length) to logits (length x vocabulary; for a classifier 1 x classes), float32."""


def token_ids(job: Job, tokenizer: PreTrainedTokenizerBase) -> list[list[int]]:
    """The prompts as ids: as plain text, and every other one through the chat template where there is one."""
    made = []
    for at, text in enumerate(job.prompts):
        if tokenizer.chat_template and at % 2:
            message = [{"role": "user", "content": text}]
            ids = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
        else:
            ids = tokenizer(text)["input_ids"]
        made.append([int(each) for each in ids][:LONGEST])
    made = [ids for ids in made if ids]
    if not made:
        raise InputError("the tokenizer makes no token of any prompt", where=job.ingredients[0].folder)
    return made


def of_model(model: torch.nn.Module) -> Forward:
    """The forward pass of a transformers or peft model."""
    import torch

    def forward(ids: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        return logits.reshape(-1, logits.shape[-1]).float()

    return forward


def keep(path: Path, ids: list[list[int]], forward: Forward) -> float:
    """Write the logits of every prompt, with its ids; returns the largest, absolute.

    Raises:
        InputError: a logit is NaN or infinite: the candidate is broken.
    """
    import torch
    from safetensors.torch import save_file

    tensors, largest = {}, 0.0
    for at, row in enumerate(ids):
        own = torch.tensor([row])
        logits = forward(own)
        if not torch.isfinite(logits).all():
            raise InputError("the candidate's logits are not all finite: it is broken", remedy="train it anew")
        tensors[f"ids-{at:03}"], tensors[f"logits-{at:03}"] = own, logits.contiguous()
        largest = max(largest, float(logits.abs().max()))
    save_file(tensors, path)
    return largest


def kept(path: Path) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and logits of each prompt, as `keep` wrote them."""
    from safetensors import safe_open

    with safe_open(path, "pt") as tensors:
        for name in sorted(tensors.keys()):
            if name.startswith("ids-"):
                yield tensors.get_tensor(name), tensors.get_tensor(name.replace("ids-", "logits-"))


def compare(path: Path, forward: Forward, allowed: float) -> Compared:
    """How far a form's logits are from those that were kept. A logit that is NaN or infinite is infinitely far."""
    import torch

    difference, agreed, divergence, positions, prompts = 0.0, 0, 0.0, 0, 0
    squares, logits = 0.0, 0
    for ids, wanted in kept(path):
        found = forward(ids)
        same = found.shape == wanted.shape and bool(torch.isfinite(found).all())
        difference = max(difference, float((found - wanted).abs().max()) if same else float("inf"))
        prompts, positions, logits = prompts + 1, positions + len(wanted), logits + wanted.numel()
        squares += float((found - wanted).double().square().sum()) if same else float("inf")
        if same:
            agreed += int((found.argmax(-1) == wanted.argmax(-1)).sum())
            before, after = torch.log_softmax(wanted.double(), -1), torch.log_softmax(found.double(), -1)
            divergence += float((before.exp() * (before - after)).sum())
    return Compared(
        difference=min(difference, INFINITE),
        tolerance=allowed,
        agreement=agreed / max(1, positions),
        divergence=max(0.0, divergence / max(1, positions)),
        prompts=prompts,
        positions=positions,
        distance=min((squares / max(1, logits)) ** 0.5, INFINITE),
    )
