"""What the forward pass keeps for the backward pass, in bytes a token and layer.

In the manner of Korthikanti et al. 2022 ("Reducing activation recomputation in large transformer models", sec. 4.1),
who count what each operation of a GPT layer keeps; counted anew here for what transformers runs today: SDPA attention
(which keeps its inputs and its output, and no matrix of length x length), RMSNorm written in PyTorch, gated
feed-forward parts, grouped keys and values, and LoRA beside frozen matrices. Each count was read off the tensors alive
at the beginning of the backward pass (tests/training/test_plan_memory.py does so again).
"""

from __future__ import annotations

from dataclasses import dataclass

from gate.training.plan_shape import Linear, Shape
from gate.training.recipe import LORA_FAMILY, Recipe

FLOAT = 4
_MASK = {"cpu": FLOAT, "gpu": 1}
"""Bytes of an element of a dropout's mask: PyTorch keeps floats on a CPU, and bytes in its kernels for GPUs."""


@dataclass(frozen=True, slots=True)
class Pass:
    """How a forward pass is computed."""

    compute: int
    """Bytes of a number: 2 under bf16 and fp16, else 4."""
    mixed: bool
    """Whether fp32 weights are cast for each operation (autocast); frozen ones are kept in the type they compute in."""
    trains_all: bool
    """Whether the base's own weights learn."""
    device: str
    """`cpu` or `gpu`."""
    length: int
    """Tokens of the longest example in a batch."""
    padded: bool
    """Whether a batch has examples of different lengths, and so a mask of length x length."""

    @property
    def stream(self) -> int:
        """Bytes of a number of the residual stream."""
        return FLOAT if self.mixed else self.compute


def layer_bytes(shape: Shape, recipe: Recipe, how: Pass) -> int:
    """Bytes a token that one layer keeps."""
    targets = shape.targeted(recipe) if recipe.method in LORA_FAMILY else ()
    kept = _norms(shape, how) + _inputs(shape, recipe, targets, how) + _attention(shape, how)
    kept += _feed_forward(shape, how) + _method(shape, recipe, targets, how)
    if shape.dropout:
        mask = _MASK[how.device]
        kept += 2 * shape.facts.hidden * mask
        if how.device == "cpu":  # no kernel there drops inside SDPA: scores, mask and what is left are kept
            kept += shape.facts.heads * how.length * (2 * how.compute + mask)
    return kept


def first_layer_bytes(shape: Shape, recipe: Recipe, how: Pass) -> int:
    """Bytes a token that the first layer keeps less than the others, under a frozen base: its input is the embedding,
    which needs no gradient, so neither its norm's input nor the masks of what reads it are kept."""
    if how.trains_all or recipe.method not in LORA_FAMILY:
        return 0
    masks = [each.inputs for each in shape.targeted(recipe) if each.reads == "attention"] if recipe.dropout else []
    return shape.facts.hidden * _norm(shape, how) + _MASK[how.device] * sum(masks)


def outer_bytes(shape: Shape, how: Pass) -> int:
    """Bytes a token that is kept outside of the layers: by the last norm, and what the head reads."""
    norm = _norm(shape, how)
    return shape.facts.hidden * (norm + how.compute)


def checkpoint_bytes(shape: Shape, how: Pass) -> int:
    """Bytes a token that a layer keeps where activations are recomputed: its input."""
    return shape.facts.hidden * how.stream


def _norm(shape: Shape, how: Pass) -> int:
    """Bytes an element that a norm keeps, its output not counted: its input in fp32, and under a weight that learns
    what is multiplied with it."""
    if not shape.rms:
        return how.stream
    return FLOAT + (how.stream if how.trains_all else 0)


def _norms(shape: Shape, how: Pass) -> int:
    return shape.norms * shape.facts.hidden * _norm(shape, how)


def _inputs(shape: Shape, recipe: Recipe, targets: tuple[Linear, ...], how: Pass) -> int:
    """What matrices that learn keep of what they read: the heads' output is counted with the attention."""
    if how.trains_all and not how.mixed:
        widths = {each.reads: each.inputs for each in shape.linears if each.reads != "heads"}
        return how.compute * sum(widths.values())
    if how.trains_all:  # autocast casts for every matrix anew; what is computed in 16 bits already is shared
        cast = sum(each.inputs for each in shape.linears if each.reads in ("attention", "forward"))
        inner = {each.reads: each.inputs for each in shape.linears if each.reads == "inner"}
        return how.compute * (cast + sum(inner.values()))
    if not targets:
        return 0
    rank = how.compute * recipe.rank * len(targets)
    if recipe.dropout:  # each adapter drops by itself
        return rank + sum(each.inputs for each in targets) * (how.compute + _MASK[how.device])
    if how.compute < FLOAT:  # adapters are fp32: their input is cast for each of them
        return rank + how.compute * sum(each.inputs for each in targets)
    widths = {each.reads: each.inputs for each in targets if each.reads != "heads"}
    return rank + how.compute * sum(widths.values())


def _attention(shape: Shape, how: Pass) -> int:
    """Queries, keys and values as SDPA reads them, its output, and a number a head."""
    key = shape.key if not (how.padded and shape.facts.kv_heads < shape.facts.heads) else shape.query
    kept = how.compute * (2 * shape.query + 2 * key) + FLOAT * shape.facts.heads
    if shape.normed_heads:
        kept += (shape.query + shape.key) * _norm(shape, how)
    if how.padded:  # the mask as numbers, for every layer anew
        kept += how.compute * how.length
    return kept


def _feed_forward(shape: Shape, how: Pass) -> int:
    """The inner activations, without what the last matrix reads."""
    inner, used = shape.facts.intermediate, shape.facts.experts_used
    tensors = 2 + shape.composed if shape.facts.gated else shape.composed
    return how.compute * inner * used * tensors


def _method(shape: Shape, recipe: Recipe, targets: tuple[Linear, ...], how: Pass) -> int:
    """What a method keeps beside."""
    if recipe.method == "dora":  # both summands are scaled by a magnitude that learns
        return 2 * how.compute * sum(each.outputs for each in targets)
    if recipe.method == "prefix":  # its keys and values stand before those of the tokens
        return 2 * how.compute * shape.query * recipe.virtual_tokens // how.length
    if recipe.method == "ia3":  # what is scaled by a vector that learns
        scaled = [each.inputs if each.role == "down" else each.outputs for each in shape.targeted(recipe)]
        return how.compute * sum(scaled)
    if recipe.method == "adapter":
        return 2 * how.compute * (shape.facts.hidden + recipe.bottleneck)
    return 0
