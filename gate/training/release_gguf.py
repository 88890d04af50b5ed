"""GGUF: one file for llama.cpp, written with the `gguf` package that llama.cpp publishes.

llama.cpp's own converter is a script in its repository and on no package index, so the part that is needed stands here:
decoders of the Llama family (llama, mistral, qwen2, qwen3), whose tensors the package names (`gguf.TensorNameMap`).
Anything that this would write wrongly is refused, and whatever was written is loaded again and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gate.training.release import Job, NotTheSame, Unmergeable, quantisation_of
from gate.training.release_forms import merged
from gate.training.release_gguf_vocabulary import write_vocabulary
from gate.training.release_models import load_tokenizer

if TYPE_CHECKING:
    import gguf
    import numpy
    from transformers import PretrainedConfig, PreTrainedModel

FILE = "model.gguf"
_ELSE = "export it as merged, and use llama.cpp's convert_hf_to_gguf.py on that"


@dataclass(frozen=True, slots=True)
class _Family:
    """How llama.cpp knows an architecture."""

    arch: str
    """Its name in `gguf.MODEL_ARCH_NAMES`."""
    interleaved: bool
    """Whether llama.cpp rotates pairs of neighbours, so that rows of q and k are reordered."""


_FAMILIES = {
    "llama": _Family("llama", True),
    "mistral": _Family("llama", True),
    "qwen2": _Family("qwen2", False),
    "qwen3": _Family("qwen3", False),
}


def write_gguf(job: Job, target: Path) -> list[str]:
    """Write `model.gguf`: weights, vocabulary and chat template.

    Returns:
        Sentences about what a person should know of the file.

    Raises:
        Unmergeable: the architecture, its positions or its tokenizer are none that can be written.
    """
    import gguf

    model = merged(job)
    config = model.config
    family = _family(config)
    quantise = quantisation_of(job.form, job.quantise) or "f16"
    writer = gguf.GGUFWriter(target / FILE, family.arch)
    writer.add_name(Path(job.ingredients[0].name).name)
    _hyperparameters(writer, config)
    notes = write_vocabulary(writer, load_tokenizer(job), config)
    kind = gguf.GGMLQuantizationType[quantise.upper()]
    writer.add_file_type(_file_type(kind))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    coarse = 0
    for name, weights in _tensors(model, family):
        # Vectors (norms, biases) stay as they are: they are small, and every implementation wants them so.
        own = _kind_for(kind, weights)
        coarse += own != kind and weights.ndim > 1
        if own == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, weights)
        else:
            writer.add_tensor(name, gguf.quants.quantize(weights, own), raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    if coarse:
        notes.append(f"{coarse} tensors are kept as f16: their rows do not divide into blocks of {quantise}")
    return notes


def reload_gguf(folder: Path) -> PreTrainedModel:
    """The model as transformers reads it from the file, in fp32.

    Raises:
        NotTheSame: what is written does not fit together.
    """
    import torch
    from transformers import AutoModelForCausalLM

    # The width of a head stands in the file, and transformers does not look for it in every family.
    widths = {"head_dim": width} if (width := _width(folder / FILE)) else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=FILE, dtype=torch.float32, local_files_only=True, **widths
        )
    except RuntimeError as error:
        raise NotTheSame(f"the GGUF cannot be loaded again: {str(error)[:300]}", remedy=_ELSE) from None
    return model.eval()


def _width(path: Path) -> int | None:
    import gguf

    reader = gguf.GGUFReader(path)
    arch = reader.get_field("general.architecture").contents()
    field = reader.get_field(f"{arch}.attention.key_length")
    return int(field.contents()) if field is not None and arch == "qwen3" else None


def _family(config: PretrainedConfig) -> _Family:
    family = _FAMILIES.get(config.model_type)
    if family is None:
        known = ", ".join(_FAMILIES)
        raise Unmergeable(f"gate writes GGUF for {known}, and this is {config.model_type}", remedy=_ELSE)
    positions = _rope(config)
    if (kind := str(positions.get("rope_type", "default"))) != "default":
        raise Unmergeable(f"its positions are scaled ({kind}), which this converter does not write", remedy=_ELSE)
    if getattr(config, "hidden_act", "silu") != "silu":
        raise Unmergeable(f"its activation is {config.hidden_act}, and llama.cpp computes silu", remedy=_ELSE)
    windowed = getattr(config, "use_sliding_window", config.model_type == "mistral")
    if windowed and getattr(config, "sliding_window", None):
        raise Unmergeable("its attention has a sliding window, which this converter does not write", remedy=_ELSE)
    return family


def _rope(config: PretrainedConfig) -> dict[str, object]:
    """Of the rotary positions: `rope_type` and `rope_theta`."""
    said = getattr(config, "rope_parameters", None) or {}
    return {"rope_theta": getattr(config, "rope_theta", 10000.0)} | dict(said)


def _hyperparameters(writer: gguf.GGUFWriter, config: PretrainedConfig) -> None:
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(str(_rope(config)["rope_theta"])))
    writer.add_rope_dimension_count(width)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_vocab_size(config.vocab_size)


def _tensors(model: PreTrainedModel, family: _Family) -> Iterator[tuple[str, numpy.ndarray]]:
    """Every tensor under its name in GGUF, float32, one at a time.

    Raises:
        Unmergeable: one has no name there, so that it would be left out.
    """
    import gguf

    config = model.config
    arch = next(each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == family.arch)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue  # llama.cpp takes the embeddings where there is no output
        if (known := names.get_name(name, try_suffixes=(".weight", ".bias"))) is None:
            raise Unmergeable(f"GGUF has no name for its tensor {name}", remedy=_ELSE)
        weights = tensor.detach().float().numpy()
        if family.interleaved and ".attn_q." in known:
            weights = _neighbours(weights, config.num_attention_heads)
        elif family.interleaved and ".attn_k." in known:
            weights = _neighbours(weights, config.num_key_value_heads)
        yield known, weights


def _neighbours(weights: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of each head reordered from halves (i, i + d/2), as transformers rotates them, to neighbours (2i, 2i + 1),
    as llama.cpp does."""
    rows = weights.shape[0] // heads // 2
    return weights.reshape(heads, 2, rows, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def _kind_for(kind: gguf.GGMLQuantizationType, weights: numpy.ndarray) -> gguf.GGMLQuantizationType:
    import gguf

    if weights.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    block, _ = gguf.GGML_QUANT_SIZES[kind]
    return kind if weights.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F16


def _file_type(kind: gguf.GGMLQuantizationType) -> int:
    import gguf

    name = kind.name if kind.name == "F32" else f"MOSTLY_{kind.name}"
    key = "ALL_F32" if name == "F32" else name
    return int(gguf.LlamaFileType[key])
