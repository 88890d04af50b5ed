"""What answers lm-eval's requests: the model in this process, or another of lm-eval's backends by its name.

`hf` loads exactly the files that were hashed and watches every forward pass for NaN. The others (`vllm`, a server that
speaks the OpenAI protocol, …) are lm-eval's own, and what they are told is handed through.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from gate.errors import GateError, InputError, MissingDependency, UsageError
from gate.evaluation.conversations import with_conversations
from gate.evaluation.loading import load_subject, served_from
from gate.evaluation.quiet import quietly
from gate.evaluation.settings import Settings
from gate.evaluation.subject import Subject

SERVERS = ("local-completions", "local-chat-completions")
"""lm-eval's names of what speaks to a server by its URL."""


class NotScored(GateError):
    """A model could not be scored on a task: nothing is known of it, and nothing passes because of that."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Backend:
    """An lm-eval model (`lm_eval.api.model.LM`), ready."""

    lm: Any
    chat: bool
    """Whether prompts go through a chat template."""
    max_length: int | None = None
    """Tokens of its context, where it is known here."""

    def tokens(self, text: str) -> int | None:
        """How many tokens a text has; None where only a server knows."""
        encode = getattr(self.lm, "tok_encode", None)
        return None if encode is None or self.max_length is None else len(encode(text))


@contextmanager
def opened(subject: Subject, settings: Settings) -> Iterator[Backend]:
    """A model, loaded, and let go of afterwards.

    Raises:
        UsageError, InputError: it cannot be loaded so.
        MissingDependency: the backend needs a package that is not installed.
        NotScored: a server cannot be reached.
    """
    if find_spec("lm_eval") is None:
        raise MissingDependency("scoring needs lm-eval, which is not installed", remedy="pip install 'llm-gate[eval]'")
    ours = ("base_url",) if settings.backend in SERVERS else _OURS
    if forbidden := [key for key in settings.backend_args if key in ours]:
        raise UsageError(
            f"`{forbidden[0]}` is not for --backend-arg: what is scored, and how, has options of its own",
            remedy="gate eval --help lists them",
        )
    threads = _threads(settings)
    with quietly():
        backend = _in_process(subject, settings) if settings.backend == "hf" else _of_lm_eval(subject, settings)
    with_conversations(backend.lm)
    try:
        yield backend
    finally:
        del backend
        gc.collect()
        _restore(settings, threads)


SMALL = 20_000_000
"""Parameters of a model that one thread runs on a CPU: its matrices are too small to be worth dividing (0.8 million:
992 requests took 0.8 s on one thread of a busy machine with two cores, and 7.6 s on two), and sums are then added up in
one order on any number of cores."""


def _threads(settings: Settings) -> int | None:
    if settings.backend != "hf" or settings.device != "cpu":
        return None
    import torch

    return int(torch.get_num_threads())


def _restore(settings: Settings, threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if settings.device == "cuda":
        torch.cuda.empty_cache()


PARALLEL = ("parallelize", "max_memory_per_gpu", "max_cpu_memory", "offload_folder")
"""Options of `hf` that spread a model over several GPUs, for which lm-eval has to load it itself."""


def _in_process(subject: Subject, settings: Settings) -> Backend:
    import torch
    from lm_eval.models.huggingface import HFLM

    arguments: dict[str, Any] = {key: _value(value) for key, value in settings.backend_args.items()}
    shared = {"batch_size": settings.batch_size, "max_length": settings.max_length}
    if any(key in arguments for key in PARALLEL):
        lm = _spread(subject, settings, arguments, shared)
    else:
        model, tokenizer = load_subject(subject, settings)
        watch(model, tokenizer)
        if settings.device == "cpu" and sum(each.numel() for each in model.parameters()) < SMALL:
            torch.set_num_threads(1)
        lm = HFLM(pretrained=model, tokenizer=tokenizer, **shared, **arguments)
    has_template = bool(getattr(lm.tokenizer, "chat_template", None))
    return Backend(lm, settings.chat_template and has_template, int(lm.max_length))


_OURS = (
    "pretrained", "tokenizer", "peft", "lora_local_path", "delta", "revision", "subfolder", "gguf_file", "dtype",
    "batch_size", "device", "trust_remote_code", "use_cache", "max_length", "limit",
)  # fmt: skip
"""What decides what is scored, or has an option of its own."""


def _spread(subject: Subject, settings: Settings, arguments: dict[str, Any], shared: dict[str, Any]) -> Any:
    """A model over several GPUs, by accelerate's device map: lm-eval loads the verified files itself."""
    from lm_eval.models.huggingface import HFLM

    model, adapter, tokenizer = served_from(subject)
    types = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
    lm = HFLM(
        pretrained=os.fspath(model),
        tokenizer=os.fspath(tokenizer),
        peft=None if adapter is None else os.fspath(adapter),
        dtype=types[settings.precision],
        device=settings.device,
        use_safetensors=True,
        **shared,
        **arguments,
    )
    watch(lm.model, lm.tokenizer)
    return lm


def watch(model: Any, tokenizer: Any) -> None:
    """Stop at the first NaN that a model gives: the arg max of NaN is a token like any other, so that a broken model
    would look like one that answers wrongly."""
    import torch

    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    seen: dict[str, Any] = {}

    def remember(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        ids = named.get("input_ids", given[0] if given else None)
        if isinstance(ids, torch.Tensor) and ids.ndim == 2 and ids.shape[1] > 1:
            seen["ids"] = ids

    def check(module: Any, given: Any, logits: Any) -> None:
        logits = getattr(logits, "logits", logits)
        wrong = logits[:, -1].isnan().any(-1)
        if bool(wrong.any()):
            ids = seen.get("ids")
            text = ""
            if ids is not None and len(ids) == len(wrong):
                text = tokenizer.decode(ids[int(wrong.nonzero()[0])], skip_special_tokens=True)
            said = " ".join(text.split())[:80]
            raise NotScored(
                "the model's logits are NaN" + (f" at {said!r}" if said else ""),
                remedy="its weights are broken, or --precision is too small for it: try --precision fp32",
            )

    # An adapter's own call goes around its base's hooks, and its `generate` goes around its own.
    for each in {id(each): each for each in (model, getattr(model, "get_base_model", lambda: model)())}.values():
        each.register_forward_pre_hook(remember, with_kwargs=True)
    (head or model).register_forward_hook(check)


def _of_lm_eval(subject: Subject, settings: Settings) -> Backend:
    import lm_eval.models  # noqa: F401 - it registers the backends
    from lm_eval.api.registry import get_model

    try:
        kind = get_model(settings.backend)
    except (KeyError, ValueError):
        raise UsageError(
            f"lm-eval has no backend {settings.backend!r}",
            where="--backend",
            remedy="hf, vllm, local-completions, local-chat-completions, or another of lm-eval's",
        ) from None
    except ImportError as error:
        raise _missing(settings, error) from None
    arguments: dict[str, Any] = {key: _value(value) for key, value in settings.backend_args.items()}
    if settings.backend in SERVERS:
        arguments = _server(subject, settings) | arguments
    elif subject.folder is not None:
        model, adapter, tokenizer = served_from(subject)
        types = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
        arguments |= {"pretrained": os.fspath(model), "dtype": types[settings.precision]}
        if settings.backend.startswith("vllm"):
            arguments |= {"tokenizer": os.fspath(tokenizer), "seed": settings.seed}
        if adapter is not None:
            arguments["lora_local_path" if settings.backend.startswith("vllm") else "peft"] = os.fspath(adapter)
        if settings.max_length is not None:
            arguments["max_length"] = settings.max_length
    own = {"batch_size": settings.batch_size, "max_batch_size": None, "device": settings.device}
    try:
        lm = kind.create_from_arg_obj(arguments, own)
    except ImportError as error:
        raise _missing(settings, error) from None
    except TypeError as error:
        raise UsageError(f"{settings.backend} does not take that ({error})", where="--backend-arg") from None
    except (OSError, ValueError, AssertionError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise UsageError(f"the backend {settings.backend} cannot start: {said}", where=subject.name) from error
    return Backend(lm, settings.chat_template and _has_template(lm, settings, arguments))


def _has_template(lm: Any, settings: Settings, arguments: Mapping[str, Any]) -> bool:
    """Whether prompts can go through a chat template: a chat server's own, or the tokenizer's that is here."""
    if settings.backend in SERVERS:
        if settings.backend.endswith("chat-completions"):
            return True
        if not arguments.get("tokenized_requests"):  # lm-eval would send messages, which this protocol does not know
            return False
    return bool(getattr(getattr(lm, "tokenizer", None), "chat_template", None))


def _missing(settings: Settings, error: Exception) -> MissingDependency:
    said = str(error).splitlines()[0][:200]
    return MissingDependency(
        f"the backend {settings.backend} needs a package that is not installed ({said})",
        remedy="pip install 'lm_eval[api]' for servers, pip install 'lm_eval[vllm]' for vllm",
    )


def _server(subject: Subject, settings: Settings) -> dict[str, Any]:
    if settings.url is None:
        raise UsageError(
            f"{settings.backend} needs the server's address", where="--url", remedy="--url http://HOST:PORT/v1"
        )
    path = "chat/completions" if settings.backend.endswith("chat-completions") else "completions"
    url = settings.url if settings.url.rstrip("/").endswith("completions") else f"{settings.url.rstrip('/')}/{path}"
    arguments: dict[str, Any] = {
        "model": subject.name, "base_url": url, "seed": settings.seed, "max_retries": 2, "tokenizer_backend": None,
        "tokenized_requests": False,
    }  # fmt: skip
    if subject.folder is not None and settings.backend == "local-completions":
        # Prompts go as tokens: where one text ends and the other begins is then the same as in this process.
        _, _, tokenizer = served_from(subject)
        arguments |= {
            "tokenizer_backend": "huggingface", "tokenizer": os.fspath(tokenizer), "tokenized_requests": True,
        }  # fmt: skip
    if settings.max_length is not None:
        arguments["max_length"] = settings.max_length
    return arguments


def _value(text: str) -> object:
    """A value of --backend-arg as lm-eval reads one: a number, true or false, else text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


__all__ = ["PARALLEL", "SERVERS", "Backend", "InputError", "NotScored", "opened", "watch"]
