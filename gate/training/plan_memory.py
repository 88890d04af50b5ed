"""How much memory training takes on one device: by part, at the moments when it is highest.

Tensor bytes, as `gate.training` measures them: the libraries, the device's driver and fragments of its allocator come
on top (`headroom` in rules/plan.yaml). Parts are never all at their largest at once: activations are let go while
gradients come. So each moment has its own sum, and the highest is what a device must hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gate.training.plan_activations import FLOAT, Pass, checkpoint_bytes, first_layer_bytes, layer_bytes, outer_bytes
from gate.training.plan_shape import Shape
from gate.training.recipe import LORA_FAMILY, Recipe

Device = Literal["gpu", "cpu"]

# The head of trl's trainers, which works in tiles (trl.kernels.chunked_logprob, trl.trainer.utils of trl 1.16).
_TILE_TOKENS, _TILE_WORDS = 4096, 32768
_TILE_COPIES = 7.25
"""On a CPU: tensors of a tile's size alive at once while its gradient is made (two products, two differences, an
exponential, its gradient, the targets, and as many bytes to compare with)."""
_WHOLE_COPIES = 3
"""Tensors of tokens x vocabulary where logits are whole: the logits, their logarithms and the gradient, in fp32."""
_NF4_BLOCK, _ABSMAX_BLOCK = 64, 256
"""Weights that share a constant, and constants that share one (Dettmers et al. 2023, sec. 3)."""
_STATE_BLOCK = 256
"""Numbers of 8-bit AdamW's state that share a constant (Dettmers et al. 2022, "8-bit optimizers"; bitsandbytes)."""

PARTS = (
    "weights", "quantisation constants", "reference", "gradients", "optimiser", "activations", "logits", "KV cache",
    "temporary",
)  # fmt: skip
"""What memory is for, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What is alive at once."""

    name: str
    """`backward`: the backward pass begins; `recompute`: it has come to the first layer that is computed again;
    `update`: the optimiser changes the weights; `answering`: samples are generated."""
    parts: Mapping[str, int]
    """Bytes by part; those of none are left out."""

    @property
    def total(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True, slots=True)
class Memory:
    """What training takes with one recipe."""

    recipe: Recipe
    length: int
    device: Device
    trainable: int
    """Parameters that learn."""
    moments: tuple[Moment, ...]

    @property
    def peak(self) -> Moment:
        """The highest moment."""
        return max(self.moments, key=lambda each: each.total)

    @property
    def total(self) -> int:
        """Bytes that the device must hold at once."""
        return self.peak.total

    @property
    def largest(self) -> dict[str, int]:
        """Each part at its own largest. Their sum is more than is ever alive at once: it is what guides add up."""
        return {
            part: max(each.parts.get(part, 0) for each in self.moments)
            for part in PARTS
            if any(each.parts.get(part) for each in self.moments)
        }


def memory(shape: Shape, recipe: Recipe, length: int, device: Device = "gpu", *, padded: bool = True) -> Memory:
    """What training takes.

    Args:
        recipe: `precision: auto` is bf16 on a GPU and fp32 on a CPU; `max_length` is not looked at.
        length: tokens of the longest example in a batch.
        padded: whether batches have examples of different lengths.
    """
    facts = shape.facts
    full = recipe.method == "full"
    compute = 2 if recipe.precision in ("bf16", "fp16") or (recipe.precision == "auto" and device == "gpu") else FLOAT
    # Weights that learn are kept in fp32 and cast for each operation; a frozen base has the type it computes in.
    mixed = compute < FLOAT and recipe.method in ("full", "head")
    read = length + (recipe.virtual_tokens if recipe.method == "ptuning" else 0)  # they stand before the tokens
    # Keys that a prefix brings make a mask necessary, whatever the lengths.
    how = Pass(compute, mixed, full, device, read, (padded and not recipe.packing) or recipe.method == "prefix")
    learned = trainable(shape, recipe)
    weights, constants = _weights(shape, recipe, compute, learned)
    gradients = FLOAT * learned
    held = {
        "weights": weights,
        "quantisation constants": constants,
        "reference": _reference(shape, recipe, compute, learned),
        "optimiser": _optimiser(recipe, learned),
    }
    tokens = recipe.device_batch * read * (2 if recipe.objective in ("dpo", "orpo", "reward") else 1)
    head_learns = full and _reads_words(recipe)
    head = FLOAT * facts.vocabulary * facts.hidden if head_learns else 0
    kept = gradients if recipe.batch > recipe.device_batch else 0
    outer = tokens * outer_bytes(shape, how)
    layer = 0 if recipe.method == "head" else tokens * layer_bytes(shape, recipe, how)
    # Micikevicius et al. 2018, sec. 3.1: an fp32 weight has a 16-bit copy while it computes; autocast keeps them all.
    casts = {"weights": weights + facts.parameters * compute} if mixed else {}
    moments = []
    if recipe.checkpoint_activations:
        inputs = facts.layers * tokens * checkpoint_bytes(shape, how)
        moments.append(_moment("recompute", held, gradients=kept + head, activations=inputs + layer))
        activations = inputs + outer
    else:
        activations = facts.layers * layer + outer - tokens * first_layer_bytes(shape, recipe, how)
    if recipe.method == "head":
        activations = 0
    logits = _logits(shape, recipe, tokens, compute, device)
    moments.append(
        _moment(
            "backward", held | casts, gradients=kept + head, activations=activations, logits=logits,
            temporary=_unpacked(shape, recipe, compute),
        )
    )  # fmt: skip
    # A tied embedding's gradient comes in two halves, which are alive together with their sum.
    moments.append(_moment("update", held, gradients=gradients, temporary=2 * head if facts.tied else 0))
    if recipe.samples and _reads_words(recipe):
        heads = recipe.device_batch * recipe.generations if recipe.objective in ("rloo", "grpo") else 1
        cache = 2 * facts.layers * shape.key * compute * (length + recipe.max_new_tokens) * heads
        moments.append(_moment("answering", held, **{"KV cache": cache}))
    return Memory(recipe, length, device, learned, tuple(moments))


def trainable(shape: Shape, recipe: Recipe) -> int:
    """How many parameters learn."""
    facts = shape.facts
    if recipe.method in LORA_FAMILY:
        targets = shape.targeted(recipe)
        magnitude = sum(each.outputs for each in targets) if recipe.method == "dora" else 0
        return _open_layers(shape, recipe) * (
            recipe.rank * sum(each.inputs + each.outputs for each in targets) + magnitude
        )
    if recipe.method == "prefix":
        return facts.layers * 2 * recipe.virtual_tokens * shape.key
    if recipe.method == "ptuning":  # an embedding, and three matrices with biases (Liu et al. 2021)
        return recipe.virtual_tokens * facts.hidden + 3 * (facts.hidden + 1) * facts.hidden
    if recipe.method == "ia3":
        return _open_layers(shape, recipe) * sum(
            each.inputs if each.role == "down" else each.outputs for each in shape.targeted(recipe)
        )
    if recipe.method == "adapter":
        return facts.layers * (2 * facts.hidden * recipe.bottleneck + recipe.bottleneck + facts.hidden)
    if recipe.method == "head":
        return facts.hidden
    if recipe.freeze_layers == 0:
        return facts.parameters
    frozen = min(recipe.freeze_layers, facts.layers) * (shape.quantisable // facts.layers)
    return max(facts.parameters - frozen - facts.vocabulary * facts.hidden, 0)


def _open_layers(shape: Shape, recipe: Recipe) -> int:
    """Layers that are not frozen."""
    return max(shape.facts.layers - recipe.freeze_layers, 0)


def _moment(name: str, held: Mapping[str, int], **parts: int) -> Moment:
    found = {**held, **parts}
    return Moment(name, {part: found[part] for part in PARTS if found.get(part)})


def _reads_words(recipe: Recipe) -> bool:
    """Whether the head scores words (and not a class or a reward)."""
    return recipe.objective not in ("classify", "reward")


def _quantised(recipe: Recipe) -> str:
    return "nf4" if recipe.method == "qlora" and recipe.quantisation == "none" else recipe.quantisation


def _weights(shape: Shape, recipe: Recipe, compute: int, learned: int) -> tuple[int, int]:
    """Bytes of the weights, and of the constants that turn quantised ones back."""
    parameters, form = shape.facts.parameters, _quantised(recipe)
    added = 0 if recipe.method == "full" else FLOAT * learned
    if form == "none" or recipe.method not in LORA_FAMILY:
        stored = FLOAT if recipe.method in ("full", "head") else compute
        return parameters * stored + added, 0
    small, rest = shape.quantisable, max(parameters - shape.quantisable, 0)
    if form == "int8":
        return small + rest * compute + added, FLOAT * sum(each.outputs for each in shape.linears) * shape.facts.layers
    blocks = math.ceil(small / _NF4_BLOCK)
    doubly = blocks + FLOAT * math.ceil(blocks / _ABSMAX_BLOCK)
    return math.ceil(small / 2) + rest * compute + added, doubly if recipe.double_quantisation else FLOAT * blocks


def _optimiser(recipe: Recipe, learned: int) -> int:
    """AdamW keeps two moments of each weight (Kingma and Ba 2015); SGD without momentum keeps nothing."""
    if recipe.optimiser == "sgd":
        return 0
    if recipe.optimiser == "adamw_8bit":
        return 2 * (learned + FLOAT * math.ceil(learned / _STATE_BLOCK))
    return 2 * FLOAT * learned


def _reference(shape: Shape, recipe: Recipe, compute: int, learned: int) -> int:
    """What is kept to compare with: under an adapter the model with the adapter off is the reference."""
    full = recipe.method == "full"
    copies = full and (recipe.kl > 0 or recipe.objective in ("dpo", "kto"))
    kept = shape.facts.parameters * FLOAT if copies else 0
    kept += FLOAT * learned if full and (recipe.l2sp > 0 or recipe.ewc is not None) else 0
    return kept + (FLOAT * learned if recipe.ewc is not None else 0)


def _logits(shape: Shape, recipe: Recipe, tokens: int, compute: int, device: Device) -> int:
    """What the head and the loss hold while the backward pass begins."""
    if not _reads_words(recipe):
        return 0
    if recipe.objective == "orpo":  # the only one whose trainer makes all logits at once
        return tokens * shape.facts.vocabulary * (_WHOLE_COPIES * FLOAT + (compute if compute < FLOAT else 0))
    rows = min(tokens, _TILE_TOKENS)
    tile = rows * _TILE_WORDS * compute
    if device == "cpu":
        tile += math.ceil(rows * min(shape.facts.vocabulary, _TILE_WORDS) * FLOAT * _TILE_COPIES)
    return tile + tokens * shape.facts.hidden * FLOAT  # the gradient of what the head has read


def _unpacked(shape: Shape, recipe: Recipe, compute: int) -> int:
    """The largest quantised matrix, which is turned back while it computes."""
    if _quantised(recipe) == "none" or recipe.method not in LORA_FAMILY:
        return 0
    return compute * max(each.size for each in shape.linears)
