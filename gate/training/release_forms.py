"""Writes an adapter and a merged model: the forms that need nothing but transformers and peft."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gate.errors import InputError
from gate.training import methods
from gate.training.release import Job
from gate.training.release_models import is_adapter, load_combined

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_NOT_OURS = ("README.md", "gate.json", *_ADAPTER_FILES)
"""Of a candidate's files: what the form has its own of, or has no use for."""


def write_adapter(job: Job, target: Path) -> None:
    """The candidate's files as they are; of several adapters, one that stands for their weighted sum."""
    first = Path(job.ingredients[0].folder)
    if not job.combined:
        copy_files(first, target, leave=("README.md",))
        return
    load_combined(job).save_pretrained(target, selected_adapters=["combined"])
    # peft keeps an adapter that is not called `default` in a folder of its name.
    for path in list((target / "combined").iterdir()):
        path.rename(target / path.name)
    (target / "combined").rmdir()
    (target / "README.md").unlink(missing_ok=True)
    config = target / _ADAPTER_FILES[0]
    # peft writes sets in the order of this process's hashes; the same adapter has the same bytes.
    said = {
        key: sorted(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value
        for key, value in json.loads(config.read_bytes()).items()
    }
    config.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", "utf-8")
    copy_files(first, target, leave=_NOT_OURS)


def write_merged(job: Job, target: Path) -> None:
    """One whole model in safetensors, with the candidate's tokenizer."""
    first = Path(job.ingredients[0].folder)
    if not is_adapter(first) and job.quantise is None:
        copy_files(first, target, leave=("README.md", "gate.json"))
        return
    model = merged(job)
    if job.quantise:
        model = model.to(_precision(job.quantise))
    model.save_pretrained(target)
    copy_tokenizer(job, target)


def merged(job: Job) -> PreTrainedModel:
    """The candidate as one model: the adapter's change added to the weights of the base in full precision.

    Raises:
        InputError: what comes out is not finite.
    """
    try:
        return methods.merged(load_combined(job)).eval()
    except ValueError as error:
        raise InputError(f"the adapter cannot be merged: {error}", where=job.ingredients[0].name) from None


def copy_tokenizer(job: Job, target: Path) -> None:
    """The candidate's tokenizer as its files are, and what else it has beside weights; never over a file that is
    there."""
    first = Path(job.ingredients[0].folder)
    weights = {path.name for path in first.iterdir() if ".safetensors" in path.name}
    copy_files(first, target, leave=(*_NOT_OURS, *weights))


def copy_files(source: Path, target: Path, leave: tuple[str, ...] = ()) -> None:
    """Copy what is in a folder, links followed; a file that is there already stays."""
    for path in sorted(source.rglob("*")):
        own = target / path.relative_to(source)
        if path.is_file() and path.name not in leave and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, own)


def _precision(name: str) -> object:
    import torch

    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[name]
