"""Imports Presidio as a gate wants it: without torch where no model is asked for, offline, and with nothing logged.

To be called in a worker process: what it sets holds for the whole process.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FRAMEWORKS = ("torch", "transformers", "gliner", "stanza")
"""What Presidio (and thinc under it) imports when it is there: 3 to 6 seconds that a blank tokenizer has no use for."""


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
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """Within it, importing these modules fails as if they were not installed; loaded ones stay as they are."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def import_presidio(*, with_models: bool) -> SwallowedFailures:
    """Import presidio_analyzer and make it quiet.

    Args:
        with_models: whether torch and its kind may be imported; what was decided first holds for the process.

    Returns:
        what counts swallowed failures, the same at every call.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    with _absent(() if with_models else _FRAMEWORKS):
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
