"""The base as files: what it is, whether it may be used, and the digest that stands for it. No torch here.

A base comes from outside. Its weights have to be safetensors (a pickle runs code when it is loaded), its own Python
stays off unless a person allowed exactly these files, and its parts have to fit one another, before anything is loaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gate.errors import InputError, UsageError
from gate.store.files import hash_file
from gate.training.base_facts import LARGEST_CONFIG, BaseFacts, facts_of
from gate.training.base_vocabulary import check_vocabulary
from gate.training.hub import SMALL, fetch, hub_id, is_offline
from gate.training.model_files import model_digest
from gate.training.run_file import BaseModelUse
from gate.training.weights import INDEX, SINGLE, read_json, read_weights, weight_files

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".ot")
_ALLOWED = re.compile(r"(?P<name>.+)@(?P<digest>[0-9a-f]{64})")
_ATTENTION = frozenset(
    {"eager", "sdpa", "flash_attention_2", "flash_attention_3", "flash_attention_4", "flex_attention"}
)
"""Implementations that come with libraries; any other name makes transformers fetch a kernel, which is code."""

_CONVERT = (
    "only where you trust who made it, convert it once, apart from gate: "
    "AutoModelForCausalLM.from_pretrained(OLD).save_pretrained(NEW), and the same with AutoTokenizer"
)


def check_base(
    name: str, *, allow_code: Sequence[str] = (), template: str | None = None, offline: bool | None = None
) -> BaseModelUse:
    """A base that may be used, with the digests of the files that will be loaded.

    Args:
        name: a folder, or a model of the hub (`owner/model`, `owner/model@revision`).
        allow_code: `NAME@DIGEST` of bases whose own Python may run: the name as it is given here, and the digest that
            the refusal prints.
        template: the text of a chat template for a base that brings none.
        offline: whether the hub is off; None: as HF_HUB_OFFLINE says.

    Raises:
        InputError: there is no such base, or it is not whole, not safe, or not made of parts that fit one another.
        UsageError: `allow_code` is not of that form.
    """
    allowed = [_read_allowance(each) for each in allow_code]
    folder, revision = _found(name, is_offline() if offline is None else offline)
    try:
        return _checked(name, folder, revision, allowed, template)
    except OSError as error:
        what = f"it cannot be read ({(error.strerror or 'refused').lower()})"
        raise InputError(what, where=str(error.filename or name)) from None


def _checked(
    name: str, folder: Path, revision: str | None, allowed: Sequence[tuple[str, str]], template: str | None
) -> BaseModelUse:
    _check_kind(folder, name)
    config = read_json(folder / "config.json", LARGEST_CONFIG)
    code = _code_of(folder, config)
    facts = _check_config(folder, config)
    weights = read_weights(folder)
    check_vocabulary(folder, facts, weights)
    files = base_hashes(folder, code=bool(code))
    digest = model_digest(files)
    if code and (name, digest) not in allowed:
        changed = any(each == name for each, _ in allowed)
        raise InputError(
            f"it brings its own Python ({', '.join(sorted(code))}), which is not run"
            + (": its files are not those that were allowed" if changed else ""),
            where=name,
            remedy=f"where transformers knows the architecture, take `auto_map` out of a copy of its configuration; "
            f"else read its .py files, and allow them: --allow-code {name}@{digest}",
        )
    return BaseModelUse(
        path=str(folder),
        name=name,
        revision=revision,
        digest=digest,
        files=files,
        template=template,
        remote_code=bool(code),
    )


def base_hashes(folder: Path, *, code: bool = False) -> dict[str, str]:
    """SHA-256 of every file that loading a base reads, by relative path, sorted: configuration, tokenizer, templates,
    weights, and its Python where that may run. Links are followed (the hub's cache is made of them)."""
    return {name: hash_file((folder / name).resolve())[0] for name in _loaded(folder, code=code)}


def verify_base(base: BaseModelUse, *, weights: bool = True) -> None:
    """Whether a base's files are still those that were checked.

    Args:
        weights: whether to read the weights too, and not only what is small.

    Raises:
        InputError: one is not there, is another, or is new.
    """
    folder = Path(base.path)
    try:
        if strange := [each for each in _loaded(folder, code=base.remote_code) if each not in base.files]:
            raise InputError(f"{strange[0]} was not there when the run was made", where=base.path, remedy=_AGAIN)
        for name, digest in base.files.items():
            if (weights or not name.endswith(".safetensors")) and hash_file((folder / name).resolve())[0] != digest:
                raise InputError(f"{name} has changed since the run was made", where=base.path, remedy=_AGAIN)
    except OSError as error:
        raise InputError(
            f"a file of the base cannot be read ({error.strerror}): {Path(error.filename or '').name}",
            where=base.path,
            remedy=_AGAIN,
        ) from None


_AGAIN = "put the base back as it was, or start a new run with `gate train`"


def _loaded(folder: Path, *, code: bool) -> Iterator[str]:
    """Relative paths of what loading reads, sorted."""
    top = [each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]
    names = {each for each in top if each.endswith(SMALL) and not each.endswith(".py")} | set(weight_files(folder))
    names |= {each.relative_to(folder).as_posix() for each in folder.glob("additional_chat_templates/*.jinja")}
    if code:
        names |= {each.relative_to(folder).as_posix() for each in folder.rglob("*.py")}
    return iter(sorted(names))


def _read_allowance(text: str) -> tuple[str, str]:
    match = _ALLOWED.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is not NAME@DIGEST",
            where="--allow-code",
            remedy="the digest has 64 hexadecimal digits; the refusal of a base with code prints it",
        )
    return match["name"], match["digest"]


def _found(name: str, offline: bool) -> tuple[Path, str | None]:
    """The folder that a name stands for, and the hub's commit where it came from there."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve(), None
    if path.exists():
        hint = "name the folder that it lies in"
        if path.suffix == ".gguf":
            hint = "GGUF is for inference: name the folder of the model that it was converted from"
        raise InputError("it is a file, and a base is a folder", where=name, remedy=hint)
    local = name.startswith((".", "/", "~", os.sep)) or (len(path.parts) > 1 and path.parent.is_dir())
    wanted = None if local else hub_id(name)
    if wanted is None:
        raise InputError(
            "there is no such folder",
            where=name,
            remedy="name a folder with config.json and safetensors, or a model of the hub: owner/model",
        )
    fetched = fetch(*wanted, offline=offline)
    return fetched.folder, fetched.commit


def _check_kind(folder: Path, name: str) -> None:
    """Say what a folder is that is no base, and what to do with it."""
    held = sorted(each.name for each in folder.iterdir())
    if "adapter_config.json" in held:
        # transformers would load the base that the adapter names, and the adapter on top of it.
        raise InputError(
            "it is an adapter, and not a whole model",
            where=name,
            remedy="make one of it and its base first: gate export CANDIDATE --as merged",
        )
    if SINGLE not in held and INDEX not in held:
        pickles = [each for each in held if each.endswith(_PICKLES)]
        if pickles:
            raise InputError(
                f"its weights are in {pickles[0]}, which can run code when it is loaded; only safetensors are loaded",
                where=name,
                remedy=_CONVERT,
            )
        if any(each.endswith(".gguf") for each in held):
            raise InputError(
                "it is GGUF, which is for inference", where=name, remedy="name the model that it was converted from"
            )
        strange = [each for each in held if each.endswith(".safetensors")]
        remedy = f"rename {strange[0]} to {SINGLE}" if len(strange) == 1 else "name the folder of a whole model"
        raise InputError(f"it has no weights ({SINGLE}, or {INDEX} and its parts)", where=name, remedy=remedy)
    if "config.json" not in held:
        raise InputError("it has no config.json", where=name, remedy="copy the model again, with all of its files")


def _code_of(folder: Path, config: Mapping[str, object]) -> set[str]:
    """The classes of its own that a base's configurations name.

    Raises:
        InputError: one lies in another repository, where no digest binds it.
    """
    found: set[str] = set()
    for path in sorted(folder.glob("*.json")):
        if path.name == "config.json":
            said: object = config
        elif path.name.endswith("_config.json") and path.stat().st_size <= LARGEST_CONFIG:
            said = read_json(path, LARGEST_CONFIG)
        else:
            continue
        found |= set(_classes(said))
    if elsewhere := [each for each in found if "--" in each]:
        raise InputError(
            f"it names Python of another repository ({elsewhere[0]}), which is never run",
            where=str(folder),
            remedy="copy that code into the model's folder, or take `auto_map` out of a copy of its configuration",
        )
    return found


def _classes(said: object) -> Iterator[str]:
    if not isinstance(said, dict):
        return
    for key, value in said.items():
        if key in ("auto_map", "custom_pipelines"):
            yield from _texts(value)
        elif isinstance(value, dict):
            yield from _classes(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:200]
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _check_config(folder: Path, config: Mapping[str, object]) -> BaseFacts:
    where = str(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise InputError("it does not say its `model_type`", where=where, remedy="copy or download the model again")
    if config.get("is_encoder_decoder") is True:
        raise InputError(
            f"`{config['model_type']}` has an encoder and a decoder, which is not trained here",
            where=where,
            remedy="name a decoder-only language model",
        )
    if "transformers_weights" in config:
        raise InputError("it names a weights file of its own (`transformers_weights`)", where=where, remedy=_PLAIN)
    for key in ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"):
        said = config.get(key)
        if said is not None and said not in _ATTENTION:
            raise InputError(f"its `{key}` names code to fetch", where=where, remedy=f"take `{key}` out of a copy")
    return facts_of(config, folder)


_PLAIN = f"name the weights {SINGLE}, and take the key out of config.json"
