"""Loads what is scored, from files that were hashed: a base, a merged model, or a candidate on its base."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate.errors import InputError, UsageError
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject
from gate.training.model import Loading, load_weights, read_tokenizer
from gate.training.saving import load_candidate

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_subject(subject: Subject, settings: Settings) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """The model on its device in its precision, and its tokenizer.

    Weights that are quantised, as an adapter's base may be, stay as they are: it is the promoted artefact.

    Raises:
        InputError, UsageError: it cannot be loaded.
    """
    import torch

    if subject.folder is None:
        raise InputError("its files are not here", where=subject.name, remedy="name its folder, or a server: --url")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("there is no GPU that PyTorch can use", where="--device", remedy="--device cpu")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[settings.precision]
    model: Any  # what transformers and peft return is not one type
    if subject.form in ("adapter", "full"):
        base = None if subject.base_use is None else Path(subject.base_use.path)
        model, tokenizer = load_candidate(subject.folder, base)
        if model.config.architectures and not hasattr(model, "generate"):
            raise _no_language_model(subject)
    else:
        code = subject.base_use is not None and subject.base_use.remote_code
        tokenizer = read_tokenizer(os.fspath(subject.folder), subject.name, remote_code=code)
        if subject.base_use is not None and subject.base_use.template is not None:
            tokenizer.chat_template = subject.base_use.template
        model = load_weights(
            Loading(
                path=os.fspath(subject.folder),
                name=subject.name,
                kind="causal",
                dtype=dtype,
                pad_token_id=tokenizer.pad_token_id,
                remote_code=code,
            )
        )
    if getattr(model, "is_quantized", False) or getattr(model.config, "quantization_config", None) is not None:
        return model.eval(), tokenizer
    return model.to(device=settings.device, dtype=dtype).eval(), tokenizer


def _no_language_model(subject: Subject) -> UsageError:
    return UsageError(
        "it classifies, and suites are for models that write",
        where=subject.name,
        remedy="score a candidate of another objective",
    )


def served_from(subject: Subject) -> tuple[Path, Path | None, Path]:
    """The folders that another program loads it from: of the whole model, of the adapter, of the tokenizer.

    Raises:
        InputError: its files are not here.
    """
    if subject.folder is None:
        raise InputError("its files are not here", where=subject.name, remedy="name its folder")
    if subject.form != "adapter":
        return subject.folder, None, subject.folder
    if subject.base_use is None:
        raise InputError("it is an adapter, and its base is not here", where=subject.name, remedy="--base DIR")
    return Path(subject.base_use.path), subject.folder, subject.folder
