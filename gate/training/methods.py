"""What of a model is trained: everything, some layers, a head, or an adapter beside frozen weights (PEFT)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import MissingDependency, UsageError
from gate.training.base_facts import base_facts
from gate.training.layers import HEADS, chosen_layers, depths_of, layers_name, layers_of, short_names
from gate.training.quantise import elements, is_quantised
from gate.training.recipe import LORA_FAMILY
from gate.training.run_file import Run

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from torch import nn
    from transformers import PreTrainedModel

PROMPTS = ("prefix", "ptuning")
"""Methods that learn vectors before the prompt; nothing of them can be merged into weights."""


def with_method(model: PreTrainedModel, run: Run) -> PreTrainedModel | PeftModel:
    """A loaded base, ready to be trained by the recipe's method: what is to be trained requires gradients, and nothing
    else does.

    Initial weights are drawn from the recipe's seed. LoRA's B begins at zero, so that the model is the base at first
    (Hu et al. 2021, sec. 4.1).

    Raises:
        UsageError: the method cannot do what the recipe asks of it, with this model.
        MissingDependency: no library here offers the method.
    """
    from transformers import set_seed

    recipe = run.recipe
    layers = len(layers_of(model)) if recipe.freeze_layers or recipe.layer_decay < 1 else 0
    if recipe.freeze_layers and recipe.freeze_layers >= layers:
        raise UsageError(
            f"the model has {layers} layers, and {recipe.freeze_layers} of them are to be frozen",
            where="freeze_layers",
            remedy=f"set freeze_layers to {layers - 1} or less",
        )
    if recipe.method == "full":
        if is_quantised(model):
            raise UsageError("a quantised base cannot be trained in full", where="method", remedy="use method=qlora")
        _freeze_lower(model, recipe.freeze_layers)
        return model
    if recipe.method == "head":
        return _head_only(model)
    if recipe.method == "adapter":
        raise MissingDependency(
            "no maintained library offers bottleneck adapters for the installed transformers "
            "(the package `adapters` 1.3 needs transformers 4.57)",
            where="method",
            remedy="use method=lora, which trains as little and can be merged",
        )
    from peft import get_peft_model

    set_seed(recipe.seed)
    model.requires_grad_(False)
    adapted = get_peft_model(model, _peft_config(model, run))
    if recipe.checkpoint_activations:
        adapted.enable_input_require_grads()  # else nothing in a recomputed block would require gradients
    return adapted


def _peft_config(model: PreTrainedModel, run: Run) -> PeftConfig:
    from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptEncoderConfig, TaskType
    from transformers.pytorch_utils import Conv1D

    recipe = run.recipe
    task = TaskType.SEQ_CLS if head_of(model) in HEADS[:3] else TaskType.CAUSAL_LM
    if recipe.method in PROMPTS:
        for key, forbids in (
            ("freeze_layers", recipe.freeze_layers),
            ("packing", recipe.packing),
            ("checkpoint_activations", recipe.method == "prefix" and recipe.checkpoint_activations),
        ):
            if forbids:
                raise UsageError(f"`{recipe.method}` does not go with `{key}`", where=key, remedy=f"unset {key}")
        if recipe.method == "prefix":  # Li and Liang 2021
            facts = base_facts(Path(run.base.path))  # PEFT takes keys to be shared in some architectures only
            return PrefixTuningConfig(
                task_type=task,
                num_virtual_tokens=recipe.virtual_tokens,
                num_layers=facts.layers,
                num_attention_heads=facts.kv_heads,
                token_dim=facts.kv_heads * facts.head_dim,
            )
        # Liu et al. 2021; the encoder is as wide as the model
        return PromptEncoderConfig(task_type=task, num_virtual_tokens=recipe.virtual_tokens)
    targets = recipe.targets if isinstance(recipe.targets, str) else list(recipe.targets)
    chosen = chosen_layers(model, targets)
    modules = dict(model.named_modules())
    transposed = all(isinstance(modules[name], Conv1D) for name in chosen)
    prefix, count = layers_name(model) + ".", len(layers_of(model))
    upper = [each for each in chosen if int(each.removeprefix(prefix).split(".")[0]) >= recipe.freeze_layers]
    if recipe.method == "ia3":
        down = short_names(model, [name for name in upper if _is_down(modules, name)])
        return IA3Config(
            task_type=task,
            target_modules=[*short_names(model, [name for name in upper if not _is_down(modules, name)]), *down],
            feedforward_modules=down,
            fan_in_fan_out=transposed,
        )
    return LoraConfig(
        task_type=task,
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=short_names(model, chosen),
        layers_to_transform=list(range(recipe.freeze_layers, count)) if recipe.freeze_layers else None,
        use_dora=recipe.method == "dora",
        use_rslora=recipe.method == "rslora",
        fan_in_fan_out=transposed,
    )


def _is_down(modules: dict[str, nn.Module], name: str) -> bool:
    """Whether a linear layer leads from the feed-forward part's inner width back: IA3 scales what goes into it, and
    what comes out of all others (Liu et al. 2022, sec. 3.3)."""
    layer = modules[name]
    if "attn" in name or "attention" in name:
        return False
    wide, narrow = getattr(layer, "in_features", None), getattr(layer, "out_features", None)
    if wide is None or narrow is None:  # Conv1D keeps its weight as (in, out)
        wide, narrow = layer.weight.shape
    return bool(wide > narrow)


def head_of(model: nn.Module) -> str | None:
    """The name of a model's output layer, as its own attribute: `score`, `classifier`, `lm_head`, …"""
    return next((name for name in HEADS if getattr(model, name, None) is not None), None)


def _head_only(model: PreTrainedModel) -> PreTrainedModel:
    name = head_of(model)
    if name not in HEADS[:3]:
        raise UsageError(
            "`head` trains the head of a classifier or a reward model, and this predicts tokens",
            where="method",
            remedy="use objective=classify or reward, or another method",
        )
    model.requires_grad_(False)
    getattr(model, name).requires_grad_(True)
    return model


def _freeze_lower(model: PreTrainedModel, count: int) -> None:
    if not count:
        return
    depths = depths_of(model)
    for name, weight in model.named_parameters():  # tied weights are one: the output layer freezes with the embedding
        if depths[name] <= count:
            weight.requires_grad_(False)


def trainable_parameters(model: nn.Module) -> tuple[int, int]:
    """How many numbers of a model are trained, and how many it has; those packed in 4 bits each count."""
    sizes = [(elements(weight), weight.requires_grad) for weight in model.parameters()]
    return sum(size for size, trains in sizes if trains), sum(size for size, _ in sizes)


def parameter_groups(model: nn.Module, run: Run) -> list[dict[str, object]]:
    """What is trained, in groups for an optimiser: `params`, `lr`, `weight_decay`.

    A layer's rate is `layer_decay` times that of the layer above it (Howard and Ruder 2018, sec. 3.2); what stands
    above the last layer has its rate, the embeddings have that of a layer below the first. Biases, norms and the scales
    of IA3 and DoRA are not decayed towards zero.
    """
    recipe = run.recipe
    depths = depths_of(model) if recipe.layer_decay < 1 else {}
    top = max(depths.values(), default=0)
    groups: dict[tuple[int, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        below = top - depths.get(name, top)
        decay = recipe.weight_decay if weight.ndim > 1 and "ia3_" not in name else 0.0
        groups.setdefault((below, decay), []).append(weight)
    return [
        {"params": weights, "lr": recipe.lr * recipe.layer_decay**below, "weight_decay": decay}
        for (below, decay), weights in sorted(groups.items(), key=lambda each: each[0])
    ]


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """A model with its adapter merged into its weights; the model given is used up.

    Raises:
        UsageError: the method cannot be merged, or the base is quantised (merging into 4 bits moves logits by up to
            0.8, measured).
    """
    from peft import PeftModel

    if not isinstance(model, PeftModel):
        return model
    kind = str(model.active_peft_config.peft_type.value).lower()
    if not hasattr(model.base_model, "merge_and_unload"):
        raise UsageError(
            f"what {kind.replace('_', ' ')} learns stands before the prompt, and cannot be merged into weights",
            where="method",
            remedy="release it as an adapter",
        )
    if is_quantised(model):
        raise UsageError(
            "an adapter is not merged into a quantised base, whose rounding would change the model",
            where="quantisation",
            remedy="merge it into the base in full precision",
        )
    return model.merge_and_unload(safe_merge=True)


def mergeable(method: str) -> bool:
    """Whether what a method trains becomes part of the weights."""
    return method in (*LORA_FAMILY, "ia3", "full", "head")
