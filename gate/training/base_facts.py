"""What is known of a base before it is loaded: its size and shape, from config.json and the headers of its weights.

No torch here: `gate plan` reckons with these figures, and needs no weights for most of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gate.checks.card_front_matter import BadFrontMatter, front_matter
from gate.errors import InputError
from gate.training.weights import INDEX, SINGLE, StoredTensor, read_json, read_weights

LARGEST_CONFIG = 4 << 20
"""Bytes; the longest on the hub (with a class for each of ten thousand labels) have less than one million."""

# The names that architectures give to the same thing, the usual one first.
_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model", "dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "hidden_dim")
_CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx", "seq_length", "max_sequence_length")
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
_EXPERTS_USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk")
_OUTPUTS = ("lm_head.weight", "embed_out.weight")

_UNGATED = frozenset(
    {"gpt2", "gpt_neo", "gpt_neox", "gptj", "gpt_bigcode", "starcoder2", "bloom", "opt", "falcon", "mpt", "phi"}
    | {"codegen", "persimmon", "nemotron", "bert", "roberta", "distilbert", "xlm-roberta"}
)
"""Architectures whose feed-forward part has two matrices; the others' gate makes it three (Shazeer 2020)."""


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """A base model, in numbers."""

    architecture: str
    """The class that its configuration names, else its model type."""
    model_type: str
    parameters: int
    """All of them, tied ones once."""
    counted: bool
    """Whether `parameters` were counted in the headers of the weights; else they are reckoned from config.json."""
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    """Heads that keys and values have; fewer than `heads` where they are shared (GQA)."""
    head_dim: int
    intermediate: int
    """The inner width of a layer's feed-forward part; of one expert, where there are several."""
    gated: bool
    """Whether that part has three matrices instead of two."""
    experts: int
    """1 where a layer has one feed-forward part."""
    experts_used: int
    """How many of them see a token."""
    vocabulary: int
    """Rows of the embedding."""
    context: int | None
    """Tokens that it was made to read at most; None where the configuration does not say."""
    dtype: str
    """Of its weights as stored: `float32`, `bfloat16`, …"""
    tied: bool
    """Whether the embedding is the output layer too."""
    quantised: str | None
    """How its weights were quantised before (`bitsandbytes`, `gptq`, …), if they were."""
    licence: str | None
    """As its card says, lower case; None where it says none."""
    bytes: int
    """Of its weights as stored."""


def base_facts(folder: Path) -> BaseFacts:
    """The facts of a model's folder, with its weights or without them.

    Raises:
        InputError: config.json is not there or does not describe a model that is known here; weights that are there
            are damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise InputError("there is no config.json", where=str(folder), remedy="name the folder of a model")
    return facts_of(read_json(path, LARGEST_CONFIG), folder)


def facts_of(config: Mapping[str, object], folder: Path) -> BaseFacts:
    """The same, of a configuration that was read already."""
    where = str(folder / "config.json")
    whole, config = config, _text_part(config)
    layers, hidden = _needed(config, _LAYERS, where), _needed(config, _HIDDEN, where)
    heads, vocabulary = _needed(config, _HEADS, where), _needed(config, ("vocab_size",), where)
    attention = config.get("attn_config")
    kv_heads = _number(config, _KV_HEADS) or _number(attention if isinstance(attention, dict) else {}, ("kv_n_heads",))
    model_type = str(whole.get("model_type") or config.get("model_type") or "")
    if kv_heads is None or (model_type == "falcon" and not config.get("new_decoder_architecture")):
        kv_heads = 1 if config.get("multi_query") else heads
    experts = _number(config, _EXPERTS) or 1
    inner = (_number(config, ("moe_intermediate_size",)) if experts > 1 else None) or _number(config, _INNER)
    gated = str(config.get("model_type") or model_type) not in _UNGATED
    named = whole.get("architectures")
    quantisation = whole.get("quantization_config")
    method = quantisation.get("quant_method", "unknown") if isinstance(quantisation, dict) else None
    weights = read_weights(folder) if (folder / SINGLE).is_file() or (folder / INDEX).is_file() else {}
    heads_stored = [name for name in weights if name.endswith(_OUTPUTS)]
    said = config.get("tie_word_embeddings", whole.get("tie_word_embeddings"))
    tied = said if isinstance(said, bool) else not heads_stored  # transformers ties where nothing is said
    facts = BaseFacts(
        architecture=str(named[0]) if isinstance(named, list) and named else model_type or "unknown",
        model_type=model_type,
        parameters=sum(each.elements for name, each in weights.items() if not (tied and name in heads_stored)),
        counted=bool(weights) and method is None,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_number(config, ("head_dim",)) or max(hidden // heads, 1),
        intermediate=inner or 4 * hidden,
        gated=gated,
        experts=experts,
        experts_used=_number(config, _EXPERTS_USED) or 1,
        vocabulary=vocabulary,
        context=_number(config, _CONTEXT),
        dtype=_dtype(whole, config, weights),
        tied=tied,
        quantised=None if method is None else str(method),
        licence=_licence(folder),
        bytes=sum(each.bytes for each in weights.values()),
    )
    return facts if facts.counted else _reckoned(facts)


def _text_part(config: Mapping[str, object]) -> Mapping[str, object]:
    """The part that describes the language model, where a configuration describes several."""
    for key in ("text_config", "llm_config", "language_config"):
        part = config.get(key)
        if isinstance(part, dict) and any(name in part for name in _LAYERS):
            return part
    return config


def _number(config: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = config.get(name)
        if type(value) is int and 0 < value < 1 << 40:
            return value
    return None


def _needed(config: Mapping[str, object], names: tuple[str, ...], where: str) -> int:
    value = _number(config, names)
    if value is None:
        raise InputError(
            f"it does not say `{names[0]}` (nor by another name that is known here)",
            where=where,
            remedy="name the folder of a language model of transformers",
        )
    return value


_STORED = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}


def _dtype(whole: Mapping[str, object], config: Mapping[str, object], weights: Mapping[str, StoredTensor]) -> str:
    sizes: Counter[str] = Counter()
    for tensor in weights.values():
        sizes[tensor.dtype] += tensor.bytes
    if sizes:
        most = sizes.most_common(1)[0][0]
        return _STORED.get(most, most.lower())
    said = next((each.get(key) for each in (whole, config) for key in ("dtype", "torch_dtype") if each.get(key)), None)
    return str(said) if isinstance(said, str) and len(said) < 20 else "float32"


def _reckoned(facts: BaseFacts) -> BaseFacts:
    """With the parameters reckoned from the shape: attention, feed-forward, norms and embeddings, without biases."""
    attention = facts.hidden * facts.head_dim * (2 * facts.heads + 2 * facts.kv_heads)
    forward = (3 if facts.gated else 2) * facts.hidden * facts.intermediate * facts.experts
    layer = attention + forward + 2 * facts.hidden + (facts.hidden * facts.experts if facts.experts > 1 else 0)
    embedding = facts.vocabulary * facts.hidden * (1 if facts.tied else 2)
    positions = (facts.context or 0) * facts.hidden if facts.model_type in ("gpt2", "opt", "gpt_bigcode", "bert") else 0
    parameters = facts.layers * layer + facts.hidden + embedding + positions
    size = {"float32": 4.0, "float64": 8.0}.get(facts.dtype, 2.0)
    return replace(facts, parameters=parameters, bytes=facts.bytes or math.ceil(parameters * size))


def _licence(folder: Path) -> str | None:
    """What the card's front matter says; a card that cannot be read says nothing."""
    try:
        with (folder / "README.md").open("rb") as file:
            card = front_matter(file.read(256 << 10).decode("utf-8", "replace"))
    except (OSError, BadFrontMatter):
        return None
    said = card.words("license", "licence") if card else ()
    return said[0][:100] if said else None
