"""Keeps lm-eval and what it calls off the terminal while it scores, and hands its progress on."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

OnProgress = Callable[[int, int], None]
"""Told of requests done, and of those in all."""

_LOGGERS = ("lm_eval", "datasets", "transformers", "peft", "bitsandbytes", "evaluate", "httpx", "absl")


@contextlib.contextmanager
def quietly(on_progress: OnProgress = lambda done, total: None) -> Iterator[None]:
    """lm-eval without its log lines, its bars and its lookups: as they were, afterwards.

    lm-eval asks git for the commit of the working directory and pip for every package each time that it is called,
    which takes longer than a small task. gate records the environment itself.
    """
    import datasets
    import lm_eval.evaluator as evaluator
    from transformers.utils import logging as transformers_logging

    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    kept = {name: getattr(evaluator, name) for name in ("add_env_info", "get_git_commit_hash")}
    shown = transformers_logging.is_progress_bar_enabled()
    verbosity, bars = transformers_logging.get_verbosity(), datasets.are_progress_bars_disabled()
    swapped = {
        module: module.tqdm
        for name, module in list(sys.modules.items())
        if name.startswith("lm_eval.") and hasattr(module, "tqdm")
    }
    bar = _bar(on_progress)
    try:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        datasets.disable_progress_bars()
        for module in swapped:
            module.tqdm = bar  # type: ignore[attr-defined]
        evaluator.add_env_info = lambda storage: None
        evaluator.get_git_commit_hash = lambda: None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()
        if not bars:
            datasets.enable_progress_bars()
        for module, tqdm in swapped.items():
            module.tqdm = tqdm  # type: ignore[attr-defined]
        for name, function in kept.items():
            setattr(evaluator, name, function)


def _bar(on_progress: OnProgress) -> type[Any]:  # stands in for tqdm, which is untyped
    class Bar:
        """What lm-eval uses of tqdm. Building prompts is quick, and is not told of."""

        def __init__(self, items: Iterable[Any] | None = None, total: int | None = None, **_: Any) -> None:
            self._items, self._total, self._done = items, total or 0, 0

        def __iter__(self) -> Iterator[Any]:
            return iter(self._items or ())

        def update(self, number: int = 1) -> None:
            self._done += number
            if self._total:
                on_progress(min(self._done, self._total), self._total)

        def close(self) -> None: ...

        def set_description(self, *_: Any, **__: Any) -> None: ...

        def set_postfix(self, *_: Any, **__: Any) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

    return Bar


OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def go_offline() -> None:
    """Forbid the hub to every library that is imported from now on. They read it once, as they are imported."""
    for name in OFFLINE:
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
