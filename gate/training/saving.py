"""Writes a candidate, and loads one: the model, its tokenizer and template, and what it stands on. Nothing else.

`gate.json` in the candidate's folder names the base by its digest, the snapshots and the recipe. It names neither run
nor time nor place: the same training gives the same files, and so the same digest, anywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from gate.errors import InputError
from gate.provenance.envelope import canonical
from gate.training.arguments import precision_of
from gate.training.base_files import base_hashes
from gate.training.layers import HEADS
from gate.training.methods import head_of
from gate.training.model import Kind, Loading, load_weights, read_tokenizer
from gate.training.model_files import model_digest
from gate.training.quantise import Quantisation, quantisation_of
from gate.training.recipe import Method, Objective
from gate.training.recipe_files import recipe_document
from gate.training.run_file import Digest, Run
from gate.training.weights import read_header, read_json

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FILE = "gate.json"
ADAPTER = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CandidateBase(_Part):
    """What it was trained from."""

    name: str
    """As the user named it."""
    revision: str | None = None
    digest: Digest


class CandidateData(_Part):
    """A snapshot that it was trained on."""

    snapshot: Digest
    name: str
    role: Literal["train", "replay", "ewc"]


class CandidateFile(_Part):
    """`gate.json`."""

    format: Literal[1] = 1
    kind: Kind
    objective: Objective
    method: Method
    labels: list[str] | None = None
    """Of a classifier, in the order of its outputs."""
    base: CandidateBase
    snapshots: list[CandidateData]
    recipe: Digest
    """SHA-256 of the canonical JSON of what the recipe demands, as the training statement names it."""
    precision: Literal["fp32", "bf16", "fp16"]
    """Of the computation, and of the base beside an adapter."""
    quantisation: Quantisation | None = None
    """Of the base beside an adapter."""
    template: Digest | None = None
    """SHA-256 of the chat template, if it has one."""


def save_candidate(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    *,
    state: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """Write `candidate/`: an adapter, or the whole model, with its tokenizer, template, generation settings and
    `gate.json`. It is there whole, or not at all; one that is there already is replaced.

    Args:
        state: the weights, gathered, where no single process holds them all (FSDP, ZeRO-3); None: the model's own.

    Returns:
        The folder.

    Raises:
        OSError, SafetensorError: it cannot be written (the disk is full, say); nothing of it stays.
    """
    target = run.candidate
    beside = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    old = target.with_name(f".{target.name}-old-{uuid.uuid4().hex}")
    try:
        beside.mkdir(parents=True)
        _write(model, tokenizer, run, beside, state)
        for path in beside.rglob("*"):
            if path.is_file():
                path.chmod(0o644)  # safetensors writes files that only their owner may read
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        if target.exists():
            target.rename(old)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return target


def _write(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    folder: Path,
    state: Mapping[str, torch.Tensor] | None,
) -> None:
    from peft import PeftModel

    weights = None if state is None else dict(state)
    if isinstance(model, PeftModel):
        model.save_pretrained(folder, state_dict=weights)
        (folder / "README.md").unlink(missing_ok=True)  # a form that nobody filled in
        _name_base(folder / ADAPTER, run)
        inner = model.get_base_model()
    else:
        _write_whole(model, run, folder, weights)
        inner = model
    _write_tokenizer(tokenizer, folder)
    heads = head_of(inner) in HEADS[:3]
    kind: Kind = "causal" if not heads else "classifier" if run.recipe.objective == "classify" else "reward"
    template = tokenizer.chat_template
    said = CandidateFile(
        kind=kind,
        objective=run.recipe.objective,
        method=run.recipe.method,
        labels=[inner.config.id2label[at] for at in range(inner.config.num_labels)] if kind == "classifier" else None,
        base=CandidateBase(name=base_name(run), revision=run.base.revision, digest=run.base.digest),
        snapshots=[CandidateData(snapshot=each.snapshot, name=each.name, role=each.role) for each in run.snapshots],
        recipe=hashlib.sha256(canonical(recipe_document(run.recipe))).hexdigest(),
        precision=precision_of(run.recipe),
        quantisation=quantisation_of(run.recipe),
        template=hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) else None,
    )
    (folder / FILE).write_text(said.model_dump_json(indent=1, exclude_none=True) + "\n", "utf-8")


def _write_whole(model: PreTrainedModel, run: Run, folder: Path, weights: dict[str, torch.Tensor] | None) -> None:
    """The whole model. Settings of generation are the base's own files: training changes none of them, and
    transformers refuses to write some that models on the hub have."""
    from transformers import GenerationConfig

    base, config = Path(run.base.path), model.config
    if weights is not None:  # what is tied is gathered twice, and belongs into the file once
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        weights = {name: weight for name, weight in weights.items() if name not in tied}
    used, generation = config.use_cache, getattr(model, "generation_config", None)
    try:
        config.use_cache = True  # it was off for training only
        if generation is not None:
            model.generation_config = GenerationConfig()
        model.save_pretrained(folder, state_dict=weights, max_shard_size="5GB")
    finally:
        config.use_cache = used
        if generation is not None:
            model.generation_config = generation
    (folder / "generation_config.json").unlink(missing_ok=True)
    kept = ["generation_config.json", *(name for name in run.base.files if name.endswith(".py"))]
    for name in kept if run.base.remote_code else kept[:1]:
        if (base / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / name, folder / name)


def _write_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The tokenizer without what its last use left behind: how it padded and cut, and how it was loaded."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_padding()
        backend.no_truncation()
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    said = {key: value for key, value in read_json(path).items() if key not in ("is_local", "local_files_only")}
    path.write_text(json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


def base_name(run: Run) -> str:
    """How a candidate names its base: the hub's id as it is, of a folder only its own name."""
    return run.base.name.partition("@")[0] if run.base.revision else Path(run.base.path).name or "base"


def _name_base(path: Path, run: Run) -> None:
    """Take this machine out of PEFT's file: the base goes by its name, and by its digest in `gate.json`; sets are
    written in an order of their own."""
    said = {
        key: sorted(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value
        for key, value in read_json(path).items()
    }
    said["base_model_name_or_path"], said["revision"] = base_name(run), run.base.revision
    path.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", "utf-8")


def read_candidate_file(folder: Path) -> CandidateFile:
    """What a candidate's `gate.json` says.

    Raises:
        InputError: there is none, or it is not one of this gate's.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"it is no candidate (it has no {FILE})", where=str(folder), remedy="train one: gate train")
    read_json(path)
    try:
        return CandidateFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=str(path)) from None


def load_candidate(
    folder: Path, base: Path | None = None, *, full_precision: bool = False
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """A candidate as it was when it was saved, to the bit: evaluated, sampled from, exported.

    Args:
        folder: the candidate's.
        base: the base's folder: for an adapter, and for a whole model with Python of its own, which runs only where it
            is the base's. Its files have to be those that were trained on.
        full_precision: an adapter whose base was quantised, on the base as it is (to merge it).

    Raises:
        InputError: a part is not there, or the base is another one.
        UsageError: it cannot be loaded.
    """
    import torch

    said = read_candidate_file(folder)
    adapter = (folder / ADAPTER).is_file()
    if adapter and base is None:
        raise InputError("it is an adapter, and needs its base", where=str(folder), remedy=f"name {said.base.name}")
    place, code = folder, False
    if base is not None and (adapter or any(folder.rglob("*.py"))):
        code = _same_base(base, said) and (adapter or _python(folder) == _python(base))
    if adapter and base is not None:
        _check_adapter(folder)
        place = base
    tokenizer = read_tokenizer(str(folder), str(folder), remote_code=code)
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    model = load_weights(
        Loading(
            path=str(place),
            name=str(folder),
            kind=said.kind,
            dtype=types[said.precision] if adapter else torch.float32,
            labels=said.labels or ("reward",),
            pad_token_id=tokenizer.pad_token_id,
            quantisation=said.quantisation if adapter and not full_precision else None,
            remote_code=code,
            new_head=adapter and said.kind != "causal",
        )
    )
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(folder), local_files_only=True)
    return model.eval(), tokenizer


def _check_adapter(folder: Path) -> None:
    """An adapter's own file may name modules to import and weights to unpickle."""
    config = read_json(folder / ADAPTER)
    if named := [key for key in ("auto_mapping", "megatron_config") if config.get(key)]:
        raise InputError(f"it names code to import (`{named[0]}`)", where=str(folder / ADAPTER))
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"it has no {WEIGHTS}", where=str(folder), remedy="adapters are loaded from safetensors only")
    read_header(folder / WEIGHTS)


def _python(folder: Path) -> dict[str, str]:
    """The Python of a model that brings its own."""
    return {name: digest for name, digest in base_hashes(folder, code=True).items() if name.endswith(".py")}


def _same_base(base: Path, said: CandidateFile) -> bool:
    """Whether the base's own code may run, once its digest has told that it is the one that was trained on."""
    for code in (False, True):
        if model_digest(base_hashes(base, code=code)) == said.base.digest:
            return code
    raise InputError(
        "it is another base than the candidate was trained on",
        where=str(base),
        remedy=f"name {said.base.name}, of digest {said.base.digest[:16]}…",
    )
