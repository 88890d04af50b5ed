"""The parts of a base that its memory is reckoned from: its linear layers, norms, and what its activation keeps.

All of it follows from config.json; architectures that the table does not know are taken for a Llama of their size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gate.training.base_facts import LARGEST_CONFIG, BaseFacts, base_facts
from gate.training.recipe import Recipe
from gate.training.weights import read_json

_FUSED_ATTENTION = frozenset(
    ["gpt2", "gpt_neox", "gpt_bigcode", "falcon", "mpt", "bloom", "phi3", "codegen", "persimmon", "chatglm"]
)
"""Architectures that make queries, keys and values with one matrix."""
_FUSED_GATE = frozenset(["phi3", "glm", "glm4", "chatglm"])
"""Architectures whose gate and up projections are one matrix."""
_NORMED_HEADS = frozenset(["qwen3", "qwen3_moe", "gemma3", "gemma3_text", "olmo2", "cohere2", "smollm3"])
"""Architectures that norm queries and keys."""
_COMPOSED = frozenset(("gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh_python"))
"""Activations that transformers composes of several operations, each of which keeps what it was given."""

Role = Literal["q", "k", "v", "qkv", "o", "gate", "up", "gate_up", "in", "down"]


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix of a layer."""

    role: Role
    inputs: int
    outputs: int
    reads: Literal["attention", "heads", "forward", "inner"]
    """What it reads: the normed input of the attention, the heads' output, the normed input of the feed-forward part,
    or its inner activations. Matrices that read the same share what is kept."""

    @property
    def size(self) -> int:
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True)
class Shape:
    """A base, as its memory sees it."""

    facts: BaseFacts
    linears: tuple[Linear, ...]
    """Of one layer; with several experts, those of the experts that see a token."""
    quantisable: int
    """Elements of all linear layers but the head: what NF4 and int8 make smaller."""
    rms: bool
    """Whether norms are RMSNorms written in PyTorch (which keep three tensors) or its native LayerNorm (which keeps
    two)."""
    norms: int
    """Of a layer."""
    normed_heads: bool
    composed: int
    """Tensors of the inner width that the activation keeps, its output not counted."""
    dropout: float
    """Of the base itself, on the residual stream and in the attention; most have none."""

    @property
    def query(self) -> int:
        """Width of the queries of all heads."""
        return self.facts.heads * self.facts.head_dim

    @property
    def key(self) -> int:
        """Width of the keys of all heads, and of the values."""
        return self.facts.kv_heads * self.facts.head_dim

    def targeted(self, recipe: Recipe) -> tuple[Linear, ...]:
        """The matrices of a layer that the recipe's LoRA (or IA3) changes."""
        if recipe.targets == "all-linear":
            return self.linears
        if isinstance(recipe.targets, list):
            named = {each.rsplit(".", 1)[-1].removesuffix("_proj") for each in recipe.targets}
            return tuple(each for each in self.linears if each.role in named) or self.linears
        wanted = {"q", "v", "qkv"} if recipe.targets == "qv" else {"q", "k", "v", "qkv", "o"}
        return tuple(each for each in self.linears if each.role in wanted)


def shape_of(folder: Path) -> Shape:
    """The shape of a model's folder.

    Raises:
        InputError: as `gate.training.base_facts.base_facts`.
    """
    facts = base_facts(folder)
    return shaped(facts, read_json(folder / "config.json", LARGEST_CONFIG))


def shaped(facts: BaseFacts, config: Mapping[str, object]) -> Shape:
    """The same, of facts and a configuration that were read already."""
    kind = facts.model_type
    hidden, inner = facts.hidden, facts.intermediate
    query, key = facts.heads * facts.head_dim, facts.kv_heads * facts.head_dim
    fused = kind in _FUSED_ATTENTION
    attention = (
        [Linear("qkv", hidden, query + 2 * key, "attention")]
        if fused
        else [
            Linear("q", hidden, query, "attention"),
            Linear("k", hidden, key, "attention"),
            Linear("v", hidden, key, "attention"),
        ]
    )
    attention.append(Linear("o", query, hidden, "heads"))
    if not facts.gated:
        forward = [Linear("in", hidden, inner, "forward")]
    elif kind in _FUSED_GATE:
        forward = [Linear("gate_up", hidden, 2 * inner, "forward")]
    else:
        forward = [Linear("gate", hidden, inner, "forward"), Linear("up", hidden, inner, "forward")]
    forward.append(Linear("down", inner, hidden, "inner"))
    act = str(config.get("hidden_act") or config.get("hidden_activation") or config.get("activation_function") or "")
    if not act and not facts.gated:
        act = "gelu_new" if kind in ("gpt2", "gptj", "gpt_neo", "codegen") else "gelu"
    dropout = [config.get(name, 0.1 if kind == "gpt2" else 0.0) for name in ("resid_pdrop", "attn_pdrop")]
    return Shape(
        facts=facts,
        linears=(*attention, *forward * facts.experts_used),
        quantisable=facts.layers
        * (sum(each.size for each in attention) + facts.experts * sum(each.size for each in forward)),
        rms=facts.gated or kind == "nemotron",
        norms=4 if kind in ("gemma2", "gemma3", "gemma3_text") else 2,
        normed_heads=kind in _NORMED_HEADS,
        composed=4 if act in _COMPOSED else 0 if act in ("relu", "relu2") else 1,
        dropout=max([0.0, *(each for each in dropout if isinstance(each, float))]),
    )
