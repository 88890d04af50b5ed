"""Loads what a form is made of, and what it is compared with: candidates, adapters together, and their weighted sum."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gate.training.quantise import Quantisation
from gate.training.release import Job, Unmergeable
from gate.training.saving import ADAPTER, load_candidate
from gate.training.weights import read_json

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_COMBINED = "combined"
_DENSITY = 0.5
"""Of TIES: the share of each update's weights that is kept; peft has no value of its own (Yadav et al. 2023 keep 0.2,
for updates of full fine-tuning; those of LoRAs are few to begin with)."""


def load_reference(job: Job, *, full_precision: bool = False) -> PreTrainedModel | PeftModel:
    """The candidate as it was trained and evaluated: nothing merged, and with several adapters all of them at work at
    once, each scaled by its weight.

    Args:
        full_precision: on the base as its files are, where it was quantised.
    """
    first = Path(job.ingredients[0].folder)
    # Of candidates on bases of different kinds none is the one that was evaluated: the base is as it is.
    model, _ = load_candidate(first, _base(job), full_precision=full_precision or job.quantisation is None)
    if not job.combined:
        return model
    names = _load_others(model, job)
    model.base_model.set_adapter(names)
    for layer in _lora_layers(model):
        for name, each in zip(names, job.ingredients, strict=True):
            if name in layer.scaling:
                layer.scaling[name] *= each.weight
    return model.eval()


def load_combined(job: Job) -> PreTrainedModel | PeftModel:
    """The candidate on the base in full precision, ready to be merged; of several adapters, one for their weighted sum.

    Raises:
        Unmergeable: they cannot be combined so.
    """
    model, _ = load_candidate(Path(job.ingredients[0].folder), _base(job), full_precision=True)
    if not job.combined:
        return model
    names = _load_others(model, job)
    # The new adapter's configuration is a copy of the first one's; its factors hold the scaling already, which
    # alpha / sqrt(r) would apply once more.
    for name in names:
        model.peft_config[name].use_rslora = False
    more = {"density": _DENSITY} if job.combine == "ties" else {}
    weights = [each.weight for each in job.ingredients]
    try:
        model.base_model.add_weighted_adapter(names, weights, _COMBINED, combination_type=job.combine, **more)
    except ValueError as error:
        raise Unmergeable(
            f"these adapters cannot be merged so: {error}", remedy="use --combine cat, which any LoRAs of one base can"
        ) from None
    model.base_model.set_adapter(_COMBINED)
    for name in names:
        model.delete_adapter(name)
    return model.eval()


@contextlib.contextmanager
def untouched(job: Job, reference: PreTrainedModel | PeftModel) -> Iterator[PreTrainedModel | PeftModel | None]:
    """The base as it was before training, beside a candidate on it: the same with its adapters off, or loaded; None
    for a classifier, whose head is new."""
    if job.kind != "causal":
        yield None
    elif hasattr(reference, "disable_adapter"):
        with reference.disable_adapter():
            yield reference
    else:
        yield _load_base(job)


def load_adapter(job: Job, folder: Path) -> PeftModel:
    """An adapter's folder on the base, in the precision of the candidate."""
    from peft import PeftModel

    if not job.combined:
        model, _ = load_candidate(folder, _base(job), full_precision=job.quantisation is None)
        return model
    base = _load_base(job, quantisation=job.quantisation)
    return PeftModel.from_pretrained(base, folder, local_files_only=True).eval()


def _load_base(job: Job, quantisation: Quantisation | None = None) -> PreTrainedModel:
    from gate.training.model import Loading, load_weights

    return load_weights(
        Loading(
            path=job.base,
            name=job.ingredients[0].name,
            kind=job.kind,
            dtype=_dtype(job.precision),
            quantisation=quantisation,
            remote_code=job.remote_code,
        )
    ).eval()


def load_merged(job: Job, folder: Path) -> PreTrainedModel:
    """A whole model's folder, in the precision that its files have."""
    from gate.training.model import Loading, load_weights

    config = read_json(folder / "config.json")
    pad = config.get("pad_token_id")
    return load_weights(
        Loading(
            path=str(folder),
            name=job.ingredients[0].name,
            kind=job.kind,
            dtype=_dtype(str(config.get("dtype", "float32"))),
            labels=job.labels or ("reward",),
            pad_token_id=pad if isinstance(pad, int) else None,
            remote_code=job.remote_code,
        )
    ).eval()


def load_tokenizer(job: Job) -> PreTrainedTokenizerBase:
    """The candidate's own."""
    from gate.training.model import read_tokenizer

    first = job.ingredients[0]
    return read_tokenizer(first.folder, first.name, remote_code=job.remote_code)


def is_adapter(folder: Path) -> bool:
    """Whether a candidate is an adapter, and not a whole model."""
    return (folder / ADAPTER).is_file()


def dtype_of(model: torch.nn.Module) -> str:
    """The precision of most of a model's weights, those that are quantised aside: `float32`, `bfloat16`…"""
    counts: dict[str, int] = {}
    for each in model.parameters():
        if each.is_floating_point():
            name = str(each.dtype).removeprefix("torch.")
            counts[name] = counts.get(name, 0) + each.numel()
    return max(counts, key=lambda name: counts[name])


def _base(job: Job) -> Path | None:
    return Path(job.base) if is_adapter(Path(job.ingredients[0].folder)) else None


def _load_others(model: PeftModel, job: Job) -> list[str]:
    """Load the other adapters beside the first, and return the names of all."""
    names = ["default", *(f"other-{at}" for at in range(1, len(job.ingredients)))]
    for name, other in zip(names[1:], job.ingredients[1:], strict=True):
        model.load_adapter(other.folder, adapter_name=name, local_files_only=True)
    return names


def _lora_layers(model: PeftModel) -> list[torch.nn.Module]:
    from peft.tuners.lora.layer import LoraLayer

    return [layer for layer in model.modules() if isinstance(layer, LoraLayer)]


def _dtype(name: str) -> torch.dtype:
    import torch

    short = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}.get(name, name)
    types = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    return types.get(short, torch.float32)
