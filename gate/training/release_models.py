"""Loads what a form is made of, and what it is compared with: the base, adapters on it, and their weighted sums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gate.training.layers import HEADS
from gate.training.release import Job, Unmergeable

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_base(job: Job, *, bits: str = "none") -> PreTrainedModel:
    """The base as its files have it, in their own precision, on the CPU; for a classifier, with a head that the
    adapter's own replaces.

    Args:
        bits: `nf4` or `int8`: quantised, as it was while the candidate was trained.
    """
    import torch
    from transformers import BitsAndBytesConfig

    how = None
    if bits == "nf4":
        how = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=job.double_quantisation,
            bnb_4bit_compute_dtype=torch.float32,
            llm_int8_skip_modules=list(HEADS),
        )
    elif bits == "int8":
        how = BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(HEADS))
    return load_whole(Path(job.base), job, quantization_config=how, **_head(job))


def load_whole(folder: Path, job: Job, **more: object) -> PreTrainedModel:
    """A whole model from a folder, safetensors only."""
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    loader = AutoModelForCausalLM if job.kind == "causal" else AutoModelForSequenceClassification
    more = {name: value for name, value in more.items() if value is not None}
    model = loader.from_pretrained(
        folder, dtype="auto", use_safetensors=True, trust_remote_code=job.remote_code, local_files_only=True, **more
    )
    return model.eval()


def load_reference(job: Job, *, bits: str = "none") -> PreTrainedModel | PeftModel:
    """The candidate as it was trained: nothing merged, and with several adapters all of them at work at once, each
    scaled by its weight."""
    first = job.ingredients[0]
    if not is_adapter(Path(first.folder)):
        return load_whole(Path(first.folder), job)
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_base(job, bits=bits), first.folder, adapter_name=_name(0))
    for at, other in enumerate(job.ingredients[1:], start=1):
        model.load_adapter(other.folder, adapter_name=_name(at))
    if job.combined:
        model.base_model.set_adapter([_name(at) for at in range(len(job.ingredients))])
        for layer in _lora_layers(model):
            for at, each in enumerate(job.ingredients):
                if _name(at) in layer.scaling:
                    layer.scaling[_name(at)] *= each.weight
    return model.eval()


def load_combined(job: Job) -> PeftModel:
    """The candidate's adapter on the base in full precision; of several, one that stands for their weighted sum."""
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_base(job), job.ingredients[0].folder, adapter_name=_name(0))
    if not job.combined:
        return model.eval()
    for at, other in enumerate(job.ingredients[1:], start=1):
        model.load_adapter(other.folder, adapter_name=_name(at))
    names = [_name(at) for at in range(len(job.ingredients))]
    # The new adapter's configuration is a copy of the first one's; its factors hold the scaling already, which
    # alpha / sqrt(r) would apply once more.
    for name in names:
        model.peft_config[name].use_rslora = False
    try:
        model.base_model.add_weighted_adapter(
            names,
            [each.weight for each in job.ingredients],
            "combined",
            combination_type=job.combine,
            **({"density": 0.5} if job.combine == "ties" else {}),
        )
    except ValueError as error:
        raise Unmergeable(
            f"these adapters cannot be merged so: {error}", remedy="use --combine cat, which any LoRAs of one base can"
        ) from None
    model.base_model.set_adapter("combined")
    for name in names:
        model.delete_adapter(name)
    return model.eval()


def load_tokenizer(job: Job) -> PreTrainedTokenizerBase:
    """The candidate's own tokenizer, else the base's."""
    from transformers import AutoTokenizer

    own = Path(job.ingredients[0].folder)
    folder = own if (own / "tokenizer_config.json").exists() else Path(job.base)
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=job.remote_code, local_files_only=True)


def is_adapter(folder: Path) -> bool:
    """Whether a candidate is an adapter, and not a whole model."""
    return (folder / "adapter_config.json").is_file()


def dtype_of(model: torch.nn.Module) -> str:
    """The precision of most of a model's weights: `float32`, `bfloat16`…"""
    counts: dict[str, int] = {}
    for each in model.parameters():
        name = str(each.dtype).removeprefix("torch.")
        counts[name] = counts.get(name, 0) + each.numel()
    return max(counts, key=lambda name: counts[name])


def _head(job: Job) -> dict[str, object]:
    """The configuration of a model with outputs of its own, as `gate.training.model` makes it."""
    if job.kind == "causal":
        return {}
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(job.base, trust_remote_code=job.remote_code, local_files_only=True)
    names = job.labels if job.kind == "classifier" else ["reward"]
    config.id2label = dict(enumerate(names))
    config.label2id = {name: at for at, name in enumerate(names)}
    config.pad_token_id = load_tokenizer(job).pad_token_id
    return {"config": config}


def _lora_layers(model: PeftModel) -> list[torch.nn.Module]:
    from peft.tuners.lora.layer import LoraLayer

    return [layer for layer in model.modules() if isinstance(layer, LoraLayer)]


def _name(at: int) -> str:
    return "default" if at == 0 else f"other-{at}"
