"""How the frozen base is kept in fewer bits while an adapter is trained on it, by bitsandbytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from gate.errors import MissingDependency, UsageError
from gate.training.recipe import LORA_FAMILY, Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import BitsAndBytesConfig

Quantisation = Literal["nf4", "nf4-double", "int8"]
"""nf4-double: the constants of quantisation are quantised too."""

_HEADS = ["lm_head", "embed_out", "score", "classifier"]
"""Stay as they are: output layers are small beside the rest and the most sensitive (Dettmers et al. 2022, sec. 3)."""


def quantisation_of(recipe: Recipe) -> Quantisation | None:
    """How a recipe wants its base; QLoRA is NF4 by definition.

    Raises:
        UsageError: the method changes the base's own weights, or puts nothing beside them.
    """
    if recipe.quantisation == "none" and recipe.method != "qlora":
        return None
    if recipe.method not in LORA_FAMILY:
        raise UsageError(
            f"a base under `{recipe.method}` cannot be quantised",
            where="quantisation",
            remedy="quantise under " + ", ".join(LORA_FAMILY) + ", or set quantisation=none",
        )
    if recipe.quantisation == "int8":
        return "int8"
    return "nf4-double" if recipe.double_quantisation else "nf4"


def quantisation_config(form: Quantisation | None, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    """What transformers has to be told; None where nothing is quantised.

    NF4 with doubly quantised constants is QLoRA's (Dettmers et al. 2023, sec. 3); int8 is LLM.int8 (Dettmers et al.
    2022).

    Args:
        dtype: of the computation.

    Raises:
        MissingDependency: bitsandbytes is not installed.
    """
    if form is None:
        return None
    try:
        import bitsandbytes  # noqa: F401  (transformers says too late, and too little, that it is not there)
    except ImportError:
        raise MissingDependency(
            f"quantisation to {form} needs bitsandbytes", remedy="pip install 'llm-gate[train]'"
        ) from None
    from transformers import BitsAndBytesConfig

    if form == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=_HEADS)
    import torch

    # FSDP shards parameters of one type only, so the packed ones pretend to be of it.
    storage = dtype if os.environ.get("ACCELERATE_USE_FSDP") == "true" else torch.uint8
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=form == "nf4-double",
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=storage,
        llm_int8_skip_modules=_HEADS,
    )


def keep_trainable(model: nn.Module) -> None:
    """Forbid bitsandbytes what it does on some CPUs: at the first evaluation it repacks 4-bit weights for a kernel that
    has no gradient and rounds their scales to bf16, and never takes that back. Training after an evaluation would go on
    with gradients that are silently wrong (bitsandbytes 0.50.2, CPUs with avx512_bf16)."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def keep_precise(model: nn.Module) -> None:
    """Take trained weights back to fp32: trl's trainers round an adapter on a quantised base to bf16 when they are
    made, whatever the precision of the run, and small updates are then lost (trl 1.16)."""
    import torch

    for weight in model.parameters():
        if weight.requires_grad and weight.dtype == torch.bfloat16:
            weight.data = weight.data.float()


def is_quantised(model: nn.Module) -> bool:
    """Whether a model's linear layers hold fewer than 16 bits a weight."""
    return bool(getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", False))


def elements(parameter: nn.Parameter) -> int:
    """How many numbers a parameter holds: two in a byte, where it is packed in 4 bits; all of them, where DeepSpeed
    keeps them elsewhere."""
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        return int(state.shape.numel())
    return int(getattr(parameter, "ds_numel", 0) or parameter.numel())
