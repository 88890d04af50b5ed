"""Tiny bases of several architectures, with random weights and the tokenizer of examples/tiny_base.py."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from examples.tiny_base import make_tokenizer
from gate.training.base_files import check_base
from gate.training.run_file import BaseModelUse, Run, SnapshotUse
from tests.training.made import recipe

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

TEXTS = ["What is 3 plus 4?", "What is the capital of France? Paris", "up and down", "What is 19 plus 19? 38"]


def configs() -> dict[str, PreTrainedConfig]:
    """One of each way to be built: names of layers, fused matrices, Conv1D, shared keys, wide heads, soft caps."""
    from transformers import FalconConfig, Gemma2Config, GPT2Config, GPTNeoXConfig, PhiConfig, Qwen3Config

    usual = {"vocab_size": 1024, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    ends = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}
    inner = {**usual, **ends, "intermediate_size": 64, "max_position_embeddings": 128}
    shared = {**inner, "num_key_value_heads": 2, "head_dim": 16}
    return {
        "gpt2": GPT2Config(vocab_size=1024, n_embd=32, n_layer=3, n_head=4, n_positions=128, **ends),
        "qwen3": Qwen3Config(**shared, tie_word_embeddings=False),
        "gemma2": Gemma2Config(**shared, query_pre_attn_scalar=16, sliding_window=16),
        "gpt_neox": GPTNeoXConfig(**inner),
        "falcon": FalconConfig(**usual, **ends, new_decoder_architecture=False, multi_query=True, alibi=False),
        "phi": PhiConfig(**inner),
    }


ARCHITECTURES = ("gpt2", "qwen3", "gemma2", "gpt_neox", "falcon", "phi")


def make_model(architecture: str, folder: Path) -> Path:
    """Write a tiny random model of an architecture to a folder."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(configs()[architecture]).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def run_on(base: Path, folder: Path, **keys: object) -> Run:
    """A run on a base that is checked first, without data."""
    return run_of_base(check_base(str(base)), folder, **keys)


def run_of_base(base: BaseModelUse, folder: Path, **keys: object) -> Run:
    """A run on a base that was checked, without data."""
    folder.mkdir(parents=True, exist_ok=True)
    return Run(
        name="run",
        folder=str(folder),
        store=str(folder),
        snapshots=[SnapshotUse(snapshot="0" * 64, name="none", statement="1" * 64, role="train")],
        base=base,
        recipe=recipe(**keys),
    )


def batch(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str] = TEXTS) -> dict[str, torch.Tensor]:
    """Texts as token ids and their mask (shape: texts x longest)."""
    made = tokenizer(list(texts), return_tensors="pt", padding=True)
    return {"input_ids": made["input_ids"], "attention_mask": made["attention_mask"]}


def logits_of(model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a model says, without dropout; over the tokens only, where it puts vectors before them."""
    import torch

    model.eval()
    with torch.no_grad():
        said: torch.Tensor = model(**inputs).logits
    return said[:, -inputs["input_ids"].shape[1] :] if said.ndim == 3 else said


def train(model: nn.Module, run: Run, inputs: dict[str, torch.Tensor], steps: int = 3) -> list[float]:
    """Some steps of AdamW on the groups of `parameter_groups`; the losses."""
    import torch

    from gate.training.methods import parameter_groups

    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    optimiser = torch.optim.AdamW(parameter_groups(model, run))
    model.train()
    losses = []
    for _ in range(steps):
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return losses
