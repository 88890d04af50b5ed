"""Imports Presidio as a gate wants it: without torch where no model is asked for, offline, and with nothing logged.

To be called in a worker process: what it sets holds for the whole process.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any

_FRAMEWORKS = ("torch", "transformers", "gliner", "stanza")
"""What Presidio (and thinc under it) imports when it is there: 3 to 6 seconds that a blank tokenizer has no use for."""
_COMMANDS = ("spacy.cli", "spacy.cli.info")
"""spaCy's command line, which it imports for one function: 0.2 seconds, and all that goes with projects."""


class SwallowedFailures(logging.Filter):
    """Keeps count of what Presidio only logs: a pattern that timed out, a model that failed on a piece of text.

    It then carries on as if the text had nothing in it; a gate must not. No record gets past it: some quote the text.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        message = str(record.msg).lower()
        self.count += "timed out" in message or "prediction failed" in message
        return False

    def taken(self) -> int:
        """How many there were since the last call."""
        count, self.count = self.count, 0
        return count


@contextmanager
def _bare() -> Iterator[None]:
    """Within it, importing the frameworks fails as if they were not installed, spaCy's commands are hollow, and what
    is compiled with `regex` is compiled when it is used; modules that are loaded stay as they are."""
    import regex  # type: ignore[import-untyped]

    at_once = regex.compile
    regex.compile = _WhenUsed
    hidden = [name for name in (*_FRAMEWORKS, *_COMMANDS) if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = _hollow(name) if name in _COMMANDS else None  # type: ignore[assignment]
    try:
        yield
    finally:
        regex.compile = at_once
        for name in hidden:
            del sys.modules[name]


class _WhenUsed:
    """A compiled regex to be. Presidio compiles each of the 170 patterns that it brings while it is imported, to see
    whether it can, and throws the result away: 0.2 seconds."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._given, self._named = given, named

    def __getattr__(self, name: str) -> Any:
        import regex

        return getattr(regex.compile(*self._given, **self._named), name)


def _hollow(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__path__ = []
    module.__dict__["info"] = None
    return module


def import_presidio(*, with_models: bool) -> SwallowedFailures:
    """Import presidio_analyzer and make it quiet.

    Args:
        with_models: whether torch and its kind may be imported; what was decided first holds for the process.

    Returns:
        what counts swallowed failures, the same at every call.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    with nullcontext() if with_models else _bare():
        import presidio_analyzer
        import presidio_analyzer.predefined_recognizers  # noqa: F401
    import tldextract

    # The e-mail recogniser asks tldextract, which by default downloads the public suffix list and writes it to a
    # cache folder: without addresses and without a folder it uses the list that it ships with.
    if getattr(tldextract.tldextract.TLD_EXTRACTOR, "suffix_list_urls", None) != ():
        tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    for name in ("decision_process", "tldextract", "tldextract.cache", "filelock"):
        logging.getLogger(name).disabled = True
    logger = logging.getLogger("presidio-analyzer")
    known = [one for one in logger.filters if isinstance(one, SwallowedFailures)]
    if known:
        return known[0]
    failures = SwallowedFailures()
    logger.addFilter(failures)
    return failures
