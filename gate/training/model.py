"""Loads the base as a run wants it: checked again, from safetensors only, in its precision, and with its head."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gate.errors import UsageError
from gate.training.arguments import on_cpu, precision_of
from gate.training.base_files import verify_base
from gate.training.quantise import Quantisation, keep_trainable, quantisation_config, quantisation_of
from gate.training.run_file import Run
from gate.training.weights import weight_files

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

Kind = Literal["causal", "classifier", "reward"]

_PADS = ("<|finetune_right_pad_id|>", "<|pad|>", "<pad>", "[PAD]", "<|padding|>", "<|PAD_TOKEN|>", "<unk>", "[UNK]")
"""Tokens of known vocabularies that stand for nothing in a text, in the order they are tried."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A model in a folder, and how it is wanted in memory."""

    path: str
    name: str
    """As people know it."""
    kind: Kind
    dtype: torch.dtype
    """Of its weights, those that are quantised aside."""
    labels: Sequence[str] = ()
    """Of a classifier, in the order of its outputs."""
    pad_token_id: int | None = None
    quantisation: Quantisation | None = None
    remote_code: bool = False
    new_head: bool = False
    """Whether the head of a classifier or a reward model is drawn, and not in the files."""


def weights_dtype(run: Run) -> torch.dtype:
    """Of the base's weights in memory.

    Weights that are trained are kept in fp32 and computed with in the recipe's precision (Micikevicius et al. 2018,
    sec. 3.1): small updates are lost in 16 bits. Frozen ones are kept in the precision of the computation.
    """
    import torch

    if run.recipe.method in ("full", "head"):
        return torch.float32
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision_of(run.recipe)]


def load_tokenizer(run: Run) -> PreTrainedTokenizerBase:
    """The base's tokenizer, with the template that the user named, if any, and with a token to pad with.

    No token is ever added: that would change the embedding. A tokenizer that has none to pad with pads with one of its
    own that stands for nothing, else with its end token (padding is masked in attention and loss, whatever its id).

    Raises:
        InputError: a file of the base is not the one that was checked.
        UsageError: the tokenizer cannot be loaded, or has neither a token to pad with nor an end token.
    """
    verify_base(run.base, weights=False)
    tokenizer = read_tokenizer(run.base.path, run.base.name, remote_code=run.base.remote_code)
    if run.base.template is not None:
        tokenizer.chat_template = run.base.template
    if tokenizer.pad_token_id is None:
        known = tokenizer.get_vocab()
        found = next((each for each in _PADS if each in known), tokenizer.eos_token)
        if found is None:
            raise UsageError(
                "its tokenizer has no token to pad with, and no end token",
                where=run.base.name,
                remedy="name its `pad_token` and `eos_token` in a copy of its tokenizer_config.json",
            )
        tokenizer.pad_token = found
    return tokenizer


def read_tokenizer(path: str, name: str, *, remote_code: bool = False) -> PreTrainedTokenizerBase:
    """A folder's tokenizer, as it is.

    Raises:
        UsageError: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=remote_code)
    except Exception as error:
        raise UsageError(f"its tokenizer cannot be loaded: {_first_line(error)}", where=name) from error


def load_model(
    run: Run, tokenizer: PreTrainedTokenizerBase, kind: Kind = "causal", labels: Sequence[str] = ()
) -> PreTrainedModel:
    """The base with its weights, ready for `gate.training.methods.with_method`.

    Args:
        kind: `causal` predicts tokens; `classifier` has a new output for each of `labels`, `reward` a single one,
            both drawn from the recipe's seed.
        labels: of a classifier, in the order of its outputs.

    Raises:
        InputError: a file of the base is not the one that was checked.
        UsageError: its files do not fit the architecture, or hold NaN.
        MissingDependency: a package that it needs is not installed.
    """
    from transformers import set_seed

    verify_base(run.base)
    set_seed(run.recipe.seed)  # a new head is the same, whatever was drawn before
    if kind == "classifier" and len(set(labels)) < 2:
        raise UsageError(f"a classifier needs two classes or more, and here are {len(set(labels))}", where="label")
    model = load_weights(
        Loading(
            path=run.base.path,
            name=run.base.name,
            kind=kind,
            dtype=weights_dtype(run),
            labels=labels if kind == "classifier" else ("reward",),
            pad_token_id=tokenizer.pad_token_id,
            quantisation=quantisation_of(run.recipe),
            remote_code=run.base.remote_code,
            new_head=kind != "causal",
        )
    )
    rows, added = model.get_input_embeddings().num_embeddings, tokenizer.get_added_vocab()
    spoken = (*tokenizer.special_tokens_map.values(), tokenizer.chat_template or "")
    for token, number in tokenizer.get_vocab().items():  # one that nothing says does no harm
        if number >= rows and (token not in added or any(token in each for each in spoken if isinstance(each, str))):
            raise UsageError(
                f"the model's embedding has {rows:,} rows, and none for {token!r}, which is number {number:,}",
                where=run.base.name,
                remedy="use the tokenizer that the model came with",
            )
    model.config.use_cache = False  # nothing is generated while it learns; generate() asks for the cache itself
    return model


def load_weights(wanted: Loading) -> PreTrainedModel:
    """A model from a folder: safetensors only, no network, all of its weights, none of them NaN.

    Raises:
        UsageError: it cannot be loaded so.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    config = _config(wanted)
    quantisation = quantisation_config(wanted.quantisation, wanted.dtype)
    if quantisation is not None and getattr(config, "quantization_config", None) is not None:
        raise UsageError(
            "it is quantised already", where=wanted.name, remedy="use method=lora, and set quantisation=none"
        )
    place: int | str = "cpu" if on_cpu() else int(os.environ.get("LOCAL_RANK", "0"))
    factory = AutoModelForCausalLM if wanted.kind == "causal" else AutoModelForSequenceClassification
    try:
        model, loaded = factory.from_pretrained(
            wanted.path,
            config=config,
            dtype=wanted.dtype,
            quantization_config=quantisation,
            device_map=None if quantisation is None else {"": place},
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=wanted.remote_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UsageError(f"its weights cannot be loaded: {_first_line(error)}", where=wanted.name) from error
    _check_whole(wanted, set(loaded["missing_keys"]))
    _check_finite(wanted, model)
    keep_trainable(model)
    return model


def _config(wanted: Loading) -> PreTrainedConfig:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(wanted.path, local_files_only=True, trust_remote_code=wanted.remote_code)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise UsageError(
            f"its architecture is not known here: {_first_line(error)}",
            where=wanted.name,
            remedy="a newer transformers may know it",
        ) from error
    if wanted.kind != "causal":
        config.id2label = dict(enumerate(wanted.labels))
        config.label2id = {name: index for index, name in enumerate(wanted.labels)}
        config.pad_token_id = wanted.pad_token_id  # the class is read off the last token that is no padding
    if getattr(config.get_text_config(), "attn_logit_softcapping", None) is not None:
        config._attn_implementation = "eager"  # sdpa has no soft cap
    return config


def _check_whole(wanted: Loading, missing: set[str]) -> None:
    """Weights that are not in the files would be drawn at random, silently."""
    drawn = ("score.", "classifier.", "classification_head.") if wanted.new_head else ()
    if absent := sorted(name for name in missing if not name.startswith(drawn)):
        raise UsageError(
            f"{len(absent):,} of the model's weights are not in its files, {absent[0]} for one",
            where=wanted.name,
            remedy="the weights belong to another architecture than config.json names: get both from one place",
        )


def _check_finite(wanted: Loading, model: PreTrainedModel) -> None:
    """A NaN makes all that follows NaN; in 4 bits it would turn into some number, so there the files are looked at."""
    import torch

    stored = _stored(Path(wanted.path)) if wanted.quantisation else model.named_parameters()
    for name, weight in stored:
        if weight.is_floating_point() and not bool(torch.isfinite(weight.detach().sum(dtype=torch.float32))):
            raise UsageError(
                f"`{name}` holds NaN or infinity",
                where=wanted.name,
                remedy="the model is broken: get or train it again",
            )


def _stored(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    from safetensors import safe_open

    for file in weight_files(folder):
        if file.endswith(".safetensors"):
            with safe_open(folder / file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118  (it is no mapping)
                    yield name, opened.get_tensor(name)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__
