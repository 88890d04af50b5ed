"""Where a model's layers are, which linear layers lie in them, and what its head is: by structure, not by name.

Architectures call the same things `model.layers.0.self_attn.q_proj`, `transformer.h.0.attn.c_attn` or
`gpt_neox.layers.0.attention.query_key_value`. What they share is one long list of equal blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gate.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

_ATTENTION = re.compile(r"attn|attention")
_QUERY_VALUE = frozenset({"q_proj", "v_proj", "query", "value", "q", "v", "query_proj", "value_proj", "wq", "wv"})
_FUSED = frozenset({"c_attn", "query_key_value", "wqkv", "qkv_proj", "in_proj", "qkv"})
"""Query, key and value in one matrix, of which no part can be adapted alone."""
HEADS = ("score", "classifier", "classification_head", "lm_head", "embed_out")


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of a model, the lowest first; adapters around or inside them make no difference.

    Raises:
        UsageError: it has no list of blocks.
    """
    return list(_blocks(model)[1])


def layers_name(model: nn.Module) -> str:
    """The name of their list among `model.named_modules()`: `model.layers`, `transformer.h`, …"""
    return _blocks(model)[0]


def _blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    from torch import nn

    config = getattr(model, "config", None)
    text = config.get_text_config() if config is not None and hasattr(config, "get_text_config") else config
    layers = getattr(text, "num_hidden_layers", None)
    lists = [(name, each) for name, each in model.named_modules() if isinstance(each, nn.ModuleList) and len(each)]
    lists = [(name, each) for name, each in lists if layers in (None, len(each)) and not re.search(r"\.\d+\.", name)]
    if not lists:
        raise UsageError(
            f"the layers of a {type(model).__name__} cannot be told apart",
            remedy="train it without freeze_layers, layer_decay and targets that go by layer",
        )
    return max(lists, key=lambda each: sum(weight.numel() for weight in each[1].parameters()))


def depths_of(model: nn.Module) -> dict[str, int]:
    """How high each parameter stands, by its name: 0 for embeddings, 1 for the lowest layer and so on; what comes after
    the last layer (the norm, the head) stands as high as that layer, and so do learned vectors before the prompt."""
    from torch import nn

    layers, count = layers_name(model), len(layers_of(model))
    modules = dict(model.named_modules())
    found = {}
    for name, _ in model.named_parameters():
        match = re.match(rf"{re.escape(layers)}\.(\d+)\.", name)
        module = name.rpartition(".")[0]
        embeds = isinstance(modules[module], nn.Embedding) or "embed" in module.rpartition(".")[2]
        above = "prompt_encoder" in name or any(head in name.split(".") for head in HEADS)
        found[name] = int(match[1]) + 1 if match else 0 if embeds and not above else count
    return found


def linear_layers(model: nn.Module) -> list[str]:
    """The names of the linear layers inside the blocks, in order; GPT-2's Conv1D is one of them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    inside = layers_name(model) + "."
    return [
        name for name, each in model.named_modules() if isinstance(each, nn.Linear | Conv1D) and name.startswith(inside)
    ]


def chosen_layers(model: nn.Module, targets: str | Iterable[str]) -> list[str]:
    """The linear layers that a recipe's `targets` stand for, by their full names.

    `attention` is every linear layer of the attention; `qv` is the query's and the value's, or, in architectures that
    keep query, key and value in one matrix, that matrix.

    Raises:
        UsageError: there are none, or a name that stands for none; it lists the names that there are.
    """
    inside = linear_layers(model)
    prefix = len(layers_name(model)) + 1
    kinds = sorted({name[prefix:].split(".", 1)[-1] for name in inside})
    if targets == "all-linear":
        if experts := [name for name, each in model.named_parameters() if "expert" in name and each.ndim > 2]:
            raise UsageError(
                f"the experts of {type(model).__name__} are no linear layers but one block of numbers "
                f"({experts[0][prefix:].split('.', 1)[-1]}), which no adapter here reaches",
                where="targets",
                remedy="set targets=attention, which leaves the experts as they are, or method=full",
            )
        chosen = inside
    elif targets == "attention":
        chosen = [name for name in inside if _ATTENTION.search(name[prefix:].rpartition(".")[0])]
    elif targets == "qv":
        last = {name: name.rpartition(".")[2].lower() for name in inside}
        chosen = [name for name in inside if last[name] in _QUERY_VALUE]
        chosen = chosen or [name for name in inside if last[name] in _FUSED]
    else:
        names = [targets] if isinstance(targets, str) else list(targets)
        for name in names:
            if not any(_is_called(each, name) for each in inside):
                raise UsageError(
                    f"no linear layer of {type(model).__name__} is called `{name}`",
                    where="targets",
                    remedy=f"it has: {', '.join(kinds)}",
                )
        chosen = [each for each in inside if any(_is_called(each, name) for name in names)]
    if not chosen:
        raise UsageError(
            f"`{targets}` stands for no linear layer of {type(model).__name__}",
            where="targets",
            remedy=f"name them; it has: {', '.join(kinds) or 'none'}",
        )
    return chosen


def _is_called(full: str, name: str) -> bool:
    return full == name or full.endswith("." + name)


def short_names(model: nn.Module, chosen: list[str]) -> list[str]:
    """The shortest names that stand for these layers and for no other linear layer of the model, as PEFT matches
    them (by the end of the full name), sorted: `q_proj`, `attn.c_proj`, or the full names where nothing shorter does.

    Frozen lower layers are left out by index, not by name: `chosen` is to hold a name of every layer.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    every = [name for name, each in model.named_modules() if isinstance(each, nn.Linear | Conv1D)]
    wanted, found = set(chosen), set()
    for name in chosen:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            short = ".".join(parts[-length:])
            if all(each in wanted for each in every if _is_called(each, short)):
                found.add(short)
                break
    return sorted(found)
